"""Commands that exclude pairs from LAMMPS's neighbor lists: every style that reads bonds rejects them by name, and
pair_style mace removes from the energy atoms that a group exclusion removes from every pair."""

import pytest

from support import lammps_styles
from support.lammps_runs import messages, run_lammps, thermo_tables, write_data
from support.lammps_styles import define
from support.mace_models import ELEMENTS, packing

pytestmark = pytest.mark.mpi

SETUP = """units metal
atom_modify map array first na
read_data cell.data
pair_style zero 6.0
pair_coeff * *
group na type 1
group anions type 4
group nothing type 2
group nothing clear
thermo 10"""
# The styles that read bonds, each with commands that make LAMMPS evaluate it.
STYLES = {
    style: f"{define(style)}\n{row.output.format(file='x')}"
    for style, row in lammps_styles.STYLES.items()
    if row.reads_bonds
}
LEAVES = "leaves pairs out of neighbor lists; 'neigh_modify exclude none' undoes it"
COMMANDS = {
    "neigh_modify exclude type 2 4": f"neigh_modify exclude type 2 4 {LEAVES}",
    "neigh_modify exclude type 4 2": f"neigh_modify exclude type 4 2 {LEAVES}",
    "neigh_modify exclude group anions all": f"neigh_modify exclude group anions all {LEAVES}",
    "neigh_modify exclude group all anions": f"neigh_modify exclude group all anions {LEAVES}",
    "comm_modify group na": "comm_modify group na leaves ghost atoms out; use 'comm_modify group all'",
}
HARMLESS = [
    "",
    "neigh_modify exclude type 2 2",
    "neigh_modify exclude group nothing all",
    "neigh_modify exclude group na na",
    "neigh_modify exclude type 2 4\nneigh_modify exclude none",
]


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("excluded")
    lammps_styles.write_cell(folder)
    scripts = {}
    for style, commands in STYLES.items():
        for command in (*COMMANDS, *HARMLESS):
            scripts[f"{style}|{command}"] = f"{commands}\n{command}\nrun 0"
        scripts[f"{style}|later"] = f"{commands}\nrun 0\nneigh_modify exclude type 2 4\nrun 0"
    return messages(folder, SETUP, scripts)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_style_that_reads_bonds_refuses(told, style, command):
    assert f"{style}: {COMMANDS[command]}" in told[f"{style}|{command}"]


@pytest.mark.parametrize("style", STYLES)
def test_exclusions_between_runs_are_seen_and_harmless_ones_passed(told, style):
    assert f"{style}: neigh_modify exclude type 2 4" in told[f"{style}|later"]
    for command in HARMLESS:
        assert told[f"{style}|{command}"] == "no error", command


MOLECULES = """units metal
atom_style bond
region b block 0 12 0 12 0 12
create_box 4 b bond/types 1 extra/bond/per/atom 2 extra/special/per/atom 4
create_atoms 3 single 3 3 3
create_atoms 4 single 4.5 3 3
create_atoms 4 single 3 4.5 3
mass * 10
pair_style zero 4.0
pair_coeff * *
bond_style zero
bond_coeff *
create_bonds single/bond 1 1 2
create_bonds single/bond 1 1 3
compute c all naglass/qn/atom elements Na V P O cutoff P O 2.0
dump d all custom 10 x.dump c_c[1]"""


def test_special_bonds_and_molecules_leave_bonds_out(tmp_path):
    scripts = {
        "default": "run 0",
        "kept": "special_bonds lj/coul 1 1 1\nrun 0",
        "nearly": "special_bonds lj/coul 1e-50 1 1\nrun 0",
        "molecule": "special_bonds lj/coul 1 1 1\nneigh_modify exclude molecule/intra all\nrun 0",
    }
    said = messages(tmp_path, MOLECULES.replace("atom_style bond", "atom_style molecular"), scripts)
    assert "compute naglass/qn/atom: special_bonds leaves bonded neighbors out" in said["default"]
    assert said["kept"] == said["nearly"] == "no error"
    assert f"compute naglass/qn/atom: neigh_modify exclude molecule/intra all {LEAVES}" in said["molecule"]


MACE = """units metal
atom_modify map array
read_data glass.data
pair_style {pair}
pair_coeff * * {mace} m.naglass O Na P V
group one id 1
group some id 1 2 3
group nothing id 1
group nothing clear
thermo_style custom step pe fmax
thermo_modify format float %.12g
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory, committee):
    folder = tmp_path_factory.mktemp("model")
    (folder / "m.naglass").symlink_to(committee[0])
    write_data(folder / "glass.data", packing(26, 14.0, tilt=True, seed=1), ELEMENTS)
    return folder


def setup(pair="mace trust yes", mace=""):
    return MACE.format(pair=pair, mace=mace)


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("group", ["one", "some"])
def test_mace_takes_an_excluded_group_out_of_the_energy(model, group, ranks):
    """As fix gcmc and fix widom rely on: E(N - 1), without the isolated atom's energy."""
    runs = f"run 0\nneigh_modify exclude group {group} all\nrun 0\ndelete_atoms group {group}\nrun 0\n"
    done = run_lammps(model, setup() + runs + "neigh_modify exclude none\nrun 0\n", ranks)
    assert done.returncode == 0, done.stdout[-2500:]
    energy = [rows[0, 1] for rows in thermo_tables(done.stdout)]
    assert abs(energy[0] - energy[1]) > 0.1
    assert energy[1:] == pytest.approx([energy[2]] * 3, abs=1e-9)


def test_mace_refuses_what_it_cannot_take_out(model):
    refused = {
        "neigh_modify exclude type 2 2": f"neigh_modify exclude type 2 2 {LEAVES}",
        "neigh_modify exclude type 1 4": f"neigh_modify exclude type 1 4 {LEAVES}",
        "neigh_modify exclude group some some": f"neigh_modify exclude group some some {LEAVES}",
    }
    scripts = {command: f"{command}\nrun 0" for command in refused}
    scripts["later"] = "run 0\nneigh_modify exclude type 2 2\nrun 0"
    scripts["none"] = "neigh_modify exclude type 2 2\nneigh_modify exclude none\nrun 0"
    scripts["nothing"] = "neigh_modify exclude group nothing nothing\nrun 0"
    said = messages(model, setup(), scripts)
    for command, message in refused.items():
        assert f"Pair style mace: {message}" in said[command]
    assert "Pair style mace: neigh_modify exclude type 2 2" in said["later"]
    assert said["none"] == said["nothing"] == "no error"


def test_types_that_mace_leaves_to_others_may_be_excluded(model):
    script = setup("hybrid/overlay mace trust yes zero 4.0", "mace").replace("m.naglass O Na", "m.naglass O NULL")
    script += "pair_coeff * * zero\nneigh_modify exclude type 2 2\nrun 0\n"
    done = run_lammps(model, script)
    assert done.returncode == 0, done.stdout[-2000:]


GCMC = """group na type 2
fix mc na gcmc 1 4 0 2 4928 900 -50 0.1 full_energy
timestep 0.0005
thermo 1
run 3
unfix mc
neigh_modify exclude none
run 0
"""


def test_grand_canonical_deletions_know_the_energy_of_the_rest(model):
    """Na atoms are removed until none remain; the energy kept by the fix equals that of a fresh evaluation."""
    done = run_lammps(model, setup() + GCMC)
    assert done.returncode == 0, done.stdout[-2500:]
    during, after = thermo_tables(done.stdout)
    assert during[-1, 1] != pytest.approx(during[0, 1])
    assert after[0, 1] == pytest.approx(during[-1, 1], abs=1e-9)
