"""The verb ``cut-cells``: environments of a large glass as small periodic cells for labeling."""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, TaskFailed
from ..files import check_target, stem_of
from ..wording import counted
from .numbers import MAX_SEED, add_number

if TYPE_CHECKING:
    from ase import Atoms

    from ..dataset.surroundings import Describe
    from ..engines.embedding import Cut, Likeness
    from ..engines.lammps.requench import Forces

_PROGRESS_S = 10.0


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add cut-cells."""
    parser = add(
        "cut-cells", _cut_cells, "cut environments of a glass out as small neutral periodic cells for labeling"
    )
    parser.add_argument("glass", type=Path, help="extended XYZ, with an array 'ion' where states are to be kept")
    forces = parser.add_mutually_exclusive_group(required=True)
    forces.add_argument("--model", type=Path, help="MACE model that melts the shell: .naglass, .mace, or .model")
    forces.add_argument("--rigid-ions", action="store_true", help="melt the shell with the rigid-ion potential")
    centers = parser.add_mutually_exclusive_group(required=True)
    centers.add_argument("--centers", type=_atoms, metavar="I,J,...", help="atoms whose surroundings are kept, from 0")
    add_number(centers, "--most-uncertain", kind=int, least=1, help="choose so many by the array 'deviation'")
    parser.add_argument("--output", "-o", type=Path, required=True, help="extended XYZ to write")
    add_number(parser, "--frame", kind=int, least=0, help="which frame of the file, from 0, if it has several")
    add_number(parser, "--max-atoms", kind=int, least=10, default=200, help="atoms of a cell (default: %(default)s)")
    add_number(parser, "--radius", above=0, help="of the core, in A (default: the cutoff of the potential)")
    add_number(parser, "--melt-temperature", above=0, default=2000.0, help="K (default: %(default)s)")
    for name, default in (("melt", 10.0), ("quench", 20.0), ("release", 0.2)):
        add_number(parser, f"--{name}-ps", least=0.001, default=default, help="ps (default: %(default)s)")
    add_number(parser, "--tries", kind=int, least=1, default=5, help="seeds per center (default: %(default)s)")
    add_number(parser, "--seed", kind=int, least=0, most=MAX_SEED, default=1, help="(default: %(default)s)")
    parser.add_argument(
        "--trust", action="store_true", help="open a pickled .model or TorchScript, which can run arbitrary code"
    )


def _atoms(text: str) -> list[int]:
    words = text.split(",")
    if not all(word.isascii() and word.isdecimal() for word in words):
        raise InputError(f"--centers {text}: must be numbers of atoms, from 0, as in 12,40")
    return list(dict.fromkeys(map(int, words)))


def _cut_cells(options: argparse.Namespace) -> int:
    from tempfile import TemporaryDirectory

    from ..dataset.frames import write_frames
    from ..engines.embedding import Cut
    from ..engines.lammps.requench import Course

    check_target(options.output, "--output", inputs=[options.glass, *([options.model] if options.model else [])])
    glass = _glass(options)
    course = Course(
        melt_temperature_K=options.melt_temperature,
        melt_ps=options.melt_ps,
        quench_ps=options.quench_ps,
        release_ps=options.release_ps,
    )
    with TemporaryDirectory(prefix="naglass-") as root:
        forces, likeness, radius_A = _potential(options, glass, Path(root))
        cut = Cut(options.radius or radius_A, options.max_atoms, course, options.tries, options.seed)
        with _naming(options.glass):
            centers = _centers(options, glass, cut, likeness)
        cells: list[Atoms] = []
        for cell in _cut(glass, centers, forces, likeness, cut, Path(root)):
            cells.append(cell)
            write_frames(options.output, cells)
    if cells:
        print(f"{options.output}: {counted(len(cells), 'cell')}")
    return 0 if len(cells) == len(centers) else 4


def _centers(options: argparse.Namespace, glass: "Atoms", cut: "Cut", likeness: "Likeness") -> list[int]:
    """The atoms to cut cells around. Raises InputError where one of those given has no cell."""
    from ..dataset.cells import core_around, small_cell
    from ..dataset.centers import uncertain_centers

    if options.centers:
        for center in options.centers:
            small_cell(glass, core_around(glass, center, cut.radius_A), cut.most_atoms)
        return options.centers
    found = uncertain_centers(glass, options.most_uncertain, cut.radius_A, cut.most_atoms, likeness.describe)
    if len(found) < options.most_uncertain:
        print(f"{counted(len(found), 'center')} instead of {options.most_uncertain}: other cores overlap or do not fit")
    return found


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _glass(options: argparse.Namespace) -> "Atoms":
    from ..dataset.candidates import group_of
    from ..dataset.frames import read_frames

    frames = read_frames(options.glass)
    if options.frame is None and len(frames) > 1:
        raise InputError(f"{options.glass}: has {len(frames)} frames; choose one with --frame")
    if (number := options.frame or 0) >= len(frames):
        raise InputError(f"--frame {number}: {options.glass} has frames 0 to {len(frames) - 1}")
    glass = frames[number]
    stem = stem_of(options.glass)
    glass.info = {"group": group_of(glass, stem), "source": stem + (f"-{number}" if len(frames) > 1 else "")}
    return glass


def _potential(options: argparse.Namespace, glass: "Atoms", folder: Path) -> tuple["Forces", "Likeness", float]:
    """LAMMPS commands, how surroundings are compared, and the cutoff (Å) of the potential."""
    from ..chemistry.potentials import SHORT_CUTOFF_A
    from ..dataset.surroundings import by_geometry
    from ..engines import embedding

    by_hand = by_geometry(sorted(set(glass.symbols)))
    if options.rigid_ions:
        with _naming(options.glass):
            forces, cutoff_A, describe = embedding.rigid_ion_forces(glass), SHORT_CUTOFF_A, by_hand
    else:
        archive, by_model = _model(options, folder)
        forces, cutoff_A = embedding.mace_forces([archive], glass, str(options.model), trust=options.trust)
        describe = by_model or by_hand
    return forces, embedding.Likeness.of(describe, glass, options.seed), cutoff_A


def _model(options: argparse.Namespace, folder: Path) -> tuple[Path, "Describe | None"]:
    """The archive for ``pair_style mace``, and the model's descriptor, which an archive alone does not give."""
    from ..engines.mace.descriptors import atom_descriptors
    from ..engines.mace.export import export_module
    from ..engines.mace.modelfile import load_model

    if options.model.suffix == ".naglass":
        return options.model.absolute(), None
    model = load_model(options.model, trust=options.trust).double()
    archive = export_module(model, folder / "model.naglass", source=str(options.model))
    return archive, partial(atom_descriptors, model)


