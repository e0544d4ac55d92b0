"""Lennard-Jones atoms, reduced units.

The cut potential of Broughton & Gilmer, J. Chem. Phys. 79, 5095 (1983). Crystal and melt coexist at T* = 0.617 and
p* = -0.02 (Davidchack & Laird, J. Chem. Phys. 118, 7651 (2003); the pressure as in
https://github.com/AndresRTejedor/Mold, docs/source/example_MI_lj.md), that is, by Clausius and Clapeyron's equation, at
0.619 and zero pressure.
"""

import numpy as np

from support.two_phases import System

TIMESTEP = 0.004
#: Connections are neighbors in the first shell with a correlation of q6 above this; so many make an atom crystalline.
SHELL, CORRELATION, CONNECTIONS = 1.5, 0.5, 7


def potential(points: int = 2000) -> str:
    """pair_style table: 4 (r^-12 - r^-6) + C1 up to 2.3, C2 r^-12 + C3 r^-6 + C4 r^2 + C5 up to 2.5.

    C1 is that of a continuous energy; forces do not depend on it.
    """
    r = np.linspace(0.6, 2.5, points)
    c2, c3, c4, c5 = 3136.6, -68.069, -0.083312, 0.74689
    inner, outer = 4 * (r**-12 - r**-6), c2 * r**-12 + c3 * r**-6 + c4 * r**2 + c5
    c1 = c2 * 2.3**-12 + c3 * 2.3**-6 + c4 * 2.3**2 + c5 - 4 * (2.3**-12 - 2.3**-6)
    energy = np.where(r <= 2.3, inner + c1, outer)
    force = np.where(r <= 2.3, 4 * (12 * r**-13 - 6 * r**-7), 12 * c2 * r**-13 + 6 * c3 * r**-7 - 2 * c4 * r)
    rows = "".join(
        f"{k + 1} {a:.12g} {e:.12g} {f:.12g}\n" for k, (a, e, f) in enumerate(zip(r, energy, force, strict=True))
    )
    return f"LJ\nN {points} R 0.6 2.5\n\n{rows}"


LENNARD_JONES = System(
    start=f"""
units lj
{{source}}
mass 1 1.0
pair_style table linear 2000
pair_coeff 1 1 lj.table LJ 2.5
neighbor 0.3 bin
neigh_modify every 2 delay 4 check yes
timestep {TIMESTEP}
compute q all orientorder/atom degrees 1 6 nnn NULL components 6 cutoff {SHELL}
compute n all coord/atom orientorder q {CORRELATION}
""",
    structure="fcc",
    formula="Ar",
    species=("Ar",),
    style="atomic",
    guess=1.618,
    shell=SHELL,
    connections=CONNECTIONS,
    timestep=TIMESTEP,
    thermostat=0.4,
    barostat=4.0,
    hot=2.0,
    files={"lj.table": potential()},
)
