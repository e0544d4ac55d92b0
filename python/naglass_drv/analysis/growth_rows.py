"""Growth velocities, melting temperatures and nucleation as quantities."""

from collections.abc import Iterator, Mapping

from ..products import Quantity
from .fronts import Crossing, Rate
from .nucleation import CriticalSize, Nucleation


def growth(name: str, fronts: Mapping[str, Rate], temperature: float) -> Iterator[Quantity]:
    """The velocity (Å/ps) of each interface of the run `name`, or its upper bound where no growth was observed."""
    known = {"temperature_K": temperature}
    for front, rate in fronts.items():
        key, label = f"growth.{name}.{front}", f"growth velocity, {front} interface of {name}"
        if rate.moves:
            yield Quantity(f"{key}.u", label, rate.rate, "Å/ps", rate.err, interval=rate.interval, conditions=known)
        else:
            bound = f"upper bound (95 %) of the {label}"
            yield Quantity(f"{key}.u_upper", bound, rate.upper, "Å/ps", note="no growth observed", conditions=known)


def melting(name: str, crossing: Crossing) -> Iterator[Quantity]:
    """Where the interfaces of `name` stand still."""
    label, value = f"melting temperature of {name}, u = 0", crossing.temperature
    yield Quantity(f"growth.{name}.melting", label, value, "K", crossing.err, interval=crossing.interval)


_NUCLEATION = (
    ("gamma", "interface energy by classical nucleation theory", "eV/Å²"),
    ("barrier", "nucleation barrier", "eV"),
    ("barrier_kT", "nucleation barrier over kT", "1"),
    ("zeldovich", "Zeldovich factor", "1"),
    ("attachment", "attachment rate", "1/ps"),
    ("log10_rate", "log10 of the nucleation rate in 1/(Å³ ps)", "1"),
)


def critical(name: str, size: CriticalSize, temperature: float) -> Iterator[Quantity]:
    """The critical size of the seeds in `name`."""
    label, known = _critical_label(name), {"temperature_K": temperature}
    yield Quantity(
        f"nucleation.{name}.size", label, size.value, "1", size.err, interval=size.interval, conditions=known
    )


def _critical_label(name: str) -> str:
    return f"critical size in {name}, crystalline atoms"


def nucleation(name: str, size: CriticalSize, found: Nucleation, thresholds: Mapping[str, float]) -> Iterator[Quantity]:
    """Seeding in `name` in eV, Å and ps; `thresholds` is `threshold_effect`, a row of its own for each quantity."""
    known, key = {"temperature_K": found.temperature}, f"nucleation.{name}"
    yield from critical(name, size, found.temperature)
    labels = {"size": (_critical_label(name), "1")}
    for word, text, unit in _NUCLEATION:
        labels[word] = (f"{text}, {name}", unit)
        estimate = getattr(found, word)
        yield Quantity(f"{key}.{word}", labels[word][0], estimate.value, unit, estimate.err, conditions=known)
    for word, half in thresholds.items():
        label, unit = labels[word]
        why = "half the range between two thresholds of the order parameter"
        yield Quantity(f"{key}.{word}.threshold", f"effect of the threshold on the {label}", half, unit, note=why)