def _cut(
    glass: "Atoms", centers: Sequence[int], forces: "Forces", likeness: "Likeness", cut: "Cut", folder: Path
) -> Iterator["Atoms"]:
    """Each cell that was accepted; of the others it is said why not."""
    from mpi4py import MPI

    from ..engines.embedding import cut_cell, shown

    for place, center in enumerate(centers):
        name = f"center {center} ({glass.symbols[center]}, {place + 1} of {len(centers)})"
        how = {"comm": MPI.COMM_SELF, "folder": folder / str(center), "progress": _told(name)}
        try:
            cell = cut_cell(glass, center, forces, likeness, cut, **how)
        except TaskFailed as error:
            print(f"{error.failure}: {error}", file=sys.stderr, flush=True)
            continue
        cell.info |= {"group": glass.info["group"], "source": f"{glass.info['source']}-atom{center}"}
        print(f"{name}: {len(cell)} atoms, {shown(cell.info)}, try {cell.info['embed_try'] + 1}", flush=True)
        yield cell


def _told(name: str) -> Callable[[int, int, str], None]:
    """Says now and then how far a cell is."""
    last = time.monotonic()

    def tell(step: int, total: int, phase: str) -> None:
        nonlocal last
        if time.monotonic() - last > _PROGRESS_S:
            last = time.monotonic()
            print(f"{name}: {phase}, step {step} of {total}", file=sys.stderr, flush=True)

    return tell
