"""The verbs on datasets: audit, import, select, export."""

import argparse
from collections.abc import Callable
from pathlib import Path

from .errors import InputError

Add = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_verbs(add: Add) -> None:
    """Add the verbs by `add(name, function, help)`, which gives the verb's parser."""
    check = add("audit", _audit, "look for outliers, contacts, near-copies and odd moments in labelled frames")
    check.add_argument("frames", nargs="+", type=Path, help="labelled frames of one level (extended XYZ)")
    check.add_argument("--output", "-o", type=Path, default=Path("audit"), help="folder of audit.json and audit.html")
    check.add_argument(
        "--limit", action="append", default=[], metavar="KEY=VALUE", help="another limit, as in dataset.audit of an input"
    )


def _audit(options: argparse.Namespace) -> int:
    from .config.schema import Audit
    from .dataset.assemble import isolated_atom_energies, is_isolated_atom, one_level
    from .dataset.audit import Limits, audit, table_of
    from .dataset.frames import read_labelled
    from .files import write_bytes, write_json
    from .report.audit import audit_page

    limits = _limits(options.limit, Audit)
    named = [(f"{path}: frame {k}", f) for path in options.frames for k, f in enumerate(read_labelled(path))]
    one_level(named)
    atoms = [(where, frame) for where, frame in named if is_isolated_atom(frame)]
    cells = [(where, frame) for where, frame in named if not is_isolated_atom(frame)]
    if not cells:
        raise InputError(f"{options.frames[0]}: only isolated atoms in it")
    result, arrays = audit([f for _, f in cells], [where for where, _ in cells], Limits(**limits), isolated_atom_energies(atoms))
    write_json(options.output / "audit.json", result)
    title = f"Audit of {', '.join(path.name for path in options.frames)}"
    write_bytes(options.output / "audit.html", audit_page(title, result, arrays).encode())
    print(f"{table_of(result)}\n{options.output / 'audit.html'} and audit.json written")
    return 0


def _limits(given: list[str], model) -> dict[str, float]:
    """The default limits with those of the options, checked as in an input."""
    from pydantic import ValidationError

    values = {}
    for item in given:
        key, _, text = item.partition("=")
        if key not in model.model_fields:
            raise InputError(f"--limit {item}: not a limit; there are {', '.join(model.model_fields)}")
        try:
            values[key] = float(text)
        except ValueError:
            raise InputError(f"--limit {item}: {text!r} is not a number") from None
    try:
        return model(**values).model_dump()
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"--limit {first['loc'][0]}={first['input']:g}: {first['msg']}") from None
