#!/bin/sh
# The small starting model from nothing, on two cores; stopped, it goes on where it was.
set -e
cd "$(dirname "$0")"
python -m naglass_drv env make sevennet
mpirun -n 2 python -m naglass_drv run explore.yaml --folder run/explore
mpirun -n 2 python -m naglass_drv run more.yaml --folder run/more
if [ ! -e run/more.extxyz ]; then
  python -m naglass_drv relabel run/more/products/*/md/candidates.extxyz \
    --potential sevennet:7net-l3i5+d3 --output run/more.extxyz --workers 2
fi
python -m naglass_drv run small.yaml --folder run/small
cp run/small/products/model/model.portable ../quickstart/start/model.mace
