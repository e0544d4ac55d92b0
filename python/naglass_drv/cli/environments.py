"""The verb ``env``: environments of potentials that cannot share naglass's own."""

import argparse
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from ..engines.mlip import environments
from ..engines.mlip.families import FAMILIES, family_of


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add env with its actions."""
    parser = add("env", _env, "make, list or check the environments of interatomic potentials")
    parser.add_argument("action", choices=("make", "list", "check"))
    parser.add_argument("--again", action="store_true", help="make it anew although it is up to date")
    parser.add_argument("family", nargs="?", help=f"one of {', '.join(FAMILIES)} (check: all that there are)")


def _env(options: argparse.Namespace) -> int:
    if options.action == "make":
        return _make(options.family, options.again)
    return {"list": _list, "check": _check}[options.action](options.family)


def _make(name: str | None, again: bool) -> int:
    family = family_of(name or "")
    there = [environment for environment in environments.known() if environment.family == family]
    if there and there[0].current and not again:
        print(f"{there[0].folder}: up to date")
        return 0
    made = environments.make(family, lambda line: print(line, flush=True))
    print(f"{made.folder}: {len(made.distributions)} packages")
    return 0


def _list(name: str | None) -> int:
    there = {environment.family.name: environment for environment in environments.known()}
    for family in [family_of(name)] if name else FAMILIES.values():
        found = there.get(family.name)
        state = "not made" if found is None else str(found.folder) if found.current else f"outdated, {found.folder}"
        print(f"{family.name} ({family.licence}, {family.reference}): {state}")
        for model, facts in family.models.items():
            moments = ", magnetic moments" if family.moments else ""
            print(f"  {family.name}:{model}  {facts.level}, {'with' if facts.dispersion else 'no'} dispersion{moments}")
    return 0


def _check(name: str | None) -> int:
    families = [family_of(name)] if name else [environment.family for environment in environments.known()]
    if not families:
        print(f"no environments in {environments.root()}")
    for family in families:
        for model in family.models:
            with TemporaryDirectory() as folder:
                facts = environments.check(family, model, Path(folder) / "worker.log")
            versions = " ".join(f"{package} {version}" for package, version in dict(facts["versions"]).items())
            print(f"{family.name}:{model}: {versions}; weights {str(facts['weights_sha256'])[:12]}", flush=True)
    return 0
