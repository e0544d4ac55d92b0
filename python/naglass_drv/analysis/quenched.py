"""What a melt-quench has made: numbers as rows, its course over temperature, and why it is not the glass asked for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from .. import core
from ..chemistry import nmr
from ..chemistry.formers import FORMERS, MOST_BRIDGES, oxygen_cutoff_A
from ..chemistry.ions import Species
from ..chemistry.masses import volume_of
from ..chemistry.notation import SUPERSCRIPT, composition_text
from ..core.statistics import Average, average
from ..products import Quantity
from .artifacts import artifacts
from .exchange import exchange_text, exchanged_bonds, flowing, settling
from .held import diffusion_of_hold
from .melting import RENEWED, Memory
from .network import ideal_connectivity

BAR_PER_GPA = 1e4
HOLD = "hold"
_BIN_K, _PER_BIN = 100.0, 4
# shares of Q^n may differ by this beyond what counting them allows, <n> by the next
_SHARE, _MEAN_N = 0.1, 0.1
_WRONG = 0.02

Series = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Made:
    """A quenched glass of `ions`: the minimized structure `glass`, its table `series` with the ``phase`` of each row,
    the frames of the `hold` at `temperature_K`, the `melt`, and whether its volume is `free` in the end.
    """

    name: str
    ions: tuple[Species, ...]
    glass: Atoms
    series: Series
    hold: Sequence[Atoms]
    melt: Memory | None
    free: bool
    temperature_K: float

    def column(self, key: str, phases: Sequence[str]) -> np.ndarray:
        """The rows of a column in some phases."""
        chosen = np.isin(np.array(self.series["phase"]), phases)
        return np.array(self.series[key], dtype=float)[chosen]

    def held(self, key: str) -> Average:
        """Mean of a column over the second half of the hold."""
        values = self.column(key, [HOLD])
        return average(values[len(values) // 2 :])


def densities(atoms: Atoms, volumes_A3: np.ndarray) -> np.ndarray:
    """Densities (g/cm³) of the atoms in other volumes."""
    return volume_of(float(atoms.get_masses().sum()), 1.0) / volumes_A3


def curve(made: Made) -> dict[str, list[float]]:
    """Means over stretches of about 100 K of the quench with their standard errors: temperature (K), potential energy
    (eV/atom), and pressure (GPa) or, if the volume is free, density (g/cm³).
    """
    phases = [phase for phase in dict.fromkeys(made.series["phase"]) if phase.startswith(("quench", "release"))]
    temperature = made.column("temperature_K", phases)
    columns = {"temperature_K": temperature,
               "potential_energy_eV_per_atom": made.column("potential_energy_eV_per_atom", phases)}  # fmt: skip
    if made.free:
        columns["density_g_cm3"] = densities(made.glass, made.column("volume_A3", phases))
    else:
        columns["pressure_GPa"] = made.column("pressure_bar", phases) / BAR_PER_GPA
    count = min(round(np.ptp(temperature) / _BIN_K), len(temperature) // _PER_BIN) if len(temperature) else 0
    found: dict[str, list[float]] = {}
    for key, values in columns.items():
        means = [average(part) for part in np.array_split(values, count)] if count else []
        found[key] = [float(mean.mean) for mean in means]
        found[f"{key}_err"] = [float(mean.err) for mean in means]
    return found


def rows(made: Made) -> list[Quantity]:
    """The numbers of a glass: pressure or density of the hold, energy, the melt, Q^n, NMR beside it, contacts, and the
    diffusion coefficient of the ions in the hold, or its upper bound where they do not diffuse.
    """
    key, of = f"glass.{made.name}", made.name
    found = []
    if made.column("volume_A3", [HOLD]).size > 1:
        found += _held(made, key)
    found += diffusion_of_hold(made.hold, of, made.temperature_K)
    if made.melt is not None:
        melt, note = made.melt, "one melt"
        label = f"MSD of {melt.slowest} in the melt of {of}"
        found.append(Quantity(f"{key}.melt.msd", label, melt.msd_A2, "Å²", note=note))
        for pair, share in melt.renewed.items():
            label = f"share of {pair} bonds exchanged in the melt of {of}"
            found.append(Quantity(f"{key}.melt.renewed.{pair}", label, share, "1", note=note))
    for former, shares in _qn(made.glass).items():
        for n, share in shares.items():
            label = f"share of Q{str(n).translate(SUPERSCRIPT)} of {former} in {of}"
            found.append(Quantity(f"{key}.Q{n}", label, share, "1", note="one structure"))
    for n, share in (nmr.measured_qn(made.ions) or {}).items():
        label = f"share of Q{str(n).translate(SUPERSCRIPT)} by NMR"
        found.append(Quantity(f"{key}.NMR.Q{n}", label, share, "1", note=nmr.SOURCE))
    for pair, (limit, share) in artifacts([made.glass], independent=True).items():
        label = f"share of these atoms with a {pair} contact below {limit:g} Å in {of}"
        found.append(Quantity(f"{key}.artifact.{pair}", label, float(share.mean), "1", note="one structure"))
    return found


def _held(made: Made, key: str) -> Iterator[Quantity]:
    temperature, energy = made.held("temperature_K"), made.held("potential_energy_eV_per_atom")
    yield Quantity(f"{key}.temperature", f"temperature of the hold of {made.name}", float(temperature.mean), "K",
                   float(temperature.err))  # fmt: skip
    yield Quantity(f"{key}.energy", f"potential energy in the hold of {made.name}", float(energy.mean), "eV/atom",
                   float(energy.err))  # fmt: skip
    if made.free:
        volumes = made.column("volume_A3", [HOLD])
        density = average(densities(made.glass, volumes[len(volumes) // 2 :]))
        yield Quantity(f"{key}.density", f"density of {made.name} at zero pressure", float(density.mean), "g/cm³",
                       float(density.err))  # fmt: skip
    else:
        pressure = made.held("pressure_bar")
        yield Quantity(f"{key}.pressure", f"pressure of {made.name} at the density set",
                       float(pressure.mean) / BAR_PER_GPA, "GPa", float(pressure.err) / BAR_PER_GPA)  # fmt: skip


def state(made: Made) -> str:
    """``glass``, or ``supercooled melt`` if bonds of the host were exchanged during the hold."""
    return "supercooled melt" if _exchanged(made, flowing) else "glass"


def _exchanged(made: Made, chosen: Callable[[Mapping[str, tuple[int, int]]], list[str]]) -> list[str]:
    if len(made.hold) < 2:
        return []
    cutoffs = {f"{ion.element}-O": oxygen_cutoff_A(ion.element) for ion in made.ions}
    found = exchanged_bonds(made.hold, cutoffs)
    duration = made.hold[-1].info["time_ps"] - made.hold[0].info["time_ps"]
    return [exchange_text(pair, found[pair], duration) for pair in chosen(found)]


def flags(made: Made) -> list[dict[str, str]]:
    """In words, with their topic, what makes this another glass than the one that was asked for."""
    found = [("Not the glass asked for", text) for text in (*_network(made), *_contacts(made))]
    if made.melt is not None and not made.melt.lost:
        found.append(("Melt remembers its start", _remembered(made.melt, made.column("time_ps", ["melt"]))))
    if said := _exchanged(made, flowing):
        found.append(("Supercooled melt", "; ".join(said)))
    elif said := _exchanged(made, settling):
        found.append(("Relaxing network", "; ".join(said)))
    return [{"topic": topic, "text": text} for topic, text in found]


def _remembered(melt: Memory, times: np.ndarray) -> str:
    said = [
        f"after {np.ptp(times):.3g} ps the MSD of {melt.slowest} is {melt.msd_A2:.2g} Å² (needed: "
        f"{melt.neighbor_A**2:.2g}, the square of the distance to its next neighbor in the network)"
    ]
    for pair, share in melt.renewed.items():
        dashed = pair.replace("-", "–")
        said.append(f"{100 * share:.0f} % of {dashed} bonds are exchanged (needed: {100 * RENEWED:.0f} %)")
    if melt.change:
        said.append(f"shares of Qⁿ change by {melt.change:.2g} standard errors")
    return ", ".join(said)


def _network(made: Made) -> Iterator[str]:
    for former, shares in _qn(made.glass).items():
        number = int((made.glass.symbols == former).sum())
        most = MOST_BRIDGES[former]
        if beyond := {n: share for n, share in shares.items() if n > most and share > 0}:
            yield f"{_shares(beyond)}, but {former}O₄ can have at most Q{str(most).translate(SUPERSCRIPT)}"
        measured, mean = nmr.measured_qn(made.ions), sum(n * share for n, share in shares.items())
        ideal = ideal_connectivity(former, dict(made.glass.symbols.formula.count()))
        if measured is not None:
            off = 0.5 * sum(abs(shares.get(n, 0.0) - measured.get(n, 0.0)) for n in {*shares, *measured})
            chance = 2.0 * max((share * (1.0 - share) / number) ** 0.5 for share in measured.values())
            if off > _SHARE + chance:
                composition, _, _ = composition_text(made.ions).partition(";")
                yield f"{_shares(shares)}, where NMR finds {_shares(measured)} in {composition}"
        elif ideal is not None and abs(mean - ideal) > _MEAN_N:
            yield f"⟨n⟩ of {former} is {mean:.2f}, by stoichiometry {ideal:.2f}"


def _contacts(made: Made) -> Iterator[str]:
    for former in FORMERS[:2]:
        if former in made.glass.symbols and "O" in made.glass.symbols:
            bonds = core.bond_graph(made.glass, {(former, "O"): oxygen_cutoff_A(former)}).coordination("O")
            wrong = float((bonds[made.glass.symbols == former] != 4).mean())
            if wrong > _WRONG:
                yield f"{100 * wrong:.2g} % of {former} have other than four O"
    for pair, (limit, share) in artifacts([made.glass], independent=True).items():
        dashed = pair.replace("-", "–")
        yield f"{100 * float(share.mean):.2g} % of these atoms have a {dashed} contact below {limit:g} Å"


def _shares(shares: Mapping[int, float]) -> str:
    """``Q¹ 25, Q² 75 %``."""
    said = (f"Q{str(n).translate(SUPERSCRIPT)} {100 * share:.3g}" for n, share in sorted(shares.items()) if share > 0)
    return f"{', '.join(said)} %"


def _qn(glass: Atoms) -> dict[str, dict[int, float]]:
    """Shares of Q^n of the glass former; empty without one."""
    former = next((each for each in FORMERS if each in glass.symbols), None)
    if former is None or "O" not in glass.symbols:
        return {}
    bonds = {(former, "O"): oxygen_cutoff_A(former)}
    return {former: core.qn(glass, bonds, former=former, metals=()).fractions()}
