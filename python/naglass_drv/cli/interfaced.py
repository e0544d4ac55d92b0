"""What an input asks of an interface: a crystal that can be cut, parameters for all its ions, a model that fits."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, SetupError
from .screened import told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..chemistry.ions import Species
    from ..config.partial import Partial
    from ..config.source import Document
    from ..interface.crystal import Crystal
    from ..interface.terminations import Termination

# of which each has an error of its own
_OF_A_CUT = {("interface", "crystal"), ("interface", "cell_A"), ("interface", "hkl")}


def check_interface(top: "Partial", document: "Document", source: Path) -> None:
    """Add to `document` what is wrong with the crystal of the section `interface`, before anything is run."""
    from ..chemistry import potentials
    from ..chemistry.masses import volume
    from ..config import atom_counts
    from ..config.partial import rule

    if top.interface is None:
        return
    with rule():
        asked = top.interface
        told(document, ("interface", "crystal"), _check_ions, source / asked.crystal)
    with rule():
        told(document, ("interface", "cell_A"), _check_edges, source / asked.crystal, asked.cell_A, document)
    with rule():
        told(document, ("system", "composition"), potentials.check, atom_counts.ions(top))
    with rule():
        if asked.seed is not None:
            # at zero pressure the width of the glass is not known
            volume_A3 = volume(atom_counts.ions(top), top.system.density_g_cm3)
            width_A = volume_A3 ** (1 / 3) if asked.route == "join" else asked.seed.width_A
            told(document, ("interface", "seed"), _check_seeds, source / asked.crystal, asked, width_A, document)
            if asked.seed.melting is not None:
                where = ("interface", "seed", "melting")
                told(document, where, _check_congruent, source / asked.crystal, atom_counts.ions(top), document)
            if ("md", "model") not in document.faulty:
                told(document, ("interface",), _check_elements, source, asked, top.md)
            return
    with rule():
        told(document, ("interface", "hkl"), _check_cut, source / asked.crystal, asked, document)
    with rule():
        if asked.route == "join" and "npt" not in (top.glass.protocol or ""):
            volume_A3 = volume(atom_counts.ions(top), top.system.density_g_cm3)
            told(document, ("interface", "route"), _check_match, source / asked.crystal, asked, volume_A3, document)
    with rule():
        # a model that cannot be opened has its own error
        if not {("md", "model"), ("train", "start_model"), ("interface", "crystal")} & set(document.faulty):
            told(document, ("interface",), _check_model, source, asked, top.md, top.train)


def count_interface(top: "Partial", document: "Document", source: Path) -> dict[str, tuple[int, int]]:
    """The atoms of slab, glass and bulk crystal of the section `interface`, by the keys of `config.atom_counts`; those
    that are not known before the run, or have an error of their own, are left out.
    """
    asked, found = top.interface, dict[str, tuple[int, int]]()
    if asked is None or any(where[:1] == ("interface",) for where in document.faulty):
        return found
    # after the return, since other inputs are checked without numpy
    from ..config import atom_counts
    from ..config.interfaces import finds_lattice, lattice_width_A
    from ..config.partial import rule
    from ..interface.crystal import read_crystal
    from ..interface.sizes import sides
    from ..stages.crystal import WIDTH_A
    from ..stages.crystal_cell import atoms_in

    with rule(), suppress(InputError, SetupError):
        path, system = source / asked.crystal, top.system
        crystal = read_crystal(path)
        reach = _reach(source, top.md, top.train) if finds_lattice(top) else None
        found[atom_counts.of_bulk(top)] = (
            atoms_in(crystal, WIDTH_A),
            atoms_in(crystal, lattice_width_A(reach[1] if reach else 0.0)),
        )
        if asked.seed is None:
            found[atom_counts.of_slab(top)] = sides(
                *_cut(path, asked),
                system.composition,
                system.density_g_cm3,
                crystal_A=asked.crystal_A,
                glass_A=asked.glass_A,
                lateral_A=asked.lateral_A,
            )
    return found


def _check_ions(path: Path) -> None:
    """The melt-quench potential has parameters for every ion of the crystal."""
    from ..chemistry import potentials
    from ..interface.crystal import read_crystal

    ions = read_crystal(path).ions
    if lacking := potentials.lacking(ions):
        named = ", ".join(ion.label for ion in lacking)
        raise InputError(f"{path.name}: no Pedone parameters for {named}; available: {potentials.known()}")


def _check_edges(path: Path, cell: "str | Sequence[float]", document: "Document") -> None:
    """Edges that are given are those of the crystal."""
    from ..interface.crystal import read_crystal
    from ..interface.lattice import check_edges

    # a crystal that cannot be read has its own error
    if not isinstance(cell, str) and ("interface", "crystal") not in document.faulty:
        check_edges(read_crystal(path), cell)


def _given(path: Path, cell: "str | Sequence[float]") -> "Crystal":
    """The crystal of a file in the cell that is given; that of the file where it is to be found."""
    from ..interface.crystal import read_crystal

    crystal = read_crystal(path)
    return crystal if isinstance(cell, str) else crystal.with_cell(cell)


def _cut(path: Path, asked: "Partial") -> "tuple[Crystal, Termination]":
    """The crystal in its cell, and its cut, which is named by that of the file."""
    from ..interface.crystal import read_crystal
    from ..interface.slabs import named, recut

    crystal, given = read_crystal(path), _given(path, asked.cell_A)
    cut = named(crystal, asked.hkl, asked.termination)
    return given, cut if isinstance(asked.cell_A, str) else recut(given, crystal, cut)


def _check_cut(path: Path, asked: "Partial", document: "Document") -> None:
    if not _OF_A_CUT & set(document.faulty) and asked.hkl is not None:
        _cut(path, asked)


def _check_seeds(path: Path, asked: "Partial", width_A: float, document: "Document") -> None:
    """Each seed can be cut, and is no larger than half a cell of that width."""
    from ..interface.seeds import check_half, crystallite

    if _OF_A_CUT & set(document.faulty):
        return
    crystal, seed = _given(path, asked.cell_A), asked.seed
    for radius in seed.radius_A:
        grain = crystallite(crystal, radius, seed.shape, direction=seed.direction)
        check_half(grain, width_A)


def _check_congruent(path: Path, ions: "Sequence[Species]", document: "Document") -> None:
    """The glass has the composition of the crystal, whose heat of melting drives the seeds then alone."""
    from collections import Counter

    from ..interface.carving import formula_text
    from ..interface.crystal import read_crystal, reduced

    if ("interface", "crystal") in document.faulty:
        return
    counts: Counter[str] = Counter()
    for ion in ions:
        counts[ion.element] += ion.count
    crystal, glass = read_crystal(path).formula, reduced(counts)
    if crystal != glass:
        other = f"the glass, {formula_text(glass)}, has another composition than the crystal, {formula_text(crystal)}"
        raise InputError(f"{other}: the driving force is not the heat of melting; leave it out")


def _check_match(path: Path, asked: "Partial", volume_A3: float, document: "Document") -> None:
    """The cube of the glass, of that volume, can be strained or cut to the slab."""
    from ase import Atoms

    from ..interface.joining import MOST_STRAIN, fitted
    from ..interface.lattice import MOST_CHANGE
    from ..interface.slabs import lateral_cell

    if _OF_A_CUT & set(document.faulty) or asked.hkl is None:
        return
    crystal, cut = _cut(path, asked)
    # a cell that is not known yet may turn out so much wider or narrower
    strain = MOST_STRAIN + (MOST_CHANGE if asked.cell_A == "relaxed" else 0.0)
    lateral = lateral_cell(crystal, cut, thickness_A=asked.crystal_A, lateral_A=asked.lateral_A)
    fitted(Atoms(cell=[volume_A3 ** (1 / 3)] * 3, pbc=True), lateral, asked.glass_A, strain)


def _cut(path: Path, asked: "Partial") -> "tuple[Crystal, Termination]":
    """The crystal and where it is cut, in the cell that is given or that of the file."""
    from ..interface.crystal import read_crystal
    from ..interface.slabs import named, recut

    crystal = read_crystal(path)
    cut = named(crystal, asked.hkl, asked.termination)
    if not isinstance(asked.cell_A, list):
        return crystal, cut
    given = crystal.with_cell(asked.cell_A)
    return given, recut(given, crystal, cut)


def _reach(source: Path, md: "Partial", train: "Partial | None") -> tuple[int, float] | None:
    """Layers and cutoff (Å) of the model of the MD; None where nothing is known of it before it is loaded."""
    from ..engines.mace.facts import reach_of
    from ..engines.mace.filekind import PICKLED, kind_of

    model = md.model if md.model != "train" or train is None else train.start_model
    if not isinstance(model, Path):
        return (train.layers, train.r_max_A) if train is not None else None
    if kind_of(source / model) == PICKLED:
        return None
    reach = reach_of(source / model)
    return reach.layers, reach.r_max_A


def _check_model(source: Path, asked: "Partial", md: "Partial | None", train: "Partial | None") -> None:
    """The model of the MD covers the elements of the crystal, and reaches no farther than to the middle of a side."""
    from ..interface.slabs import check_receptive_field

    if md is None or md.structures != "interface":
        return
    if reach := _reach(source, md, train):
        check_receptive_field(asked.crystal_A, asked.glass_A, *reach)
        _check_elements(source, asked, md)


def _check_elements(source: Path, asked: "Partial", md: "Partial | None") -> None:
    """The model of the MD covers the elements of the crystal."""
    from ..engines.mace.facts import reach_of
    from ..engines.mace.filekind import PICKLED, kind_of
    from ..interface.crystal import read_crystal

    if md is None or md.structures != "interface" or not isinstance(md.model, Path):
        return
    if kind_of(source / md.model) == PICKLED:
        return
    reach = reach_of(source / md.model)
    missing = [element for element in read_crystal(source / asked.crystal).formula if element not in reach.elements]
    if missing:
        elements = reach.elements
        raise InputError(f"{asked.crystal}: md.model covers {', '.join(elements)}, not {', '.join(missing)}")
