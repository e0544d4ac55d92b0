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
            return f"{digits(seconds / size, 2)} {unit}"
    return f"{digits(seconds, 2)} s"


def digits(value: float, count: int) -> str:
    """So many significant digits, as ``1200``; without a power of ten from 10⁻⁴ to 10⁶."""
    return f"{float(f'{value:.{count}g}'):g}"
