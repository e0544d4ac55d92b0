#!/usr/bin/env bash
# Makes the reference sets from nothing, with the project's own commands: `make.sh gfn1-xtb`, one and a half hours on two
# busy cores, or `make.sh pbe`, three hours. Stop it whenever you like; called again, it goes on where it was.
set -euo pipefail
cd "$(dirname "$0")"

run() {
  for input in "$@"; do
    mpirun -n 2 python -m naglass_drv run "$input" --folder "run/${input%.yaml}"
  done
}

case ${1:-} in
  gfn1-xtb)
    run xtb-*.yaml gfn1-xtb.yaml
    python -m naglass_drv export-frames run/gfn1-xtb/products/dataset --output run/export
    frames=(run/export/train.extxyz run/export/valid.extxyz run/export/test.extxyz)
    ;;
  pbe)
    run pbe-*.yaml
    frames=(run/pbe-*/products/reference/pbe-*.extxyz)
    ;;
  *)
    echo "usage: make.sh gfn1-xtb|pbe" >&2
    exit 2
    ;;
esac
cat "${frames[@]}" | gzip -9n > "frames-$1.extxyz.gz"
python -m naglass_drv audit "frames-$1.extxyz.gz" --output "run/audit-$1"
cp "run/audit-$1/audit.json" "audit-$1.json"
