"""compute naglass/rings against the library, frame by frame, while atoms move."""

import pytest
from ase import Atoms

from naglass_drv import core
from support.lammps_runs import messages, moving, read_dump, run_lammps, write_data
from support.structures import crystal, silicate_glass

pytestmark = pytest.mark.mpi

CUTOFFS = {("P", "O"): 2.0, ("V", "O"): 2.5, ("Si", "O"): 2.2}
ELEMENTS = ["Na", "V", "P", "Si", "O"]
NAMED = "elements Na V P Si O cutoff P O 2.0 cutoff V O 2.5 cutoff Si O 2.2"
FORMERS = "former P former V former Si"

STYLES = {
    "primitive": ("max 12", {"max_size": 12}),
    "king": ("criterion king max 10", {"criterion": "king", "max_size": 10}),
    "center": (
        f"criterion king king center graph tt {FORMERS} max 7",
        {"criterion": "king", "king_neighbors": "center", "graph_kind": "tt", "max_size": 7},
    ),
    "guttman": ("criterion guttman max 11", {"criterion": "guttman", "max_size": 11}),
    "strong": ("criterion strong max 10 reach 3", {"criterion": "strong", "max_size": 10, "strong_reach": 3}),
    "formers": (f"graph tt {FORMERS} max 6 select abab", {"graph_kind": "tt", "max_size": 6, "select": "abab"}),
}
STRUCTURES = {
    "triclinic": crystal("NVP_R-3c_Na3_ewald_ordered"),
    "thin": crystal("V2O5_alpha_Pmmn"),  # 3.6 Å thick: smaller than any ring
    "glass": silicate_glass(),
    "corner": Atoms(
        "P2O2V", positions=[[1, 1, 1], [3.2, 1, 1], [2.1, 2, 1], [2.1, 0, 1], [9, 9, 9]], cell=[60, 20, 20], pbc=True
    ),
}

RUN = """
{computes}
dump d all custom 5 {name}.dump id type x y z {columns}
dump_modify d sort id format float %.17g
{averages}
run {steps}
"""


def script(name: str, ranks: int, newton: str, styles: list[str], steps: int) -> str:
    computes = "\n".join(f"compute {s} all naglass/rings {NAMED} {STYLES[s][0]} peratom yes" for s in styles)
    columns = " ".join(f"c_{s}[{STYLES[s][1]['max_size']}]" for s in styles)
    averages = "\n".join(f"fix {s} all ave/time 5 1 5 c_{s} mode vector file {name}.{s}" for s in styles)
    run = RUN.format(name=name, computes=computes, columns=columns, averages=averages, steps=steps)
    return moving(name, ranks, newton) + run


def counted(path) -> list[list[int]]:
    """Counts by size from 1 on, per frame, as fix ave/time wrote them: a line "step rows", then "row count" lines."""
    lines = [line.split() for line in path.read_text().splitlines()[3:]]
    rows = int(lines[0][1])
    return [
        [int(count) for _, count in lines[first + 1 : first + 1 + rows]] for first in range(0, len(lines), rows + 1)
    ]


def expected(cell, table, options) -> core.Rings:
    symbols = [ELEMENTS[int(t) - 1] for t in table[:, 1]]
    atoms = Atoms(symbols, positions=table[:, 2:5], cell=cell, pbc=True)
    return core.rings(atoms, CUTOFFS, former=("P", "V", "Si"), **options)


def compare(folder, ranks, newton, structures, styles, steps) -> dict[str, set]:
    """The counts of each style, all equal to those of the library."""
    for name in structures:
        write_data(folder / f"{name}.data", STRUCTURES[name], ELEMENTS)
    done = run_lammps(folder, "".join(script(name, ranks, newton, styles, steps) for name in structures), ranks)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    seen = {style: set() for style in styles}
    for name in structures:
        frames = read_dump(folder / f"{name}.dump")
        assert len(frames) == steps // 5 + 1 and len(frames[0][1]) == len(STRUCTURES[name])
        for column, style in enumerate(styles):
            counts = counted(folder / f"{name}.{style}")
            assert len(counts) == len(frames)
            for frame, (cell, table) in enumerate(frames):
                result = expected(cell, table, STYLES[style][1])
                assert counts[frame] == result.counts[1:].tolist(), (name, style, frame)
                assert (table[:, 5 + column] == result.per_node[:, -1]).all(), (name, style, frame)
                seen[style].add((name, tuple(counts[frame])))
    return seen


@pytest.mark.parametrize(("ranks", "newton"), [(1, "on"), (2, "off")])
def test_equals_the_library(tmp_path, ranks, newton):
    seen = compare(tmp_path, ranks, newton, list(STRUCTURES), list(STYLES), 10)
    for style, different in seen.items():
        assert len(different) > len(STRUCTURES), f"no ring changed: {style} would not show a stale list"


@pytest.mark.parametrize(
    ("ranks", "newton", "structures", "styles"),
    [
        (3, "on", ["triclinic", "corner"], ["primitive", "strong", "guttman"]),
        pytest.param(4, "off", ["glass", "corner"], ["primitive", "center", "formers"], marks=pytest.mark.long),
    ],
)
def test_equals_the_library_on_many_ranks(tmp_path, ranks, newton, structures, styles):
    """Slabs thinner than a ring; `corner` leaves ranks without atoms."""
    compare(tmp_path, ranks, newton, structures, styles, 5)


FULL = "elements V P O NULL cutoff P O 2.0 cutoff V O 2.5"
BAD = {
    f"{FULL} criterion kings": "criterion kings: must be one of primitive, king, guttman, strong",
    f"{FULL} king none": "king none: must be one of excluded, center",
    f"{FULL} graph half": "graph half: must be one of full, tt",
    f"{FULL} select ABAB": "select ABAB: must be one of all, abab, not_abab, heteropolar",
    f"{FULL} peratom maybe": "peratom maybe: must be one of no, yes",
    f"{FULL} max 2": "max 2: must be a whole number of at least 3",
    f"{FULL} max 20000": "max 20000: must be at most 10000",
    f"{FULL} graph tt": "former (none): graph tt needs at least one former",
    f"{FULL} graph tt former P bridge P": "bridge P: is already a former",
    f"{FULL} graph tt former P former O bridge V": "cutoff of atom types 2 and 1: is missing",
    "elements V P O NULL": "cutoff (none): at least one pair needs a cutoff",
}


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("bad")
    write_data(folder / "small.data", crystal("VOPO4_alphaII_P4n"), ["V", "P", "O", "Na"])
    setup = "units metal\nread_data small.data\npair_style zero 4.0\npair_coeff * *"
    run = "thermo_style custom step c_r[3]\nrun 0"
    return messages(folder, setup, {arguments: f"compute r all naglass/rings {arguments}\n{run}" for arguments in BAD})


@pytest.mark.parametrize("arguments", BAD)
def test_bad_argument_is_named(told, arguments):
    assert f"compute naglass/rings: {BAD[arguments]}" in told[arguments]
