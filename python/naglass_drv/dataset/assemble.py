"""Build one dataset from several files: a single level, no duplicates, isolated atoms separate; its statistics."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .frames import digest, is_isolated_atom, level_name, shortest_distance_A
from .split import Split
from .taught import is_fitted

if TYPE_CHECKING:
    from ase import Atoms

_E0_TOLERANCE_eV = 1e-4
#: What can be done about elements without E0.
WITHOUT_E0 = (
    "add a reference set of these elements at this level, include the E0.json or dataset.json of the run that labeled "
    "the frames, add single-atom frames with config_type=IsolatedAtom to an included file, or set dataset.E0 to "
    "least_squares"
)


@dataclass(frozen=True)
class Dataset:
    """Frames of one `level` without duplicates, isolated-atom energies (eV), number of duplicates dropped.

    `left_out` lists the frames above the force ceiling: source and largest force (eV/Å). `repeated` compares labels of
    one structure that are not copies of each other: their number, and the largest differences of energy (meV/atom) and
    of a force component (meV/Å).
    """

    frames: tuple["Atoms", ...]
    e0_eV: Mapping[str, float]
    level: str
    copies: int
    left_out: tuple[Mapping[str, Any], ...] = ()
    repeated: Mapping[str, float] | None = None

    def of(self, frames: Iterable["Atoms"]) -> "Dataset":
        """The same with `frames` only, and the energies of their elements."""
        kept = tuple(frames)
        present = {element for frame in kept for element in frame.symbols}
        return replace(self, frames=kept, e0_eV={e: energy for e, energy in self.e0_eV.items() if e in present})


def assemble(
    level: str,
    files: Mapping[str, Sequence["Atoms"]],
    e0_eV: Mapping[str, Mapping[str, float]],
    max_force_eV_per_A: float = np.inf,
    *,
    partial_e0: bool = False,
) -> Dataset:
    """Merge the labeled frames of `files` (name -> frames), in this order, with isolated-atom energies.

    `level` is the level's name; the frames name it with a hash of its settings, and all have to agree on
    that, and on what they say of each element (`info["kinds"]`, `info["cp2k_data"]`). A frame of one atom with
    `config_type="IsolatedAtom"` (mace-torch's convention) gives that element's energy and is not trained on;
    `e0_eV` (name of its source -> element -> eV) gives more. Frames with a force above `max_force_eV_per_A` are
    left out and listed. Raises InputError when levels mix, when two sources disagree on an energy by more than
    1e-4 eV, when an element has none, or when no frame is left. With `partial_e0`, a dataset in which an element has
    none has no energies at all.
    """
    full = one_level(
        ((f"{name}: frame {number}", frame) for name, frames in files.items() for number, frame in enumerate(frames)),
        level,
    )
    kept: dict[str, Atoms] = {}
    atoms: list[tuple[str, Atoms]] = []
    again: list[tuple[Atoms, Atoms]] = []
    total = 0
    for name, frames in files.items():
        for number, frame in enumerate(frames):
            if is_isolated_atom(frame):
                atoms.append((f"{name}: frame {number}", frame))
                continue
            total += 1
            if (first := kept.setdefault(digest(frame), frame)) is not frame:
                again.append((first, frame))
    frames, left_out = below(max_force_eV_per_A, kept.values())
    if not frames:
        raise InputError(f"dataset: no training frames in {', '.join(files) or 'no file'}")
    merged = isolated_atom_energies(atoms, e0_eV)
    present = sorted({element for frame in frames for element in frame.symbols})
    missing = [element for element in present if element not in merged]
    if missing and partial_e0:
        return Dataset(frames, {}, full, total - len(kept), left_out, _repeated(again))
    if missing:
        raise InputError(f"dataset: no isolated-atom energy for {', '.join(missing)} at level {full}; {WITHOUT_E0}")
    used = {element: merged[element] for element in present}
    return Dataset(frames, used, full, total - len(kept), left_out, _repeated(again))


def _repeated(pairs: Iterable[tuple["Atoms", "Atoms"]]) -> dict[str, float] | None:
    """How far labels of the same structures differ; those of one source with the same numbers are copies."""
    energies, forces = [], []
    for one, other in pairs:
        energy = abs(one.info["REF_energy"] - other.info["REF_energy"]) / len(one)
        force = float(np.abs(one.arrays["REF_forces"] - other.arrays["REF_forces"]).max())
        if energy or force or one.info["source"] != other.info["source"]:
            energies.append(1e3 * energy)
            forces.append(1e3 * force)
    if not energies:
        return None
    return {"frames": len(energies), "energy_meV_per_atom": max(energies), "forces_meV_per_A": max(forces)}


def one_level(frames: Iterable[tuple[str, "Atoms"]], name: str | None = None) -> str:
    """The level, name and hash, of all `frames` (each preceded by its name in messages); "" without any.

    Raises InputError when levels or the settings of an element mix, or when the level's name is not `name`.
    """
    full, origin = "", ""
    kinds: dict[tuple[str, str], tuple[str, str, str]] = {}
    for where, frame in frames:
        own = frame.info["level"]
        short = level_name(own)
        if name == own:
            raise InputError(f"{where}: dataset.level {name}: must be the level's name without its hash, {short}")
        if name is not None and short != name:
            raise InputError(f"{where}: level {own} cannot be mixed with level {name} of the dataset")
        if not full:
            full, origin = own, where
        if own != full:
            raise InputError(f"{where}: level {own} cannot be mixed with level {full} of {origin}")
        _check_kinds(frame, where, kinds)
    return full


# what a frame says of each element, in words
_OF_ELEMENTS = {
    "kinds": "basis set, pseudopotential or U",
    "cp2k_data": "the numbers in CP2K's data files for the basis set or pseudopotential",
}


def _check_kinds(frame: "Atoms", where: str, known: dict[tuple[str, str], tuple[str, str, str]]) -> None:
    """Raise InputError where an element's settings, or CP2K's entries for it, differ from an earlier frame's; `known`
    collects them."""
    program = frame.info.get("program", "")
    for key, what in _OF_ELEMENTS.items():
        for kind in frame.info.get(key, "").split():
            element, _, own = kind.rpartition("-")
            first, origin, theirs = known.setdefault((key, element), (own, where, program))
            if own != first:
                by = f" ({program} here, {theirs} there)" if program != theirs else ""
                raise InputError(
                    f"{where}: {what} of {element} ({kind}) differ from those of {origin} ({element}-{first}){by}: "
                    "they cannot be mixed"
                )


def below(ceiling: float, frames: Iterable["Atoms"]) -> tuple[tuple["Atoms", ...], tuple[Mapping[str, Any], ...]]:
    """The frames with forces below the ceiling, and those left out: a few extreme frames would dominate a fit."""
    kept, left_out = [], []
    for frame in frames:
        force = float(np.linalg.norm(frame.arrays["REF_forces"], axis=1).max())
        if force <= ceiling:
            kept.append(frame)
        else:
            left_out.append({"source": str(frame.info["source"]), "largest_force_eV_per_A": force})
    return tuple(kept), tuple(left_out)


def statistics(dataset: Dataset, split: Split) -> dict[str, Any]:
    """What one wants to know about a dataset before training; every key includes its unit."""
    return {
        "level": dataset.level,
        "frames": len(dataset.frames),
        "copies_dropped": dataset.copies,
        "repeated": dataset.repeated,
        "left_out": list(dataset.left_out),
        "groups": dict(sorted(Counter(frame.info["group"] for frame in dataset.frames).items())),
        "E0_eV": dict(dataset.e0_eV),
        "split": split.note,
        "train": _spread(dataset, split.train),
        "test": _spread(dataset, split.test),
    }


def _spread(dataset: Dataset, indices: Sequence[int]) -> dict[str, Any] | None:
    frames = [dataset.frames[i] for i in indices]
    if not frames:
        return None
    atomization = np.array(
        [
            (frame.info["REF_energy"] - sum(dataset.e0_eV[element] for element in frame.symbols)) / len(frame)
            for frame in frames
        ]
    )
    forces = np.concatenate([frame.arrays["REF_forces"] for frame in frames])
    return {
        "frames": len(frames),
        "atoms": len(forces),
        "groups": sorted({frame.info["group"] for frame in frames}),
        "compositions": dict(sorted(Counter(frame.get_chemical_formula() for frame in frames).items())),
        "atomization_energy_mean_eV_per_atom": float(atomization.mean()),
        "atomization_energy_spread_eV_per_atom": float(atomization.std()),
        "forces_rms_eV_per_A": float(np.sqrt((forces**2).mean())),
        "forces_largest_eV_per_A": float(np.linalg.norm(forces, axis=1).max()),
        "shortest_distance_A": min(shortest_distance_A(frame) for frame in frames),
        "with_stress": sum("REF_stress" in frame.info for frame in frames),
        "with_spins": sum("REF_spin_mulliken" in frame.arrays for frame in frames),
    }


def isolated_atom_energies(
    atoms: Sequence[tuple[str, "Atoms"]], tables: Mapping[str, Mapping[str, float]] = MappingProxyType({})
) -> dict[str, float]:
    """Energies (eV) by element of isolated `atoms` (with the name of each) and of `tables` (by their source).

    Raises InputError where two differ by more than 1e-4 eV.
    """
    found = [(source, *item) for source, table in tables.items() for item in table.items()]
    found += [(where, frame.get_chemical_formula(), float(frame.info["REF_energy"])) for where, frame in atoms]
    merged: dict[str, tuple[float, str]] = {}
    for source, element, energy in found:
        known, origin = merged.setdefault(element, (energy, source))
        if abs(known - energy) > _E0_TOLERANCE_eV:
            fitted = any(is_fitted(frame) for _, frame in atoms)
            advice = "; 'relabel --e0 FILE' labels with the isolated atoms of another file" if fitted else ""
            values = f"{energy:.6f} eV, but {known:.6f} eV in {origin}"
            raise InputError(f"{source}: isolated-atom energy of {element} is {values}{advice}")
    return {element: energy for element, (energy, _) in merged.items()}
