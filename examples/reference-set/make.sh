#!/usr/bin/env bash
# Makes the reference set from nothing, with the project's own commands: one and a half hours on two busy cores. Stop it
# whenever you like; called again, it goes on where it was.
set -euo pipefail
cd "$(dirname "$0")"
for input in xtb-*.yaml gfn1-xtb.yaml; do
  mpirun -n 2 python -m naglass_drv run "$input" --folder "run/${input%.yaml}"
done
python -m naglass_drv export-frames run/gfn1-xtb/products/dataset --output run/export
cat run/export/train.extxyz run/export/valid.extxyz run/export/test.extxyz | gzip -9n > frames-gfn1-xtb.extxyz.gz
python -m naglass_drv audit frames-gfn1-xtb.extxyz.gz --output run/audit
cp run/audit/audit.json audit-gfn1-xtb.json
