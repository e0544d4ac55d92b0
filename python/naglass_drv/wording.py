"""Numbers in sentences."""

_ALL_DIGITS = 17


def counted(number: int, noun: str) -> str:
    """``1 task``, ``2 tasks``, ``1 melt-quench of 26 atoms``, ``2 melt-quenches of 26 atoms``, ``3 trajectories``."""
    first, space, rest = noun.partition(" ")
    if number != 1 and first.endswith("y"):
        first = f"{first[:-1]}ies"
    elif number != 1:
        first += "es" if first.endswith(("ch", "s")) else "s"
    return f"{number} {first}{space}{rest}"


def outside(value: float, low: float, high: float, form: str) -> str:
    """A `value` outside `low` to `high` in the format `form`, such as ``.2f``, with more digits where they show it."""
    texts = (f"{value:.{digits}{form[-1]}}" for digits in range(int(form[1:-1]), _ALL_DIGITS))
    return next((text for text in texts if not low <= float(text) <= high), f"{value:{form}}")


def duration(seconds: float) -> str:
    """A forecast of a time, good within a factor of two or so: ``50 s``, ``4.5 days``."""
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{_two_digits(seconds / size)} {unit}"
    return f"{_two_digits(seconds)} s"


def _two_digits(value: float) -> str:
    return f"{float(f'{value:.2g}'):g}"
