"""Model files as `pair_style mace` reads them, and the start of a simulation with them."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..files import write_bytes
from ..products import Model
from . import committee
from .base import Run

if TYPE_CHECKING:
    from ase import Atoms

    from ..engines.mace.facts import ModelFacts


def models_of(run: Run) -> dict[str, Path]:
    """Files of the model of stage `md`: ``model``, and ``member-1`` and so on of a committee; with GPUs the portable
    one, from which an archive with TorchScript is made, and its ``readout`` of moments."""
    section = run.input.md
    if section.model != "train":
        return {"model": run.source / section.model}
    trained = run.take("train", Model)
    files = trained.files
    if not section.gpus:
        return {committee.task_of(member): path for member, path in enumerate(committee.archives(trained))}
    return {"model": files["portable"]} | ({"readout": files["readout"]} if "readout" in files else {})


def check_covered(model: "ModelFacts", path: Path, elements: Iterable[str], name: str) -> None:
    """Raise InputError for a structure, of this `name`, with an element that the model at `path` lacks."""
    missing = [element for element in elements if element not in model.elements]
    if missing:
        raise InputError(
            f"md.model: {path} does not cover {', '.join(missing)} in {name}; it covers {', '.join(model.elements)}"
        )


def place_model(model: Path, target: Path, readout: Path | None = None, *, with_torch: bool = False) -> None:
    """Write the archive of a `model` to `target`: a copy, or for a portable model an export, with its `readout` of
    moments.
    """
    if model.suffix == ".naglass":
        write_bytes(target, model.read_bytes())
        return
    from ..engines.mace.export import export_model
    from ..engines.mace.spin import SpinReadout

    spin = SpinReadout.load(readout) if readout else None
    export_model(model, target, spin=spin, with_torch=with_torch)


def write_start(
    folder: Path, atoms: "Atoms", elements: Sequence[str], inputs: Mapping[str, Path], *, with_torch: bool
) -> list[str]:
    """Write ``start.data`` with the `elements` as types, and the archives of the models among a task's `inputs`.

    Returns the lines by which a script finds these in its own folder.
    """
    import numpy as np

    from ..engines.lammps.session import write_data

    archives = _archives(inputs)
    for role in archives.values():
        place_model(inputs[role], folder / f"{role}.naglass", inputs.get("readout"), with_torch=with_torch)
    types = np.array([elements.index(symbol) + 1 for symbol in atoms.get_chemical_symbols()])
    write_data(folder / "start.data", atoms, types, np.zeros(len(atoms)))
    return [f"variable {variable} index {role}.naglass" for variable, role in archives.items()]


def archive_variables(folder: Path, inputs: Mapping[str, Path]) -> dict[str, object]:
    """The same for the driver: absolute paths by the names of the variables."""
    return {variable: folder / f"{role}.naglass" for variable, role in _archives(inputs).items()}


def _archives(inputs: Iterable[str]) -> dict[str, str]:
    """Roles by the names of the variables of the script."""
    return {"mace": "model"} | {committee.variable(role): role for role in inputs if role.startswith("member-")}
