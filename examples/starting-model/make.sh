#!/bin/sh
# The small starting model from nothing, on two cores, and from it the other one: ./make.sh [standard]
# Stopped, it goes on where it was.
set -e
cd "$(dirname "$0")"

label() {
  if [ ! -e "$1" ]; then
    output=$1
    shift
    # all files with the isolated atoms of the first fit
    python -m naglass_drv relabel "$@" --potential sevennet:7net-l3i5+d3 --output "$output" --workers 2 \
      --e0 run/explore/products/round-3/dataset/dataset.json
  fi
}

python -m naglass_drv env make sevennet
mpirun -n 2 python -m naglass_drv run explore.yaml --folder run/explore
mpirun -n 2 python -m naglass_drv run more.yaml --folder run/more
label run/more.extxyz run/more/products/*/md/candidates.extxyz
python -m naglass_drv run fit.yaml --folder run/fit
mpirun -n 2 python -m naglass_drv run walls.yaml --folder run/walls
python squeeze.py run/more.extxyz run/squeezed.extxyz
label run/walls.extxyz run/walls/products/*/md/candidates.extxyz run/squeezed.extxyz
mpirun -n 2 python -m naglass_drv run crowd.yaml --folder run/crowd
python squeeze.py run/more.extxyz run/crowded.extxyz --count 200 --joined 2
label run/crowd.extxyz run/crowd/products/*/md/candidates.extxyz run/crowded.extxyz
python -m naglass_drv run small.yaml --folder run/small
cp run/small/products/model/model.portable ../quickstart/start/model.mace

[ "$1" = standard ] || exit 0
mpirun -n 2 python -m naglass_drv run vanadium.yaml --folder run/vanadium
label run/vanadium.extxyz run/vanadium/products/*/md/candidates.extxyz
python widen.py ../quickstart/start/model.mace run/widened.mace
python -m naglass_drv run standard.yaml --folder run/standard
cp run/standard/products/model/model.portable standard.mace
