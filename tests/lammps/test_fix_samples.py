"""What the fixes that follow atoms have in common: how they react to commands between runs and to restarts."""

import pytest

from support.lammps_runs import messages, write_data
from support.structures import crystal

pytestmark = pytest.mark.mpi

ELEMENTS = ["Na", "V", "P", "O"]
SAMPLING = {
    "fix naglass/correlate": "fix f {group} naglass/correlate 2 elements Na V P O {more}",
    "fix naglass/hops": "fix f {group} naglass/hops 2 window 3 {more}",
}
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


# What a restart may not change: what the fixes say.
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
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("contract")
    write_data(path / "cell.data", crystal("NVP_R-3c_Na3_ewald_ordered"), ELEMENTS)
    return path


def restarts(style: str, line: str) -> dict[str, str]:
    """The run that writes a restart file, and those that read it with one thing changed."""
    file = f"{style.rsplit('/', 1)[1]}.restart"
    read = f"clear\nunits metal\natom_modify map array\nread_restart {file}\npair_style zero 4.0\npair_coeff * *"
    same = line.format(group="na", more="")
    scripts = {"first": same + f"\nrun 5\nwrite_restart {file}"}
    again = {change: line.format(group="na", more=change) for change in CHANGED[style]} | {
        "N": same.replace(" 2 ", " 5 "),
        "others": "group other id 13:30\n" + line.format(group="other", more=""),
        "same": same,
    }
    scripts |= {what: f"{read}\nfix move all nve\n{commands}\nrun 5" for what, commands in again.items()}
    return {f"{style}|{what}": script for what, script in scripts.items()}


@pytest.fixture(scope="module")
def told(folder) -> dict[str, str]:
    scripts = {}
    for style, line in SAMPLING.items():
        for command in BETWEEN:
            scripts[f"{style}|{command}"] = line.format(group="na", more="") + f"\nrun 4\n{command}\nrun 4"
        for where, group, more in (("group", "moving", ""), ("framework", "na", "framework moving")):
            scripts[f"{style}|dynamic {where}"] = line.format(group=group, more=more) + "\nrun 4"
        scripts[f"{style}|later"] = line.format(group="na", more="") + "\nrun 4\nset type 1 type 2\nrun 4"
        scripts |= restarts(style, line)
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


@pytest.mark.parametrize(("style", "change"), [(style, change) for style in CHANGED for change in CHANGED[style]])
def test_a_restart_with_another_option_names_it(told, style, change):
    assert f"{style}: {CHANGED[style][change]}; it must stay the same" in told[f"{style}|{change}"]


@pytest.mark.parametrize("style", SAMPLING)
def test_a_restart_of_other_atoms_is_refused(told, style):
    assert f"{style}: N 5: the restart file has 2" in told[f"{style}|N"]
    assert f"{style}: the group differs from the one in the restart file" in told[f"{style}|others"]
    assert told[f"{style}|same"] == "no error"
