"""The recipe of the starting models as a whole: each of its inputs, with less of everything, by its own script."""

import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from naglass_drv.engines.mace.facts import potential_facts
from naglass_drv.engines.mace.modelfile import describe, load_portable
from support.jobs import environment

pytestmark = pytest.mark.mpi

EXAMPLES = Path(__file__).parents[2] / "examples"
YAML_SAFE = YAML(typ="safe", pure=True)


def shortened(name: str, content: dict) -> dict:
    """Two compositions and the crystals, one epoch, trajectories of 20 fs."""
    if "systems" in content:
        kept = ("v4", "fe3", "crystals") if name == "explore" else ()
        content["systems"] = [each for each in content["systems"] if each["name"] in kept] or content["systems"][:2]
        content["glass"] = {"replicas": 1, "melt_ps": 0.3, "quench_rate_K_per_ps": 8000, "hold_ps": 0.1}
    for system in content.get("systems", []):
        for section in system.get("reference", {}).values():
            section["frames_per_structure"] = 1
    for item in content.get("reference", []):
        item |= {"frames_per_structure": 1, "melt_frames_per_structure": 1}
    rounds = content.get("learn", {}).get("rounds", [])
    for each in (content, *rounds):
        if "train" in each:
            each["train"]["epochs"] = 1
            if "channels" in each["train"]:
                each["train"]["channels"] = 8
        if "md" in each and each is not content:
            each["md"] |= {"time_ps": 0.02, "candidates": 1}
    if "md" in content:
        content["md"] |= {"time_ps": 0.02, "sample_every_fs": 5, "candidates": 3}
    return content


@pytest.fixture
def folder(tmp_path):
    own = tmp_path / "examples" / "starting-model"
    shutil.copytree(EXAMPLES / "starting-model", own, ignore=shutil.ignore_patterns("run"))
    shutil.copytree(EXAMPLES / "quickstart" / "start", tmp_path / "examples" / "quickstart" / "start")
    for path in own.glob("*.yaml"):
        YAML_SAFE.dump(shortened(path.stem, YAML_SAFE.load(path)), path)
    return own


def test_both_models_are_made_by_the_script_that_can_be_repeated(folder):
    small, standard = folder.parent / "quickstart" / "start" / "model.mace", folder / "standard.mace"
    before = small.read_bytes(), standard.read_bytes()
    for _ in range(2):
        done = subprocess.run(
            [folder / "make.sh", "standard"], env=environment(), capture_output=True, text=True, timeout=3600
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "frames of level" not in done.stdout
    assert before[0] != small.read_bytes() and before[1] != standard.read_bytes()
    for model, irreps in ((small, "8x0e"), (standard, "8x0e+8x1o")):
        assert set(potential_facts(model).elements) == {"O", "Na", "P", "V", "Fe"}
        assert describe(load_portable(model, "float64"))["hidden_irreps"] == irreps
