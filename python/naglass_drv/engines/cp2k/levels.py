"""Levels of theory of the labels: each a CP2K template, its tolerances, and a short hash of what they mean.

A training head takes frames of one level only. The hash covers all that decides a converged label (functional, cutoff,
tolerances) and leaves out how it converges (the &SCF section: guess, minimiser, preconditioner). Basis set,
pseudopotential and U of each element have hashes of their own, so that a new element leaves the others' frames what
they are.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from ...errors import InputError
from ...paths import data_file

_SCF = re.compile(r"^\s*&SCF\b.*?^\s*&END SCF\b", re.MULTILINE | re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class GFN1xTB:
    """GFN1-xTB tight binding, unrestricted (10.1021/acs.jctc.7b00118). Its energy knows no spin polarisation.

    `eps_scf` is the largest accepted gradient of the wavefunction (CP2K's EPS_SCF).
    """

    eps_scf: float = 1e-6

    name = "gfn1-xtb"
    template = "energy_gfn1-xtb.inp"
    needs_basis = False
    atom_box_A = 15.0


@dataclass(frozen=True)
class PBEUD3:
    """Spin-polarised PBE+U+D3(BJ) with GTH pseudopotentials and MOLOPT basis sets; U on the Mulliken projector.

    `cutoff_Ry` is the plane-wave cutoff of the density; below 600 Ry sodium's semicore leaves a net force on the
    cell, which the label's check of the net force shows. U (eV) and basis are in ``cp2k_templates/kinds``.
    """

    eps_scf: float = 1e-6
    cutoff_Ry: float = 800.0

    name = "pbe+u+d3"
    template = "energy_pbe+u+d3.inp"
    needs_basis = True
    atom_box_A = 10.0


Level = GFN1xTB | PBEUD3
_LEVELS: dict[str, type[GFN1xTB] | type[PBEUD3]] = {"gfn1-xtb": GFN1xTB, "pbe+u+d3": PBEUD3}


def level(name: str, *, cutoff_Ry: float | None = None) -> Level:
    """The level called `name`, with another plane-wave cutoff if given.

    Raises InputError for an unknown name, or a cutoff for a level that has none.
    """
    if name not in _LEVELS:
        raise InputError(f"level {name!r}: not a known level; there are {', '.join(sorted(_LEVELS))}")
    found: Level = _LEVELS[name]()
    if cutoff_Ry is None:
        return found
    if "cutoff_Ry" not in {field.name for field in fields(found)}:
        raise InputError(f"cutoff_Ry {cutoff_Ry:g}: the level {name} has no plane-wave cutoff")
    return replace(found, cutoff_Ry=float(cutoff_Ry))


def label_of(chosen: Level) -> str:
    """``gfn1-xtb-h1a2b3c4``: the level's name and the hash of all that decides a converged label."""
    text = _SCF.sub("", data_file("cp2k_templates", chosen.template).read_text())
    # a leading letter, so that no reader of the file takes the hash for a number
    return f"{chosen.name}-h{_hash(f'{chosen.name} {sorted(asdict(chosen).items())}', text)}"


def kinds_of(chosen: Level, elements: Iterable[str]) -> str | None:
    """``Na-h1a2b3c4 O-h5d6e7f8``: each element with the hash of its &KIND block; None for a level without any."""
    if not chosen.needs_basis:
        return None
    blocks = {path.stem: path for path in kind_files()}
    return " ".join(f"{element}-h{_hash(element, blocks[element].read_text())}" for element in sorted(set(elements)))


def _hash(first: str, text: str) -> str:
    """Of the words of `text`: neither comments nor white space count."""
    lines = (" ".join(line.split("#")[0].split()) for line in text.splitlines())
    words = "\n".join(line for line in lines if line)
    return hashlib.sha256(f"{first}\n{words}".encode()).hexdigest()[:7]


def kind_files() -> list[Path]:
    """The per-element &KIND blocks of the package, by name."""
    return sorted(data_file("cp2k_templates", "kinds").glob("*.inp"))
