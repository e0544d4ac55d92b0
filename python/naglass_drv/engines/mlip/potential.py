"""Potentials by one line of text: ``sevennet:7net-l3i5+d3``, ``mace:my.mace``, ``lammps:pedone.lmp``."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...chemistry.level import FILES, Level, short_hash, title_of
from ...errors import InputError
from ...files import file_hash
from ...paths import holds_code, plugin_folder
from .client import Worker
from .environments import find, open_worker
from .families import FAMILIES, family_of
from .lammps_file import read_lammps_file

_D3 = "+d3"
_OTHERS = {"mace": "FILE", "lammps": "FILE", "ase": "MODULE:NAME"}


@dataclass(frozen=True)
class Potential:
    """A potential that can be opened. `level` is what it was trained on, as far as that is known; a `file` is that of
    the model or of the commands.
    """

    text: str
    family: str
    model: str
    dispersion: str | None
    level: str
    file: Path | None = None

    @classmethod
    def of(cls, text: str, source: Path = Path()) -> "Potential":
        """Read ``FAMILY:MODEL``, with ``+d3`` for D3(BJ) on top. Raises InputError, naming what there is.

        Files are relative to `source`. The environment of the family must exist (SetupError says how to make it);
        nothing is started.
        """
        family, _, model = text.partition(":")
        dispersion = None
        if model.endswith(_D3):
            model, dispersion = model.removesuffix(_D3), "PBE"
        if family in _OTHERS:
            if dispersion or not model:
                raise InputError(f"potential {text!r}: must be {family}:{_OTHERS[family]}")
            if family == "ase":
                return cls(text, family, model, None, "unknown")
            file = source / model
            if not file.is_file():
                raise InputError(f"potential {text!r}: {model}: no such file")
            if family == "lammps":
                read_lammps_file(file)
            return cls(text, family, model, None, "fitted" if family == "lammps" else "unknown", file)
        if not model or family not in FAMILIES:
            known = [*(f"{name}:MODEL" for name in FAMILIES), *(f"{name}:{what}" for name, what in _OTHERS.items())]
            raise InputError(f"potential {text!r}: must be {', '.join(known[:-1])} or {known[-1]}")
        own = family_of(family)
        if model not in own.models:
            raise InputError(f"potential {text!r}: {family} has no model {model!r}; it has {', '.join(own.models)}")
        if dispersion and "r2SCAN" in own.models[model].level:
            dispersion = "r2SCAN"
        find(own)
        level = own.models[model].level + (f" + D3(BJ) of {dispersion}" if dispersion else "")
        return cls(text, family, model, dispersion, level)

    @classmethod
    def of_level(cls, level: Level, source: Path) -> "Potential":
        """The potential that a level names; files are in the folder `source`.

        Raises InputError, beginning with the option that is at fault, and SetupError as `of`.
        """
        family, model = level.family or "", level.model or ""
        if family not in (*FAMILIES, *_OTHERS):
            known = ", ".join((*FAMILIES, *_OTHERS))
            raise InputError(f"family {family!r}: no such family of potentials; there are {known}")
        if level.dispersion and family in _OTHERS:
            raise InputError(f"dispersion {level.dispersion!r}: is not added to potentials of the family {family}")
        if family in FAMILIES:
            models = FAMILIES[family].models
            if model not in models:
                raise InputError(f"model {model!r}: {family} has no such model; it has {', '.join(models)}")
            if level.dispersion and models[model].dispersion:
                raise InputError(
                    f"dispersion {level.dispersion!r}: {family}:{model} was trained on energies with dispersion, "
                    "which would be added twice"
                )
        if family in FILES and not (source / model).is_file():
            raise InputError(f"model {model!r}: no such file (looked for {source / model})")
        if family == "ase" and ":" not in model:
            raise InputError(f"model {model!r}: must be MODULE:NAME, of an ASE calculator that takes no arguments")
        return cls.of(f"{family}:{source / model if family in FILES else model}{_D3 if level.dispersion else ''}")

    def files(self) -> list[Path]:
        """Those that it is read from: of a model or of commands, and of the coefficients that commands name."""
        if self.file is None:
            return []
        return [self.file, *(read_lammps_file(self.file).files if self.family == "lammps" else [])]

    @property
    def title(self) -> str:
        """Its name as a level of theory."""
        return title_of(self.family, self.model, self.dispersion is not None)

    def other_dispersion(self) -> "Potential | None":
        """The same with D3(BJ) on top, or without it; None if it was trained on energies with it, or cannot have it."""
        if self.family not in FAMILIES or FAMILIES[self.family].models[self.model].dispersion:
            return None
        text = f"{self.family}:{self.model}"
        return Potential.of(text if self.dispersion else f"{text}{_D3}")

    def elements(self) -> frozenset[str] | None:
        """Those that it covers; None if only an evaluation tells. Raises InputError for a model that cannot be used."""
        from ..mace.facts import potential_facts

        if self.family == "mace" and self.file is not None:
            return frozenset(potential_facts(self.file).elements)
        if self.family == "lammps" and self.file is not None:
            return frozenset(read_lammps_file(self.file).elements)
        return FAMILIES[self.family].models[self.model].elements if self.family in FAMILIES else None

    def versions(self) -> dict[str, str]:
        """Versions of the packages that evaluate it, by name, without starting anything."""
        from importlib.metadata import version

        if self.family in FAMILIES:
            made = find(FAMILIES[self.family])
            names = [*(requirement.partition("==")[0] for requirement in made.requirements), "e3nn"]
            return {name: made.distributions[name] for name in names if name in made.distributions}
        package = "ase" if self.family == "ase" else "lammps"
        return {package: version(package)}

    def level_of(self, facts: Mapping[str, Any]) -> str:
        """Title and hash of the level: of the weights, their precision, dispersion and the programs' versions, as the
        `facts` of a worker say.
        """
        stated = {key: facts[key] for key in ("weights_sha256", "dtype", "dispersion", "versions")}
        return f"{self.title}-{short_hash(json.dumps(stated, sort_keys=True))}"

    @property
    def requirements(self) -> tuple[str, ...]:
        """The packages of its environment, if it has one of its own."""
        return FAMILIES[self.family].requirements if self.family in FAMILIES else ()

    def read_files(self) -> list[Path]:
        """The files that its `file` names."""
        return read_lammps_file(self.file).files if self.family == "lammps" and self.file is not None else []

    @property
    def by_lammps(self) -> bool:
        """Whether LAMMPS evaluates it."""
        return self.family in ("mace", "lammps")

    def open(
        self, folder: Path, *, threads: int = 1, trust: bool = False, newton: str = "on", ranks: int = 1
    ) -> Worker:
        """A worker; its log and, for MACE, the exported archive are put into `folder`.

        `trust`: open a pickled ``.model``, which can run arbitrary code. `newton` and `ranks` are those of LAMMPS.
        """
        log = folder / f"{self.family}.log"
        if self.family == "mace":
            return self._open_mace(folder, log, threads, trust, {"newton": newton}, ranks)
        if self.family == "lammps":
            return self._open_lammps(log, threads, {"newton": newton}, ranks)
        if self.family == "ase":
            options = {"model": self.model, "arguments": {}, "device": "cpu", "dispersion": None}
            return Worker(Path(sys.executable), "ase", options, log=log, threads=threads)
        return open_worker(family_of(self.family), self.model, log=log, dispersion=self.dispersion, threads=threads)

    def _open_mace(
        self, folder: Path, log: Path, threads: int, trust: bool, more: dict[str, str], ranks: int
    ) -> Worker:
        """By pair_style mace, which is faster than mace-torch."""
        from ..mace.export import export_model
        from ..mace.facts import potential_facts

        assert self.file is not None
        folder.mkdir(parents=True, exist_ok=True)
        archive = self.file
        if archive.suffix != ".naglass":
            archive = export_model(self.file, folder / "model.naglass", trust=trust)
        elif holds_code(archive) and not trust:
            raise InputError(f"{archive}: the archive contains TorchScript, which can run arbitrary code")
        elements = potential_facts(archive).elements
        commands = ["pair_style mace", f"pair_coeff * * {archive} {' '.join(elements)}"]
        # the commands name a file; what it holds decides
        weights = {"weights_sha256": file_hash(self.file)}
        options = {"model": self.model, "commands": commands, "elements": elements, "charges": {}, "facts": weights}
        options |= more
        plugins = {"LAMMPS_PLUGIN_PATH": plugin_folder()}
        return Worker(
            Path(sys.executable), "lammps", options, log=log, threads=threads, environment=plugins, ranks=ranks
        )

    def _open_lammps(self, log: Path, threads: int, more: dict[str, str], ranks: int) -> Worker:
        assert self.file is not None
        found = read_lammps_file(self.file)
        options = {
            "model": self.model,
            "commands": found.commands,
            "elements": found.elements,
            "charges": found.charges,
            "files": [str(path) for path in found.files],
        } | more
        return Worker(Path(sys.executable), "lammps", options, log=log, threads=threads, ranks=ranks)
