"""Several LAMMPS with pair_style mace in one process, on subsets of the ranks, and one that is set up again."""

import numpy as np
import pytest

from support.lammps_runs import messages, read_dump, run_lammps, run_python
from support.mace_bench import Bench, assert_close, deviations, mace_pair, script
from support.mace_models import packing

pytestmark = pytest.mark.mpi

MODELS = {
    "a": dict(hidden="4x0e+4x1o", correlation=2, pair_repulsion=True),
    "b": dict(r_max=4.0, correlation=1, seed=8),
}
STRUCTURES = {"glass": packing(12, 14.0, tilt=True), "more": packing(20, 14.0, seed=1)}
# by name: structure, the models of pair_coeff, options
WORLDS = {"double": ("glass", "a", ""), "single": ("more", "b", "dtype float32"), "both": ("more", "ab", "single_rank")}
SETUP = """units metal
atom_modify map yes
read_data {data}.data
pair_style mace {options}
pair_coeff * * {archives} O Na P V
velocity all create 300 4928 loop all
timestep 0.002
fix nve all nve
"""
# LAMMPS by name of a world, and the state after its steps
PROGRAM = """
import numpy as np
from mpi4py import MPI
from lammps import lammps
setups = {setups!r}
rank = MPI.COMM_WORLD.rank
def begin(name, comm=MPI.COMM_SELF):
    lmp = lammps(comm=comm, cmdargs=["-log", "none", "-screen", "none"])
    lmp.commands_string(setups[name])
    return lmp
def state(lmp):
    rows = [np.array(lmp.gather_atoms(name, 1, 3)) for name in ("x", "f")]
    return np.concatenate([*rows, [lmp.get_thermo("pe")]])
"""


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    return Bench(tmp_path_factory.mktemp("instances"), MODELS, STRUCTURES)


def archives(models: str) -> str:
    return " ".join(f"{model}.naglass" for model in models)


def run_worlds(bench, program: str, ranks: int = 1) -> dict[str, np.ndarray]:
    """The contents of states.npz after a program that continues from PROGRAM."""
    setups = {
        name: SETUP.format(data=data, archives=archives(models), options=options)
        for name, (data, models, options) in WORLDS.items()
    }
    run_python(bench.folder, PROGRAM.format(setups=setups) + program, ranks)
    return dict(np.load(bench.folder / "states.npz"))


def assert_is_what_the_calculators_give(bench, world: str, state: np.ndarray) -> None:
    data, models, options = WORLDS[world]
    atoms = STRUCTURES[data].copy()
    atoms.set_cell(atoms.cell.standard_form()[0])
    positions, forces = state[:-1].reshape(2, -1, 3)
    assert np.abs(positions - atoms.positions).max() > 1e-3
    atoms.positions = positions
    each = [bench.reference(model, atoms) for model in models]
    single = "float32" in options
    assert_close(state[-1], np.mean([one["energy"] for one in each]), 1e-6 if single else 1e-12)
    assert_close(forces, np.mean([one["f"] for one in each], axis=0), 1e-4 if single else 1e-9)


def test_side_by_side(bench):
    """Three with different models and precision take turns and one ends before the others: each runs as if alone."""
    states = run_worlds(
        bench,
        """
states, together = {}, {name: begin(name) for name in setups}
for turn in range(3):
    for lmp in together.values():
        lmp.command("run 4")
    if turn == 0:
        states["single"] = state(together["single"])
        together.pop("single").close()
states |= {name: state(lmp) for name, lmp in together.items()}
for lmp in together.values():
    lmp.close()
for name in setups:
    lmp = begin(name)
    lmp.command("run 4")
    if name != "single":
        lmp.commands_string("run 4\\nrun 4")
    states["alone " + name] = state(lmp)
    lmp.close()
np.savez("states.npz", **states)
""",
    )
    for world in WORLDS:
        assert np.array_equal(states[world], states[f"alone {world}"])
        assert_is_what_the_calculators_give(bench, world, states[world])


