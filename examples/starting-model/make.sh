#!/usr/bin/env bash
# Makes the quickstart's starting dataset and model from nothing, with the project's own commands: about half an hour on
# two cores. Stop it whenever you like; called again, it goes on where it was.
set -euo pipefail
cd "$(dirname "$0")"
last=3
for round in $(seq 0 "$last"); do
  mpirun -n 2 python -m naglass_drv run "round-$round.yaml" --folder "run/round-$round"
done
products="run/round-$last/products"
mkdir -p start
cat "$products/dataset/train.extxyz" "$products/dataset/test.extxyz" | gzip -9n > start/frames.extxyz.gz
cp "$products/model/model.portable" start/model.mace
cp "$products/model/model.json" start/model.json
