"""Levels of theory as CP2K computes them: a template, the options of the level, and a short hash of both.

A training head takes frames of one level only. The hash covers all that decides a converged label (functional, cutoff,
tolerances, electronic temperature) and leaves out how it converges (the &SCF section: guess, minimizer,
preconditioner). Basis set, pseudopotential and U of each element have hashes of their own, so that a new element leaves
the others' frames what they are.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....chemistry.level import Level
from ....errors import InputError
from ....paths import data_file
from .. import tree
from ..tree import Line, Section
from . import kinds, own_template
from .own_template import OwnTemplate

_DFT = "FORCE_EVAL/DFT"
# the largest accepted gradient of the wavefunction
_EPS_SCF = 1e-6


@dataclass(frozen=True)
class GFN1xTB:
    """GFN1-xTB tight binding, unrestricted (10.1021/acs.jctc.7b00118). Its energy knows no spin polarization."""

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
        return [("eps_scf", _EPS_SCF)]

    def kind(self, element: str) -> Section:
        """The &KIND of an element, without a name: tight binding has its parameters of all elements elsewhere."""
        return Section("KIND")


@dataclass(frozen=True)
class DFT:
    """Spin-polarized GPW with GTH pseudopotentials and MOLOPT basis sets, with the options of `level`."""

    level: Level

    needs_basis = True
    atom_box_A = 10.0

    @property
    def name(self) -> str:
        """``pbe+u+d3``: functional, +u, +d3."""
        return self.level.name

    def input_tree(self) -> Section:
        """The template of an input, its places to fill marked."""
        level, root = self.level, _template("energy_gpw.inp")
        dft = root.at(_DFT)
        dft.at("XC/XC_FUNCTIONAL").parameter = str(level.functional)
        dft.at("XC/VDW_POTENTIAL/PAIR_POTENTIAL").set("REFERENCE_FUNCTIONAL", str(level.functional))
        dft.at("MGRID").set("REL_CUTOFF", f"{level.rel_cutoff_Ry:g}")
        if level.xc_smoothing == "nn10":
            grid = [Line("XC_DERIV NN10_SMOOTH"), Line("XC_SMOOTH_RHO NN10")]
            dft.at("XC").items.insert(0, Section("XC_GRID", items=grid))
        if not level.d3:
            dft.at("XC").remove("VDW_POTENTIAL")
        if level.plus_u:
            dft.set("PLUS_U_METHOD", level.plus_u.upper())
        else:
            dft.remove("PLUS_U_METHOD")
        if level.smearing_K is not None:
            dft.replace(_template("scf_smearing.inp").at("SCF"))
        return root

    def electronic(self) -> str:
        """Text of all that decides a converged label, with the values of `settings` left open."""
        return _without_path_to_convergence(self.input_tree())

    def settings(self) -> list[tuple[str, float]]:
        """What is not in `electronic`, sorted."""
        options = {"cutoff_Ry": self.level.cutoff_Ry, "eps_scf": _EPS_SCF, "smearing_K": self.level.smearing_K}
        return [(key, value) for key, value in options.items() if value is not None]

    def kind(self, element: str) -> Section:
        """The &KIND of an element, without a name; InputError for one that the package has none for."""
        level = self.level
        variant = level.sodium if element == "Na" and level.sodium and level.sodium != "q9" else ""
        u_eV = dict(sorted((level.u_eV or {}).items()))
        return kinds.block(element, variant, str(level.functional), bool(level.plus_u), u_eV)


Method = GFN1xTB | DFT | OwnTemplate


def method(level: Level, template: str = "") -> Method:
    """How CP2K computes a level; `template` is the text of the user's own input (see `template_of`).

    Raises InputError for an option that CP2K does not have at this level.
    """
    if level.is_potential:
        raise InputError("level mlip: a potential, which CP2K does not evaluate")
    if level.name == OwnTemplate.name:
        return OwnTemplate(template)
    if level.name == GFN1xTB.name:
        return GFN1xTB()
    if level.sodium == "q1" and level.functional != "PBE":
        raise InputError(f"sodium q1: CP2K's files have sodium with one electron for PBE only, not for {level.name}")
    return DFT(level)


def template_of(level: Level, folder: Path) -> str:
    """The text of a level's template, looked up in `folder`; empty without one. Raises InputError as `own_template`."""
    return "" if level.template is None else own_template.read(folder / level.template).text


def method_in(level: Level, folder: Path) -> Method:
    """The method of a level of an input in `folder`."""
    return method(level, template_of(level, folder))


def level(name: str, text: str = "", **options: Any) -> Method:
    """The method of the level called `name` with `options`; ``template`` takes `text`. Raises InputError."""
    return method(Level.of(name, **options), text)


def warnings_of(level: Level) -> list[str]:
    """What a user should know about the choices of a level."""
    found = []
    if level.plus_u == "lowdin":
        found.append(
            "plus_u lowdin: CP2K calls its forces experimental, and in 2023.1 they and the stress are not derivatives "
            "of its energy (docs/level-of-theory.md); not for training"
        )
    if level.u_eV:
        found.append("u_eV: U depends on projector, basis and code; a value from elsewhere has to be recalibrated")
    return found


def label_of(chosen: Method) -> str:
    """``gfn1-xtb-h1a2b3c4``: the level's name and the hash of all that decides a converged label."""
    # a leading letter, so that no reader mistakes the hash for a number
    return f"{chosen.name}-h{_hash(f'{chosen.name} {chosen.settings()}', chosen.electronic())}"


def kinds_of(chosen: Method, elements: Iterable[str]) -> str | None:
    """``Na-h1a2b3c4 O-h5d6e7f8``: each element with the hash of its &KIND block; None for a level without any."""
    if not chosen.needs_basis:
        return None
    blocks = {element: chosen.kind(element) for element in sorted(set(elements))}
    return " ".join(f"{element}-h{_hash(element, block.inner())}" for element, block in blocks.items())


def data_of(chosen: Method, elements: Iterable[str], data: Path | None) -> str | None:
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
