"""The shipped examples are complete and say what the code takes today."""

from pathlib import Path

import pytest
from naglass_drv.config.load import load
from naglass_drv.dataset.frames import read_labelled
from naglass_drv.engines.cp2k.levels import label_of, level
from naglass_drv.errors import InputError

EXAMPLES = Path(__file__).parents[2] / "examples"
START = EXAMPLES / "quickstart" / "start"


def test_the_first_inputs_are_good():
    for path in (EXAMPLES / "quickstart" / "input.yaml", EXAMPLES / "starting-model" / "round-0.yaml"):
        assert load(path).system.composition == {"Na": 4, "V4+": 2, "P": 4, "O": 16}


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_later_round_lacks_only_the_products_of_the_one_before(number):
    with pytest.raises(InputError) as caught:
        load(EXAMPLES / "starting-model" / f"round-{number}.yaml")
    faults = str(caught.value).splitlines()
    assert len(faults) == 4
    assert all("no such file" in fault and f"run/round-{number - 1}/products" in fault for fault in faults)


def test_the_starting_set_is_of_todays_level():
    frames = read_labelled(START / "frames.extxyz.gz")
    assert len(frames) > 100
    assert {frame.info["level"] for frame in frames} == {label_of(level("gfn1-xtb"))}
    assert sum(path.stat().st_size for path in START.iterdir()) < 5e6
