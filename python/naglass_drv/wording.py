"""Numbers in sentences."""

import math

SUPERSCRIPT = str.maketrans("0123456789+-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻")
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


def fixed(value: float, decimals: int) -> str:
    """With so many decimals and a proper minus, as ``−0.04``; a zero has no sign."""
    return _minus(f"{value:z.{decimals}f}")


def without_error(value: float) -> str:
    """A value whose error is not known, in no more digits than it may have: three, a share two of itself or of what it
    lacks to one: ``0.094``, ``0.88``, ``0.998``, ``5.56``.
    """
    if isinstance(value, int) or not 1e-3 <= abs(value) < 100:
        return _plain(value)
    if not 0 < value < 1:
        return _minus(digits(value, 3))
    decimals = 1 - math.floor(math.log10(min(value, 1 - value)))
    return f"{round(value, decimals):g}"


def capital(text: str) -> str:
    """A sentence with a capital letter, unless it begins with a name such as ``structure.P-O.peak`` or ``mean_n``."""
    first = text.split(" ", 1)[0]
    return text if set("._") & set(first.rstrip(".")) else text[:1].upper() + text[1:]


def with_error(value: float, err: float | None) -> str:
    """A value and its error with the same number of decimals: ``2.004 ± 0.013``, ``−5.4 ± 0.7``.

    The error keeps two significant digits if they are 10 to 35, else one (Particle Data Group, Review of Particle
    Physics, section 5.3, doi:10.1103/PhysRevD.110.030001).
    """
    if err is None or err == 0 or not math.isfinite(err):
        return _plain(value)
    if abs(value) >= 1e5 or max(abs(value), err) < 1e-3:
        # 9.9e-4 is 1.0e-3 once it is rounded
        power = math.floor(math.log10(float(f"{max(abs(value), err):.0e}")))
        scaled = with_error(value / 10**power, err / 10**power)
        return f"({scaled}) × 10{_superscript(power)}"
    decimals = max(0, _decimals(err))
    # a value that rounds to zero has no sign
    return f"{_minus(f'{value:z.{decimals}f}')} ± {err:.{decimals}f}"


def to_error(value: float, err: float) -> float:
    """A value with the decimals that it has beside its error, see `with_error`."""
    return round(value, _decimals(err)) + 0.0 if math.isfinite(err) and err > 0 else value


def span(low: float, high: float) -> str:
    """Both ends to three digits, with one power of ten: ``1.02 to 3.45``, ``(1.02 to 3.45) × 10⁻⁹``."""
    largest = max(abs(low), abs(high))
    if largest == 0 or 1e-3 <= largest < 1e5:
        return f"{_minus(digits(low, 3))} to {_minus(digits(high, 3))}"
    power = math.floor(math.log10(largest))
    return f"({_minus(f'{low / 10**power:.3g}')} to {_minus(f'{high / 10**power:.3g}')}) × 10{_superscript(power)}"


def _decimals(err: float) -> int:
    size = math.floor(math.log10(err))
    leading = round(err / 10 ** (size - 2))
    if leading <= 354:
        return 1 - size
    # 95 to 99 becomes 100, of which two digits count
    return -size


def _plain(value: float) -> str:
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e6):
        return _minus(str(int(value)))
    if abs(value) >= 1e5 or abs(value) < 1e-3:
        power = math.floor(math.log10(abs(value)))
        return f"{_minus(f'{value / 10**power:.3g}')} × 10{_superscript(power)}"
    return _minus(digits(value, 4))


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")


def _superscript(power: int) -> str:
    return str(power).translate(SUPERSCRIPT)
