"""What a job prints beyond a label: Wannier centers, cubes of spin density and ELF, projected densities of states.

Prints are no part of the level: they change no energy and no hash. `parse.electronic` reads their files.
"""

from collections.abc import Callable, Sequence

from ....errors import InputError
from ..tree import Line, Section

#: Names of the files of Wannier centers and their spreads in the folder of the run.
WANNIER_FILE, SPREADS_FILE = "wannier.xyz", "spreads.dat"


def _wannier(dft: Section) -> None:
    # one file for both spins: alpha first, then beta
    prints = Section(
        "PRINT",
        items=[
            Section("WANNIER_CENTERS", items=[Line("IONS+CENTERS"), Line(f"FILENAME ={WANNIER_FILE}")]),
            Section("WANNIER_SPREADS", items=[Line(f"FILENAME ={SPREADS_FILE}")]),
        ],
    )
    dft.replace(
        Section(
            "LOCALIZE", items=[Line("METHOD JACOBI"), Line("MAX_ITER 2000"), Line("EPS_LOCALIZATION 1.0E-4"), prints]
        )
    )


def _cube(name: str) -> Callable[[Section], None]:
    def add(dft: Section) -> None:
        dft.at("PRINT").replace(Section(name, "ON"))

    return add


_PRINTS: dict[str, Callable[[Section], None]] = {
    "wannier": _wannier,
    "spin_density": _cube("E_DENSITY_CUBE"),
    "elf": _cube("ELF_CUBE"),
    "pdos": _cube("PDOS"),
}
#: Where in &DFT these prints are.
PATHS = (
    "LOCALIZE/PRINT/WANNIER_CENTERS", "LOCALIZE/PRINT/WANNIER_SPREADS", "PRINT/E_DENSITY_CUBE", "PRINT/ELF_CUBE",
    "PRINT/PDOS",
)  # fmt: skip
#: What `outputs` may name.
OUTPUTS = tuple(_PRINTS)


def add(root: Section, outputs: Sequence[str]) -> None:
    """Add the prints called `outputs` to an input. Raises InputError for an unknown one, or one that cannot be."""
    dft = root.at("FORCE_EVAL/DFT")
    methods = [value.upper() for qs in dft.sections("QS") for value in qs.values("METHOD")]
    for name in outputs:
        if name not in _PRINTS:
            raise InputError(f"outputs: {name!r}: unknown; choose from {', '.join(OUTPUTS)}")
        if "XTB" in methods and name != "pdos":
            raise InputError(f"outputs: {name}: GFN1-xTB has no density on a grid")
        if name == "wannier" and dft.at("SCF").sections("SMEAR"):
            raise InputError("outputs: wannier: fractional occupations (smearing_K) have no Wannier centers")
        _PRINTS[name](dft)
