"""Environments of the families: folders with an interpreter of their own, made with pip from pinned requirements."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError, SetupError
from ...files import read_bounded, write_json
from .client import Worker
from .families import FAMILIES, Family

_RECORD = "naglass.json"
_MOST_RECORD = 1 << 20
_LIST = """
import importlib.metadata as m, json
print(json.dumps({d.metadata["Name"].lower(): d.version for d in m.distributions()}))
"""


@dataclass(frozen=True)
class Environment:
    """An environment as it was made: `distributions` maps names to versions."""

    family: Family
    folder: Path
    requirements: tuple[str, ...]
    distributions: Mapping[str, str]

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def current(self) -> bool:
        """Whether it was made from the requirements of today."""
        return self.requirements == self.family.requirements


def root(environment: Mapping[str, str] = os.environ) -> Path:
    """Folder of all environments: $NAGLASS_ENVIRONMENTS, or naglass/environments in the user's data folder."""
    if environment.get("NAGLASS_ENVIRONMENTS"):
        return Path(environment["NAGLASS_ENVIRONMENTS"])
    data = environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "naglass" / "environments"


def find(family: Family) -> Environment:
    """The environment of a family; SetupError, with the command that makes it, if there is none or it is an old one."""
    environment = _read(family)
    advice = f"make it with: python -m naglass_drv env make {family.name}"
    if environment is None:
        raise SetupError(f"{family.name}: no environment in {root()}; {advice}")
    if not environment.current:
        raise SetupError(f"{environment.folder}: made from other requirements than today's; {advice}")
    return environment


def known() -> list[Environment]:
    """All environments that there are."""
    return [found for family in FAMILIES.values() if (found := _read(family)) is not None]


def make(family: Family, say: Callable[[str], None], python: str = sys.executable) -> Environment:
    """Build the environment of a family anew; one that is there stays until the new one is complete.

    Everything that pip prints goes to FAMILY.log beside it. Raises SetupError if pip fails.
    """
    folder = root() / family.name
    building = folder.with_name(f"{family.name}.{os.getpid()}.partial")
    log = folder.with_name(f"{family.name}.log")
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(building, ignore_errors=True)
    try:
        with open(log, "wb") as stream:
            _call([python, "-m", "venv", str(building)], stream, log)
            for number, requirement in enumerate(family.requirements, start=1):
                # one by one: resolved together, an index may offer torch's CUDA build
                say(f"{family.name}: {number}/{len(family.requirements)} {requirement}")
                pip = [str(building / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
                _call([*pip, *family.requirements[: number - 1], requirement], stream, log)
        listed = subprocess.run([building / "bin" / "python", "-I", "-c", _LIST], capture_output=True, check=True)
        record = {
            "family": family.name,
            "requirements": family.requirements,
            "distributions": json.loads(listed.stdout),
        }
        write_json(building / _RECORD, record)
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return find(family)


def check(family: Family, model: str, log: Path) -> dict[str, object]:
    """Facts of a model, opened in the family's environment; TaskFailed or SetupError if that does not work."""
    with open_worker(family, model, log=log) as worker:
        return dict(worker.facts)


def open_worker(
    family: Family, model: str, *, log: Path, dispersion: str | None = None, device: str = "cpu", threads: int = 1
) -> Worker:
    """A worker for one of the family's models, with D3(BJ) of the functional `dispersion` if given.

    Raises InputError for a model that the family lacks, or for D3 on top of one that has it.
    """
    if model not in family.models:
        raise InputError(f"{family.name}: no model {model!r}; there are {', '.join(family.models)}")
    chosen = family.models[model]
    if dispersion and chosen.dispersion:
        raise InputError(f"{family.name}:{model}: trained on energies with dispersion; D3 would be added twice")
    options = {"model": model, "modal": chosen.modal, "device": device, "dispersion": dispersion}
    return Worker(find(family).python, family.name, options, log=log, threads=threads)


def _read(family: Family) -> Environment | None:
    folder = root() / family.name
    try:
        record = json.loads(read_bounded(folder / _RECORD, _MOST_RECORD))
        return Environment(family, folder, tuple(record["requirements"]), dict(record["distributions"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _call(command: list[str], stream, log: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    if subprocess.run(command, stdout=stream, stderr=subprocess.STDOUT, env=environment).returncode != 0:
        last = log.read_text(errors="replace").strip().splitlines()[-1:]
        raise SetupError(f"{' '.join(command[-1:])}: {''.join(last)} (all of it: {log})")
