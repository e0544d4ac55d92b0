"""NaCl with the Tosi-Fumi potential (born/coul/long); Å, ps, K.

Tosi & Fumi, J. Phys. Chem. Solids 25, 45 (1964). It melts at 1064 ± 14 K (Anwar, Frenkel & Noro, J. Chem. Phys. 118,
728 (2003), DOI 10.1063/1.1522375).
"""

from support.two_phases import System

#: A (eV), ρ and σ (Å), C (eV Å⁶), D (eV Å⁸) of Na-Na, Na-Cl and Cl-Cl; LAMMPS's C is subtracted and its D added.
PAIRS = {
    "1 1": (0.2637, 0.317, 2.340, 1.0486, 0.4993),
    "1 2": (0.2110, 0.317, 2.755, 6.9906, 8.6758),
    "2 2": (0.1582, 0.317, 3.170, 72.4022, 145.4285),
}
#: Both ions have an octahedron of the other: connections are neighbors in this shell (Å) with a correlation of q4 above
#: this, and so many of six make an ion crystalline.
SHELL, CORRELATION, CONNECTIONS = 3.8, 0.6, 5
_PAIR_COEFFS = "\n".join(f"pair_coeff {k} {a} {rho} {s} {c} {-d}" for k, (a, rho, s, c, d) in PAIRS.items())

SODIUM_CHLORIDE = System(
    start=f"""
units metal
atom_style charge
{{source}}
mass 1 22.98977
mass 2 35.453
set type 1 charge 1.0
set type 2 charge -1.0
pair_style born/coul/long 8.5
{_PAIR_COEFFS}
kspace_style pppm 1e-4
neighbor 1.5 bin
timestep 0.002
compute q all orientorder/atom degrees 1 4 nnn NULL components 4 cutoff {SHELL}
compute n all coord/atom orientorder q {CORRELATION}
""",
    structure="rocksalt",
    formula="NaCl",
    species=("Na", "Cl"),
    style="charge",
    guess=5.9,
    shell=SHELL,
    connections=CONNECTIONS,
    timestep=0.002,
    thermostat=0.1,
    barostat=1.0,
    hot=3500.0,
)
