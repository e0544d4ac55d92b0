#!/usr/bin/env bash
# Makes a reference set from nothing, with the project's own commands: `make.sh gfn1-xtb`, one and a half hours on two busy
# cores, or `make.sh pbe`, two hours. Stop it whenever you like; called again, it goes on where it was.
set -euo pipefail
cd "$(dirname "$0")"

case ${1:-} in
  gfn1-xtb) inputs=(xtb-*.yaml gfn1-xtb.yaml) ;;
  pbe) inputs=(pbe-*.yaml pbe.yaml) ;;
  *)
    echo "usage: make.sh gfn1-xtb|pbe" >&2
    exit 2
    ;;
esac
for input in "${inputs[@]}"; do
  mpirun -n 2 python -m naglass_drv run "$input" --folder "run/${input%.yaml}"
done
python -m naglass_drv export-frames "run/$1/products/dataset" --output "run/export-$1"
cat "run/export-$1/train.extxyz" "run/export-$1/valid.extxyz" "run/export-$1/test.extxyz" | gzip -9n > "frames-$1.extxyz.gz"
python -m naglass_drv audit "frames-$1.extxyz.gz" --output "run/audit-$1"
cp "run/audit-$1/audit.json" "audit-$1.json"
