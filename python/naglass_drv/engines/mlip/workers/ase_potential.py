"""Potentials with an ASE calculator: how each family makes one, and what is known of it."""

import hashlib
import importlib
import importlib.metadata
import json
import pathlib

import numpy as np


class Potential:
    """A calculator and the facts about it."""

    def __init__(self, calculator, facts, moments=False):
        self.calculator, self.facts = calculator, facts
        self.magnetic = calculator if moments else None
        self.dispersion = None

    def evaluate(self, numbers, pbc, positions, cell):
        """Arrays of the results for one structure (Å)."""
        import ase

        atoms = ase.Atoms(numbers=numbers, positions=positions, cell=cell, pbc=pbc)
        out = _results(atoms, self.calculator)
        if self.magnetic is not None:
            out["moments"] = self.magnetic.get_magnetic_moments(atoms)
        if self.dispersion is not None:
            added = _results(atoms, self.dispersion)
            out |= {name: out[name] + values for name, values in added.items()}
            out["dispersion_forces"] = added["forces"]
        return out


def _results(atoms, calculator):
    """Energy, forces and, of a periodic structure, stress by one calculator."""
    atoms.calc = calculator
    out = {"energy": np.array([atoms.get_potential_energy()]), "forces": atoms.get_forces()}
    if all(atoms.pbc):
        out["stress"] = atoms.get_stress(voigt=True)
    return out


def open_potential(family, options):
    """The potential of `family`; `options` has `model`, `device`, and `dispersion` (None or a functional's name)."""
    potential = {"sevennet": _sevennet, "chgnet": _chgnet, "ase": _any}[family](options)
    potential.facts["dispersion"] = options["dispersion"]
    if options["dispersion"]:
        from dftd3.ase import DFTD3

        potential.dispersion = DFTD3(method=options["dispersion"], damping="d3bj")
        potential.facts["versions"]["dftd3"] = importlib.metadata.version("dftd3")
    return potential


def _facts(family, options, packages, weights):
    return {
        "family": family,
        "model": options["model"],
        "device": options["device"],
        "versions": {name: importlib.metadata.version(name) for name in packages},
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }


def _sevennet(options):
    from sevenn.calculator import SevenNetCalculator
    from sevenn.util import pretrained_name_to_path

    modal = options.get("modal")
    more = {"modal": modal} if modal else {}
    calculator = SevenNetCalculator(options["model"], device=options["device"], **more)
    weights = pathlib.Path(pretrained_name_to_path(options["model"])).read_bytes()
    facts = _facts("sevennet", options, ["sevenn", "torch", "e3nn"], weights)
    return Potential(calculator, dict(facts, modal=modal, dtype="float32"))


def _chgnet(options):
    import chgnet
    from chgnet.model import CHGNet
    from chgnet.model.dynamics import CHGNetCalculator

    model = CHGNet.load(model_name=options["model"], use_device=options["device"], verbose=False)
    calculator = CHGNetCalculator(model=model, use_device=options["device"])
    folder = pathlib.Path(chgnet.__file__).parent / "pretrained" / options["model"]
    weights = b"".join(path.read_bytes() for path in sorted(folder.glob("*.pth.tar")))
    facts = _facts("chgnet", options, ["chgnet", "torch"], weights)
    return Potential(calculator, dict(facts, dtype="float32"), moments=True)


def _any(options):
    """``module:factory`` gives an ASE calculator when called with `arguments`."""
    module, _, factory = options["model"].partition(":")
    calculator = getattr(importlib.import_module(module), factory)(**options["arguments"])
    text = json.dumps([options["model"], options["arguments"]], sort_keys=True).encode()
    return Potential(calculator, dict(_facts("ase", options, ["ase"], text), dtype="unknown"))
