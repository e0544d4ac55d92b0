"""The chain of the quickstart from glass to report, with less of everything."""

from pathlib import Path

from ruamel.yaml import YAML

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart"
MODEL = Path(__file__).parents[1] / "data" / "tight-binding" / "model.mace"


def shortened() -> dict:
    """The quickstart's input with less of everything: one glass of 13 atoms, two cheap labels, 2 ps."""
    content = YAML(typ="safe").load(QUICKSTART / "input.yaml")
    content["system"] |= {"composition": {"Na": 2, "V4+": 1, "P": 2, "O": 8}, "formula_units": 1}
    content["glass"] |= {"replicas": 1, "melt_ps": 2, "quench_rate_K_per_ps": 1000, "hold_ps": 0.5}
    labels = {"name": "glass", "level": "gfn1-xtb", "melt_frames_per_structure": 1}
    content |= {"reference": [labels], "dataset": {"level": "gfn1-xtb"}}
    content["train"] = {"start_model": str(MODEL), "epochs": 3, "dtype": "float32"}
    content["md"] = {"temperatures_K": [300], "time_ps": 2, "checkpoint_ps": 0.05}
    del content["analysis"]["skip_ps"]
    return content


def write(folder: Path, content: dict) -> None:
    with open(folder / "input.yaml", "w") as stream:
        YAML().dump(content, stream)
