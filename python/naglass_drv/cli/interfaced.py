"""What an input asks of an interface: a crystal that can be cut, parameters for all its ions, a model that fits."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .screened import told

if TYPE_CHECKING:
    from ..config.partial import Partial
    from ..config.source import Document


def check_interface(top: "Partial", document: "Document", source: Path) -> None:
    """Add to `document` what is wrong with the crystal of the section `interface`, before anything is run."""
    from ..config.partial import rule

    if top.interface is None:
        return
    with rule():
        asked = top.interface
        told(document, ("interface", "crystal"), _check_ions, source / asked.crystal)
    with rule():
        told(document, ("interface", "hkl"), _check_cut, source / asked.crystal, asked.hkl, asked.termination, document)
    with rule():
        told(document, ("interface", "crystal"), _check_model, source, asked.crystal, top.md)


def _check_ions(path: Path) -> None:
    """The melt-quench potential has parameters for every ion of the crystal."""
    from ..chemistry import potentials
    from ..interface.crystal import read_crystal

    ions = read_crystal(path).ions
    if lacking := potentials.lacking(ions):
        named = ", ".join(ion.label for ion in lacking)
        raise InputError(f"{path.name}: no Pedone parameters for {named}; available: {potentials.known()}")


def _check_cut(path: Path, hkl: list[int], termination: "int | str", document: "Document") -> None:
    from ..interface.crystal import read_crystal
    from ..interface.slabs import chosen, listed

    # a crystal that cannot be read has its own error
    if ("interface", "crystal") not in document.faulty:
        chosen(listed(read_crystal(path), hkl), None if termination == "least" else int(termination))


def _check_model(source: Path, crystal: Path, md: "Partial | None") -> None:
    """The model of the MD covers the elements of the crystal."""
    from ..engines.mace.facts import potential_facts
    from ..interface.crystal import read_crystal

    if md is None or md.structures != "interface" or not isinstance(md.model, Path):
        return
    elements = potential_facts(source / md.model).elements
    missing = [element for element in read_crystal(source / crystal).formula if element not in elements]
    if missing:
        raise InputError(f"{crystal}: md.model covers {', '.join(elements)}, not {', '.join(missing)}")