def test_parts_of_the_ranks(bench):
    """Two ranks share one LAMMPS, two others have one each; each runs a different number of steps."""
    states = run_worlds(
        bench,
        """
name, steps, color = [("double", 6, 0), ("double", 6, 0), ("single", 4, 1), ("both", 10, 2)][rank]
comm = MPI.COMM_WORLD.Split(color)
lmp = begin(name, comm)
lmp.command(f"run {steps}")
mine = {name: state(lmp)}
lmp.close()
every = MPI.COMM_WORLD.gather(mine)
if rank == 0:
    np.savez("states.npz", **{name: value for part in every for name, value in part.items()})
""",
        4,
    )
    for world in WORLDS:
        assert_is_what_the_calculators_give(bench, world, states[world])


def test_goes_on_after_an_error(bench):
    """A pair_coeff that fails leaves the model before it in place, for a program that catches the error."""
    states = run_worlds(
        bench,
        """
lmp = begin("double")
try:
    lmp.command("pair_coeff * * b.naglass absent.naglass O Na P V")
except Exception as error:
    assert "absent.naglass: No such file" in str(error), error
    lmp.command("run 5")
    np.savez("states.npz", double=state(lmp))
""",
    )
    assert_is_what_the_calculators_give(bench, "double", states["double"])


AGAIN = {
    # what comes before, what counts
    "dtype": (mace_pair("b", options="dtype float32") + "\nrun 0 post no", mace_pair("a")),
    "single_rank": (mace_pair("a", options="single_rank"), mace_pair("a")),
    "out_file": (
        mace_pair("a", "O Na P V", "out_file none.out out_freq 1").replace("a.nag", "b.naglass a.nag"),
        mace_pair("a") + "\nrun 0 post no",
    ),
    "models": (
        mace_pair("a").replace("a.nag", "b.naglass a.nag") + "\nrun 0 post no",
        "pair_coeff * * a.naglass O Na P V",
    ),
    "other style": (mace_pair("b") + "\nrun 0 post no\npair_style lj/cut 4.0", mace_pair("a")),
    "hybrid": ("pair_style hybrid/overlay mace zero 3.0\npair_coeff * * mace b.naglass O Na P V", mace_pair("a")),
}


def test_set_up_again(bench):
    """Only the last pair_style and pair_coeff count, also after `clear`."""
    cases = {name: script("glass", "\n".join(pairs), before="atom_modify map yes") for name, pairs in AGAIN.items()}
    first = script("more", mace_pair("b", options="dtype float32"), newton="off")["script"]
    cases["clear"] = {"script": first + "clear\n" + script("glass", mace_pair("a"))["script"]}
    expected = bench.reference("a", STRUCTURES["glass"])
    for name, result in bench.run(cases, 2).items():
        assert "error" not in result, (name, result["error"])
        assert_close(result["energy"], expected["energy"], 1e-12)
        assert_close(result["f"], expected["f"], 1e-9)
        assert_close(result["c_energy"][:, 0], expected["energies"], 1e-12)
    assert not (bench.folder / "none.out").exists()


def test_a_style_named_again_needs_its_models_again(bench):
    setup = "units metal\nread_data glass.data\n" + mace_pair("a")
    found = messages(
        bench.folder, setup, {"again": "pair_style mace dtype float32\nrun 0", "twice": mace_pair("b") + "\nrun 0"}
    )
    assert "All pair coeffs are not set" in found["again"] and found["twice"] == "no error"


def test_fix_pair_outlives_other_models(bench):
    """It keeps an address that the pair style provided when it had other models."""
    text = """
units metal
read_data glass.data
pair_style mace
pair_coeff * * a.naglass b.naglass O Na P V
fix deviation all pair 1 mace deviation 1
run 0
pair_coeff * * b.naglass a.naglass O Na P V
dump atoms all custom 1 pair.dump id f_deviation
dump_modify atoms sort id format float %.15g
run 1
"""
    done = run_lammps(bench.folder, text)
    assert done.returncode == 0, done.stdout[-1500:]
    _, table = read_dump(bench.folder / "pair.dump")[-1]
    forces = {model: bench.reference(model, STRUCTURES["glass"])["f"] for model in MODELS}
    assert_close(table[:, 1], deviations(np.array([forces[model] for model in "ba"])), 1e-9)
