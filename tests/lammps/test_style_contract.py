"""Common behavior of all styles: where they may appear in a script, and how fixes that follow atoms react to commands
between runs."""

import re
from pathlib import Path

import pytest

from support.lammps_runs import messages, run_lammps, write_data
from support.structures import crystal

pytestmark = pytest.mark.mpi

ELEMENTS = ["Na", "V", "P", "O"]
SAMPLING = {
    "fix naglass/correlate": "fix f {group} naglass/correlate 2 elements Na V P O {more}",
    "fix naglass/hops": "fix f {group} naglass/hops 2 window 3 {more}",
}
EVERY = {
    "compute naglass/qn/atom": "compute c all naglass/qn/atom elements Na V P O cutoff P O 2.0",
    "compute naglass/rings": "compute c all naglass/rings elements Na V P O cutoff P O 2.0",
    "compute naglass/linkage": "compute c all naglass/linkage elements Na V P O center P cutoff P O 2.0",
    "compute naglass/fingerprint": "compute c all naglass/fingerprint elements Na V P O cutoff V O 2.5",
    "compute naglass/crystal/atom": "compute c all naglass/crystal/atom elements Na V P O cutoff P O 2.0 cutoff V O 2",
    "fix naglass/select": "fix f all naglass/select 1 band 0 1 file x elements Na V P O",
} | {name: line.format(group="all", more="") for name, line in SAMPLING.items()}
SETUP = """units metal
atom_modify map array
read_data cell.data
pair_style zero 4.0
pair_coeff * *
group na type 1
group host subtract all na
region left block INF 5 INF INF INF INF
group moving dynamic all region left every 2
velocity all create 900 1
timestep 0.001
fix move all nve
"""
# Commands between two runs: what the fixes say of them; None where they may pass.
BETWEEN = {
    "displace_atoms na move 0.1 0 0": "was moved between two runs, by displace_atoms",
    "displace_atoms all random 0.1 0.1 0.1 3": "was moved between two runs",
    "set atom 1 image 1 NULL NULL": "was moved between two runs",
    "reset_atoms id": "Cannot use reset_atoms id with a fix naglass/",
    "delete_atoms group host compress no": None,
    "reset_timestep 0": "Cannot reset timestep with time-dependent fix",
    "group na type 2": "joined the group during the run",
    "change_box all x scale 1.02 y scale 0.97 xy delta 0.3 remap": None,
    "change_box all xy delta 9.5 remap": None,
    "mass 2 50": None,
    "velocity all scale 300": None,
    "balance 1.0 shift x 5 1.1": None,
    "neigh_modify every 2": None,
    "atom_modify sort 1 1.0": None,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("contract")
    write_data(path / "cell.data", crystal("NVP_R-3c_Na3_ewald_ordered"), ELEMENTS)
    return path


@pytest.fixture(scope="module")
def told(folder) -> dict[str, str]:
    scripts = {}
    for style, line in SAMPLING.items():
        for command in BETWEEN:
            scripts[f"{style}|{command}"] = line.format(group="na", more="") + f"\nrun 4\n{command}\nrun 4"
        for where, group, more in (("group", "moving", ""), ("framework", "na", "framework moving")):
            scripts[f"{style}|dynamic {where}"] = line.format(group=group, more=more) + "\nrun 4"
        scripts[f"{style}|later"] = line.format(group="na", more="") + "\nrun 4\nset type 1 type 2\nrun 4"
    return messages(folder, SETUP, scripts)


@pytest.mark.parametrize("style", SAMPLING)
@pytest.mark.parametrize("command", BETWEEN)
def test_commands_between_runs(told, style, command):
    message = told[f"{style}|{command}"]
    if BETWEEN[command] is None:
        assert message == "no error"
    else:
        assert message.startswith("ERROR") and BETWEEN[command] in message


@pytest.mark.parametrize("style", SAMPLING)
@pytest.mark.parametrize("where", ["group", "framework"])
def test_a_dynamic_group_is_refused_by_name(told, style, where):
    assert f"{style}: group moving is dynamic" in told[f"{style}|dynamic {where}"]


def test_species_must_stay(told):
    assert "changed type during the run" in told["fix naglass/correlate|later"]
    assert told["fix naglass/hops|later"] == "no error"


@pytest.fixture(scope="module")
def before_the_box(folder) -> dict[str, str]:
    return messages(folder, "units metal", EVERY)


@pytest.mark.parametrize("style", EVERY)
def test_a_style_before_the_box_is_told_so(before_the_box, style):
    message = before_the_box[style]
    assert "simulation box" in message and "elements" not in message.split("Last input")[0]


CHANGED = {
    "fix naglass/correlate": {
        "points 8": "points 8: the restart file has 16",
        "overlap 1.5": "overlap 1.5: the restart file has 1.3",
        "van_hove 3 0.5": "van_hove reach 3: the restart file has 0",
        "framework host": "framework given: the restart file has none",
        "charge Na 1": "charge of Na 1: the restart file has 0",
        "longest 20": "longest 20: the restart file has 0",
    },
    "fix naglass/hops": {
        "window 4": "window 4: the restart file has 3",
        "threshold 0.9 release 0.5": "threshold 0.9: the restart file has 1",
        "min_length 1": "min_length 1: the restart file has 1.5",
        "return 7": "return 7: the restart file has 200",
        "framework host": "framework given: the restart file has none",
        "elements Na V P O cutoff Na O 2.9": "cutoff given: the restart file has none",
    },
}


@pytest.fixture(scope="module")
def restarted(folder) -> dict[str, str]:
    for style, line in SAMPLING.items():
        name = style.rsplit("/", 1)[1]
        done = run_lammps(folder, SETUP + line.format(group="na", more="") + f"\nrun 5\nwrite_restart {name}.restart\n")
        assert done.returncode == 0, done.stdout
    scripts = {}
    for style, line in SAMPLING.items():
        start = (
            f"read_restart {style.rsplit('/', 1)[1]}.restart\npair_style zero 4.0\npair_coeff * *\nfix move all nve\n"
        )
        for change in CHANGED[style]:
            scripts[f"{style}|{change}"] = start + line.format(group="na", more=change) + "\nrun 5"
        scripts[f"{style}|N"] = start + line.format(group="na", more="").replace(" 2 ", " 5 ") + "\nrun 5"
        others = "group other id 13:30\n" + line.format(group="other", more="")
        scripts[f"{style}|others"] = start + others + "\nrun 5"
        scripts[f"{style}|same"] = start + line.format(group="na", more="") + "\nrun 5"
    return messages(folder, "units metal\natom_modify map array", scripts)


@pytest.mark.parametrize(("style", "change"), [(style, change) for style in CHANGED for change in CHANGED[style]])
def test_a_restart_with_another_option_names_it(restarted, style, change):
    assert f"{style}: {CHANGED[style][change]}; it must stay the same" in restarted[f"{style}|{change}"]


@pytest.mark.parametrize("style", SAMPLING)
def test_a_restart_of_other_atoms_is_refused(restarted, style):
    assert f"{style}: N 5: the restart file has 2" in restarted[f"{style}|N"]
    assert f"{style}: the group differs from the one in the restart file" in restarted[f"{style}|others"]
    assert restarted[f"{style}|same"] == "no error"


def test_no_modify_api_that_lammps_removed():
    """LAMMPS 13 Nov 2026 no longer has access to fixes and computes by index."""
    removed = re.compile(r"\b(find_fix|find_compute|find_fix_by_style|nfix|ncompute)\b|modify->(fix|compute)\s*\[")
    sources = list((Path(__file__).parents[2] / "src" / "cpp").rglob("*.[ch]pp"))
    assert len(sources) > 50
    assert not [path.name for path in sources if removed.search(path.read_text())]
