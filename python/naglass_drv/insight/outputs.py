"""What a study leaves: claims.yaml, a page, and its figures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import __version__
from ..files import write_bytes
from ..report.html import page
from ..report.numbers import Notice, Section
from . import atoms_page
from .atoms import ALPHA, sites_of, study_atoms
from .claims import as_claims, sentences, write_claims
from .page import insight_page
from .study import Study
from .table import Table

CLAIMS, PAGE, FIGURES = "claims.yaml", "report.html", "figures"


def write_study(folder: Path, found: Study, sources: Mapping[str, str]) -> list[str]:
    """Write all into `folder`; returns the claims, and what is not possible, in words."""
    write_claims(folder / CLAIMS, as_claims(found, dict(sources)))
    text, figures = insight_page(found)
    write_page(folder, text, figures)
    return [*sentences(found), *found.refusals]


def write_atoms(
    folder: Path, table: Table, sources: Mapping[str, str], *, alpha: float = ALPHA, seed: int = 0
) -> list[str]:
    """Study a table of atoms, see `atoms.study_atoms`, and write all into `folder`; returns the claims in words.

    Raises InputError where too few glasses have atoms of both kinds.
    """
    found = study_atoms(sites_of(table), alpha, seed)
    write_claims(folder / CLAIMS, atoms_page.as_claims(found, table, sources, alpha))
    write_page(folder, *atoms_page.atoms_page(found, table))
    return atoms_page.sentences(found)


def write_page(folder: Path, text: str, figures: Mapping[str, bytes]) -> None:
    """Write a page and its figures."""
    write_bytes(folder / PAGE, text.encode())
    for name, svg in figures.items():
        write_bytes(folder / FIGURES / f"{name}.svg", svg)


def write_refusal(folder: Path, target: str, reason: str, sources: Mapping[str, str]) -> list[str]:
    """Write claims and a page that say why there are none; returns the reason."""
    content: dict[str, Any] = {
        "naglass": __version__, "target": target, "sources": dict(sources), "claims": [], "not_possible": [reason],
    }  # fmt: skip
    write_claims(folder / CLAIMS, content)
    section = Section("Claims", "claims")
    section.add(Notice("bad", f"{reason[0].upper()}{reason[1:]}.", "Nothing can be claimed."))
    footer = f"Written by naglass {__version__}."
    write_page(folder, page(f"What {target} depends on", ["No study was made."], [section], footer), {})
    return [reason]
