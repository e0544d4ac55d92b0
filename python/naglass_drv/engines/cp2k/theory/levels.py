"""Levels of theory of the labels: a CP2K template, its settings, and a short hash of them.

A training head takes frames of one level only. The hash covers all that decides a converged label (functional, cutoff,
tolerances, electronic temperature) and leaves out how it converges (the &SCF section: guess, minimizer,
preconditioner). Basis set, pseudopotential and U of each element have hashes of their own, so that a new element leaves
the others' frames what they are.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ....errors import InputError
from ....paths import data_file
from .. import tree
from ..tree import Line, Section
from . import kinds, own_template
from .own_template import OwnTemplate

_DFT = "FORCE_EVAL/DFT"


@dataclass(frozen=True)
class GFN1xTB:
    """GFN1-xTB tight binding, unrestricted (10.1021/acs.jctc.7b00118). Its energy knows no spin polarization.

    `eps_scf` is the largest accepted gradient of the wavefunction (CP2K's EPS_SCF).
    """

    eps_scf: float = 1e-6

    name = "gfn1-xtb"
    needs_basis = False
    atom_box_A = 15.0

    def input_tree(self) -> Section:
        """The template of an input, its places to fill marked."""
        return _template("energy_gfn1-xtb.inp")

    def electronic(self) -> str:
        """Text of all that decides a converged label, with the values of `settings` left open."""
        return _without_path_to_convergence(self.input_tree())

    def settings(self) -> list[tuple[str, float]]:
        """What is not in `electronic`, sorted."""
        return [("eps_scf", self.eps_scf)]

    def kind(self, element: str) -> Section:
        """The &KIND of an element, without a name: tight binding has its parameters of all elements elsewhere."""
        return Section("KIND")


@dataclass(frozen=True)
class DFT:
    """Spin-polarized GPW with GTH pseudopotentials and MOLOPT basis sets; by default PBE+U+D3(BJ).

    `functional` is PBE or BLYP, `plus_u` the projector of +U (mulliken, lowdin, None without +U), `d3` the D3(BJ)
    dispersion. `cutoff_Ry` and `rel_cutoff_Ry` are the plane-wave cutoffs of the density and of the grid of one
    Gaussian; below 600 Ry sodium's semicore leaves a net force on the cell, which the label's check of the net force
    shows. `u_eV` gives U_eff per element ("V") or shell ("O-2p") where it is not that of ``cp2k_templates/kinds``,
    `sodium` the electrons of sodium's pseudopotential (q9 with the semicore, q1 without). `xc_smoothing` "nn10" smooths
    density and potential of exchange and correlation on the grid, which calms the net force and is another energy.
    `smearing_K` is the electronic temperature of Fermi-Dirac occupations, None for whole ones.
    """

    functional: str = "PBE"
    plus_u: str | None = "mulliken"
    d3: bool = True
    eps_scf: float = 1e-6
    cutoff_Ry: float = 800.0
    rel_cutoff_Ry: float = 60.0
    u_eV: tuple[tuple[str, float], ...] = ()
    sodium: str = "q9"
    xc_smoothing: str = "none"
    smearing_K: float | None = None

    needs_basis = True
    atom_box_A = 10.0

    @property
    def name(self) -> str:
        """``pbe+u+d3``: functional, +u, +d3."""
        return self.functional.lower() + "+u" * bool(self.plus_u) + "+d3" * self.d3

    def input_tree(self) -> Section:
        """The template of an input, its places to fill marked."""
        root = _template("energy_gpw.inp")
        dft = root.at(_DFT)
        dft.at("XC/XC_FUNCTIONAL").parameter = self.functional
        dft.at("XC/VDW_POTENTIAL/PAIR_POTENTIAL").set("REFERENCE_FUNCTIONAL", self.functional)
        dft.at("MGRID").set("REL_CUTOFF", f"{self.rel_cutoff_Ry:g}")
        if self.xc_smoothing == "nn10":
            grid = [Line("XC_DERIV NN10_SMOOTH"), Line("XC_SMOOTH_RHO NN10")]
            dft.at("XC").items.insert(0, Section("XC_GRID", items=grid))
        if not self.d3:
            dft.at("XC").remove("VDW_POTENTIAL")
        if self.plus_u:
            dft.set("PLUS_U_METHOD", self.plus_u.upper())
        else:
            dft.remove("PLUS_U_METHOD")
        if self.smearing_K is not None:
            dft.replace(_template("scf_smearing.inp").at("SCF"))
        return root

    def electronic(self) -> str:
        """Text of all that decides a converged label, with the values of `settings` left open."""
        return _without_path_to_convergence(self.input_tree())

    def settings(self) -> list[tuple[str, float]]:
        """What is not in `electronic`, sorted."""
        smearing = [] if self.smearing_K is None else [("smearing_K", self.smearing_K)]
        return [("cutoff_Ry", self.cutoff_Ry), ("eps_scf", self.eps_scf), *smearing]

    def kind(self, element: str) -> Section:
        """The &KIND of an element, without a name; InputError for one that the package has none for."""
        variant = self.sodium if element == "Na" and self.sodium != "q9" else ""
        return kinds.block(element, variant, self.functional, bool(self.plus_u), dict(self.u_eV))


Level = GFN1xTB | DFT | OwnTemplate
_FUNCTIONALS = ("PBE", "BLYP")
_LEVELS: dict[str, Level] = {
    found.name: found
    for found in (
        GFN1xTB(),
        *(
            DFT(functional, plus_u, d3)
            for functional in _FUNCTIONALS
            for plus_u in (None, "mulliken")
            for d3 in (False, True)
        ),
    )
}
#: Names of the levels; ``template`` is a template of the user's own.
NAMES = (*_LEVELS, OwnTemplate.name)


def level(name: str, **options: Any) -> Level:
    """The level called `name`, with other settings than its defaults where `options` gives them (None: the default).

    Options are the fields of the level's class, and `plus_u` "mulliken" or "lowdin"; ``template`` takes `text`.
    Raises InputError for an unknown name, or an option that the level does not have.
    """
    # 600 and 600.0 are one setting, and have to have one hash
    given = {key: float(value) if type(value) is int else value for key, value in options.items() if value is not None}
    if name == OwnTemplate.name:
        for key in given.keys() - {"text"}:
            raise InputError(f"{key} {_shown(given[key])}: the level is that of the template")
        return OwnTemplate(**given)
    if name not in _LEVELS:
        raise InputError(f"level {name!r}: not a known level; choose from {', '.join(NAMES)}")
    found = _LEVELS[name]
    has = {field.name: getattr(found, field.name) for field in fields(found)}
    for key, value in given.items():
        if key not in has or (key in ("plus_u", "u_eV") and not has["plus_u"]):
            raise InputError(f"{key} {_shown(value)}: the level {name} has no {_LACKS.get(key, key)}")
    if "u_eV" in given:
        given["u_eV"] = tuple(sorted((key, float(value)) for key, value in dict(given["u_eV"]).items()))
    if given.get("sodium") == "q1" and has["functional"] != "PBE":
        raise InputError(f"sodium q1: CP2K's files have sodium with one electron for PBE only, not for {name}")
    return type(found)(**has | given)


def options_of(section: Any, folder: Path) -> dict[str, Any]:
    """Options of `level` that a reference section of the input states, but for `cutoff_Ry`; JSON types.

    Its template is looked up in `folder`.
    """
    text = {} if section.template is None else {"text": own_template.read(folder / section.template).text}
    return section.level_options() | text


def of_reference(section: Any, folder: Path) -> Level:
    """The level of a reference section of the input."""
    return level(section.level, cutoff_Ry=section.cutoff_Ry, **options_of(section, folder))


def of_settings(settings: Mapping[str, Any]) -> Level:
    """The level that a task's settings describe: `level`, `cutoff_Ry`, and `level_options` where there are any."""
    return level(settings["level"], cutoff_Ry=settings["cutoff_Ry"], **settings.get("level_options", {}))


def warnings_of(chosen: Level) -> list[str]:
    """What a user should know about the choices of a level."""
    found = []
    if isinstance(chosen, DFT) and chosen.plus_u == "lowdin":
        found.append(
            "plus_u lowdin: CP2K calls its forces experimental, and in 2023.1 they and the stress are not derivatives "
            "of its energy (docs/level-of-theory.md); not for training"
        )
    if isinstance(chosen, DFT) and chosen.u_eV:
        found.append("u_eV: U depends on projector, basis and code; a value from elsewhere has to be recalibrated")
    return found


_LACKS = {
    "cutoff_Ry": "plane-wave cutoff",
    "rel_cutoff_Ry": "plane-wave cutoff",
    "plus_u": "+U",
    "u_eV": "+U",
    "sodium": "pseudopotential",
    "xc_smoothing": "density on a grid",
    "smearing_K": "electronic temperature",
}


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def label_of(chosen: Level) -> str:
    """``gfn1-xtb-h1a2b3c4``: the level's name and the hash of all that decides a converged label."""
    # a leading letter, so that no reader mistakes the hash for a number
    return f"{chosen.name}-h{_hash(f'{chosen.name} {chosen.settings()}', chosen.electronic())}"


def kinds_of(chosen: Level, elements: Iterable[str]) -> str | None:
    """``Na-h1a2b3c4 O-h5d6e7f8``: each element with the hash of its &KIND block; None for a level without any."""
    if not chosen.needs_basis:
        return None
    blocks = {element: chosen.kind(element) for element in sorted(set(elements))}
    return " ".join(f"{element}-h{_hash(element, block.inner())}" for element, block in blocks.items())


def data_of(chosen: Level, elements: Iterable[str], data: Path | None) -> str | None:
    """``Na-h1a2b3c4 O-h5d6e7f8``: each element with the hash of its entries in CP2K's data folder `data`.

    Entries keep their names while their numbers change: sodium's GTH-PBE-q9 of 2025.1 is not that of 2023.1. None for a
    level without any. Raises InputError and SetupError as `kinds.entries`.
    """
    if not chosen.needs_basis:
        return None
    dft = chosen.input_tree().at(_DFT)
    held = {element: kinds.entries(element, chosen.kind(element), dft, data) for element in sorted(set(elements))}
    return " ".join(f"{element}-h{_hash(element, text)}" for element, text in held.items())


def _hash(first: str, text: str) -> str:
    """Of the words of `text`: neither comments nor white space count."""
    lines = (" ".join(line.split("#")[0].split()) for line in text.splitlines())
    words = "\n".join(line for line in lines if line)
    return hashlib.sha256(f"{first}\n{words}".encode()).hexdigest()[:7]


def _template(name: str) -> Section:
    return tree.parse(data_file("cp2k_templates", name).read_text(), template=True)


def _without_path_to_convergence(root: Section) -> str:
    root.at(_DFT).remove("SCF")
    return str(root)
