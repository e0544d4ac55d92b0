"""The GFN1-xTB reference set in a short form: two of its systems, to a file of frames by the commands of its README."""

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from naglass_drv.dataset.frames import read_labeled
from support.jobs import naglass

pytestmark = [pytest.mark.mpi, pytest.mark.cp2k]

INPUT = Path(__file__).parents[2] / "examples" / "reference-set" / "gfn1-xtb.yaml"
AGAIN = """\
name: again
system: {composition: {Na: 1, V4+: 1, P: 1, O: 5}, density_g_cm3: 2.8}
reference:
  - name: again
    level: gfn1-xtb
    structures: {from: run/gfn1-xtb, product: small/glass/g0/structure}
dataset:
  level: gfn1-xtb
  include:
    - {from: run/gfn1-xtb, product: dataset/train}
    - {from: run/gfn1-xtb, product: dataset/test}
"""


def run(folder: Path, *arguments: str, ranks: int = 0):
    done = naglass(*arguments, cwd=folder, ranks=ranks, patience_s=1500)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_two_of_its_systems_become_a_set_that_another_run_takes(tmp_path):
    yaml = YAML(typ="safe", pure=True)
    content = yaml.load(INPUT)
    content["systems"] = [system for system in content["systems"] if system["name"] in ("v5", "small")]
    content["glass"] |= {"melt_ps": 0.3, "quench_rate_K_per_ps": 4000, "hold_ps": 0.2}
    for system in content["systems"]:
        system["glass"] = {"replicas": 1}
    content["reference"][0] |= {"frames_per_structure": 2, "melt_frames_per_structure": 0}
    yaml.dump(content, tmp_path / "gfn1-xtb.yaml")
    said = run(tmp_path, "run", "gfn1-xtb.yaml", "--folder", "run/gfn1-xtb", ranks=2)
    assert "atoms: 4 tasks, 0 already done" in said
    dataset = tmp_path / "run" / "gfn1-xtb" / "products" / "dataset"
    run(tmp_path, "export-frames", str(dataset), "--output", "export")
    frames = [frame for path in sorted((tmp_path / "export").glob("*.extxyz")) for frame in read_labeled(path)]
    whole = [frame for frame in frames if len(frame) > 1]
    assert sorted(frame.get_chemical_formula() for frame in frames if len(frame) == 1) == ["Na", "O", "P", "V"]
    assert len(whole) == json.loads((dataset / "audit.json").read_text())["frames"]
    assert {frame.info["source"].partition("/")[0] for frame in whole} == {"v5", "small"}

    (tmp_path / "again.yaml").write_text(AGAIN)
    run(tmp_path, "run", "again.yaml", "--folder", "run/again")
    summary = json.loads((tmp_path / "run" / "again" / "products" / "dataset" / "dataset.json").read_text())
    # the glass was labeled before, as the first frame of its set
    assert summary["copies_dropped"] == 1
    with open(dataset / "train.extxyz", "a") as stream:
        stream.write("\n")
    refused = naglass("validate", "again.yaml", cwd=tmp_path)
    assert refused.returncode == 2 and "again.yaml:10: dataset.include[0]: run/gfn1-xtb: " in refused.stderr
