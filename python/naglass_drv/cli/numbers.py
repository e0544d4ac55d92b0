"""Command-line options that take a number: it has to be finite and within bounds."""

import argparse
import math
from typing import Any

from ..errors import InputError

MAX_SEED = 2**32 - 1


def add_number(
    verb: argparse.ArgumentParser,
    *flags: str,
    kind: type[int] | type[float] = float,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    **more: Any,
) -> None:
    """Add an option of type `kind`: at least `least` (and at most `most`), above `above`, or any finite number."""
    flag = flags[0]

    def read(text: str) -> int | float:
        try:
            value = kind(text)
        except ValueError:
            raise InputError(f"{flag} {text}: must be {'a whole number' if kind is int else 'a number'}") from None
        if not math.isfinite(value):
            raise InputError(f"{flag} {text}: must be a finite number")
        low = (least is None or value >= least) and (above is None or value > above)
        if not (low and (most is None or value <= most)):
            raise InputError(f"{flag} {text}: must be {_bounds(least, above, most)}")
        return value

    verb.add_argument(*flags, type=read, **more)


def _bounds(least: float | None, above: float | None, most: float | None) -> str:
    if least is not None and most is not None:
        return f"from {least:g} to {most:g}"
    if least is not None:
        return f"{least:g} or more"
    return f"above {above:g}"
