"""The gates of a screening that take hours: relaxed cells and moduli, phonons, transport."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis.gates import not_run, outcome
from ..wording import with_error
from .screening import Material, Preset, Session

if TYPE_CHECKING:
    from ase import Atoms

VOLUME = 0.03
_FAMILY_CUTOFF_A = 2.5
_ION, _KEPT_EVERY = "Na", 50


def relaxed_cells(session: Session, material: Material, preset: Preset, seed: int) -> dict[str, Any]:
    """Cell and positions relaxed at zero pressure; bond families of V before and after, and moduli."""
    from ..analysis.moduli import moduli

    if not material.crystals:
        return not_run("no crystals are given")
    if not preset.cell_steps:
        return not_run("relaxation of cells, then of positions at 12 strains")
    found, passed, told = {}, True, []
    for name, crystal in material.crystals.items():
        end, converged = session.relaxed_cell(name, crystal, preset.cell_steps)
        elastic = moduli(session.evaluate, end, preset.relax_steps)
        ratio = end.get_volume() / crystal.get_volume()
        families = [_families(each) for each in (crystal, end)]
        found[name] = {
            "converged": converged, "volume": ratio, "cell_A_deg": end.cell.cellpar().tolist(),
            "given_A_deg": crystal.cell.cellpar().tolist(), "families": families[1], "families_given": families[0],
            "stiffness_GPa": elastic.stiffness_GPa.tolist(), "bulk_GPa": elastic.bulk_GPa,
            "bulk_GPa_half_range": elastic.bulk_GPa_half_range, "shear_GPa": elastic.shear_GPa,
            "shear_GPa_half_range": elastic.shear_GPa_half_range, "asymmetry_GPa": elastic.asymmetry_GPa,
            "stable": elastic.stable,
        }  # fmt: skip
        kept = families[0] == families[1]
        passed = passed and converged and abs(ratio - 1) <= VOLUME and kept and elastic.stable
        told.append(
            f"{name} {100 * (ratio - 1):+.1f} %{'' if converged else ' (not converged)'}"
            f"{'' if kept else ', other bonds of V'}{'' if elastic.stable else ', elastically unstable'}, bulk modulus "
            f"{elastic.bulk_GPa:.0f} GPa, shear modulus {elastic.shear_GPa:.0f} GPa"
        )
    return outcome(passed, f"volume off by: {'; '.join(told)}", crystals=found)


def _families(crystal: "Atoms") -> dict[str, int]:
    """V atoms by their bond family."""
    from ..core import fingerprint

    if not {"V", "O"} <= set(crystal.symbols):
        return {}
    return dict(sorted(fingerprint(crystal, {("V", "O"): _FAMILY_CUTOFF_A}).label_counts().items()))


def phonons(session: Session, material: Material, preset: Preset, seed: int) -> dict[str, Any]:
    """Phonons of the relaxed crystals."""
    if not material.crystals:
        return not_run("no crystals are given")
    if not preset.phonons:
        return not_run("displacements in 2 x 2 x 2 cells of the crystals")
    from importlib.util import find_spec

    from ..analysis.phonons import phonons as computed

    if find_spec("phonopy") is None:
        return not_run("phonopy is not installed: pip install 'naglass[screen]'")
    found, told = {}, []
    for name, crystal in material.crystals.items():
        end, converged = session.relaxed_cell(name, crystal, preset.cell_steps)
        one = computed(session.evaluate, end)
        found[name] = {
            "gamma_THz": one.gamma_THz.tolist(), "lowest_THz": one.lowest_THz, "stable": one.stable,
            "converged": converged,
        }  # fmt: skip
        told.append(f"{name} {one.lowest_THz:.2f} THz{'' if converged else ' (its cell is not relaxed)'}")
    passed = all(one["stable"] and one["converged"] for one in found.values())
    return outcome(passed, f"lowest: {', '.join(told)}", crystals=found)


def transport(session: Session, material: Material, preset: Preset, seed: int) -> dict[str, Any]:
    """Diffusion of Na in the first glass of the potential's own, or in the given one, at several temperatures."""
    from ..analysis.dynamics import TIMESTEP_FS, langevin
    from ..analysis.mobility import activation, mobility
    from ..analysis.quenching import repeated

    if _ION not in material.start.symbols:
        return not_run(f"the structure has no {_ION}")
    if not preset.transport_K:
        return not_run("100 ps of 300 atoms at 800, 1000 and 1200 K")
    start, found = repeated(material.start, preset.glass_atoms), {}
    if (state := session.memory("G6-0").load()) is not None:
        start.set_cell(state["cell"])
        start.positions = state["positions"]
    steps = round(1000 * preset.transport_ps / TIMESTEP_FS)
    for kelvin in preset.transport_K:
        course = langevin(
            session.evaluate, start, np.full(steps, kelvin), seed=seed, keep_every=_KEPT_EVERY,
            memory=session.memory(f"G7-{kelvin:g}"), look=False,
        )  # fmt: skip
        found[kelvin] = mobility(course, _ION, _KEPT_EVERY)
    energy = activation(found)
    told = [
        f"{kelvin:g} K: MSD {with_error(each['msd_A2'], each['msd_A2_err'])} A^2 in {each['lag_ps']:g} ps, "
        + (f"no D ({each['reason']})" if each["D_m2_per_s"] is None else f"D {each['D_m2_per_s']:.2g} m^2/s")
        for kelvin, each in found.items()
    ]
    if energy is not None:
        told.append(f"activation energy {energy[0]:.2f} eV (95 % {energy[1][0]:.2f} to {energy[1][1]:.2f})")
    return outcome(None, "; ".join(told), temperatures={f"{kelvin:g}": each for kelvin, each in found.items()},
                   activation_eV=energy[0] if energy else None)  # fmt: skip
