"""pair_style mace against mace-torch's own ASE calculator and finite differences, and with other styles."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import mace_models
from support.lammps_runs import PREFIX, environment, run_lammps, write_data
from support.mace_models import ELEMENTS, HEADS, MODELS, build_model
from support.mace_worker import BAR_PER_EV_A3

from naglass_drv.engines.mace.export import export_module
from naglass_drv.engines.mace.modelfile import default_dtype

WORKER = Path(mace_models.__file__).with_name("mace_worker.py")
STRUCTURES = mace_models.structures()
PAIRS = [("residual", s) for s in ("bulk", "triclinic", "small", "corner", "lonely")]
PAIRS += [("zbl", "triclinic"), ("zbl", "core"), ("deep", "triclinic"), ("deep", "corner")]
# model, structure, newton, ranks: all on one and two ranks, the telling ones without newton and on four
CASES = [(*pair, "on", ranks) for pair in PAIRS for ranks in (1, 2)]
CASES += [
    (*pair, "off", ranks) for pair in (("residual", "corner"), ("deep", "triclinic")) for ranks in (1, 2)
]
CASES += [("residual", "corner", "off", 4), ("deep", "triclinic", "on", 4)]

SCRIPT = """
units metal
newton {newton}
processors {grid}
read_data {data}.data
{pair}
compute energy all pe/atom
compute virial all stress/atom NULL virial
compute centroid all centroid/stress/atom NULL virial
thermo_style custom step pe pxx pyy pzz pyz pxz pxy
run 0 post no
"""
MACE = "pair_style mace {options}\npair_coeff * * {model}.naglass {elements}"


def mace_pair(model: str, elements: str = "O Na P V", options: str = "") -> str:
    return MACE.format(model=model, elements=elements, options=options)


def script(data: str, pair: str, newton: str = "on", grid: str = "* * *") -> dict:
    return {"script": SCRIPT.format(data=data, pair=pair, newton=newton, grid=grid)}


class Bench:
    """A folder with models, structures and the results of LAMMPS on them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.models = {}
        with default_dtype("float64"):
            for name, settings in MODELS.items():
                self.models[name] = build_model(**settings)
                export_module(self.models[name], folder / f"{name}.naglass", head=HEADS.get(name))
        for name, atoms in STRUCTURES.items():
            write_data(folder / f"{name}.data", atoms, ELEMENTS)

    def run(self, cases: dict, ranks: int = 1, torch_first: bool = False) -> dict[str, dict[str, np.ndarray]]:
        (self.folder / "cases.json").write_text(json.dumps(cases))
        command = [
            PREFIX / "bin" / "mpirun",
            "-n",
            ranks,
            sys.executable,
            WORKER,
            "cases.json",
            "results.npz",
        ]
        command += ["torch"] * torch_first
        done = subprocess.run(
            [str(word) for word in command],
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        out: dict[str, dict[str, np.ndarray]] = {}
        for key, value in np.load(self.folder / "results.npz").items():
            name, _, quantity = key.rpartition("/")
            out.setdefault(name, {})[quantity] = value
        return out

    def reference(self, model: str, atoms) -> dict[str, np.ndarray]:
        """Energy (eV), forces (eV/Å) and stress (eV/Å³, Voigt order) from mace-torch."""
        from mace.calculators import MACECalculator

        with default_dtype("float64"):
            calculator = MACECalculator(
                models=[self.models[model]], device="cpu", head=HEADS.get(model, "Default")
            )
            atoms = atoms.copy()
            atoms.calc = calculator
            return {
                "energy": atoms.get_potential_energy(),
                "f": atoms.get_forces(),
                "stress": atoms.get_stress(),
                "energies": atoms.get_potential_energies(),
            }


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    return Bench(tmp_path_factory.mktemp("mace"))


@pytest.fixture(scope="module")
def references(bench):
    return {pair: bench.reference(pair[0], STRUCTURES[pair[1]]) for pair in PAIRS}


@pytest.fixture(scope="module")
def matrix(bench):
    """Every case's result."""
    out = {}
    for ranks in (1, 2, 4):
        # ranks in a row along x: the structure `corner` then leaves all but the first without atoms
        cases = {
            f"{model} {structure} {newton}": script(structure, mace_pair(model), newton, f"{ranks} 1 1")
            for model, structure, newton, number in CASES
            if number == ranks
        }
        for name, result in bench.run(cases, ranks, torch_first=ranks == 2).items():
            out[(*name.split(), ranks)] = result
    return out


def assert_close(found, expected, tolerance: float) -> None:
    """Relative to the largest component, as components that vanish by symmetry have no scale of their own."""
    expected = np.asarray(expected)
    assert np.shape(found) == expected.shape
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max() + 1e-14


@pytest.mark.parametrize(("model", "structure", "newton", "ranks"), CASES)
def test_equals_mace_torch(matrix, references, model, structure, newton, ranks):
    result = matrix[model, structure, newton, ranks]
    assert "error" not in result, result["error"]
    expected = references[model, structure]
    assert_close(result["energy"], expected["energy"], 1e-12)
    assert_close(result["f"], expected["f"], 1e-9)
    assert_close(result["stress"], expected["stress"], 1e-9)
    assert_close(result["c_energy"][:, 0], expected["energies"], 1e-12)


@pytest.mark.parametrize(("model", "structure", "newton", "ranks"), [c for c in CASES if c[1] == "triclinic"])
def test_per_atom_virial_sums_to_the_virial(matrix, model, structure, newton, ranks):
    result = matrix[model, structure, newton, ranks]
    for name in ("c_virial", "c_centroid"):
        total = (
            result[name].sum(axis=0)[[0, 1, 2, 5, 4, 3]] / BAR_PER_EV_A3 / STRUCTURES[structure].get_volume()
        )
        assert_close(total, result["stress"], 1e-9)
        assert_close(result[name], matrix[model, structure, "on", 1][name], 1e-9)
    # the antisymmetric part of the nine components is a torque, zero in sum
    nine = result["c_centroid"].sum(axis=0)
    assert_close(nine[6:], nine[3:6], 1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_finite_differences(bench, matrix, model):
    """Central differences of the energy: forces of three atoms, and all six stresses by strain."""
    atoms, step = STRUCTURES["triclinic"], 1e-4
    place = "set atom {} x {:.17g} y {:.17g} z {:.17g}\n"
    moves = [(atom, axis) for atom in (0, 5, 20) for axis in range(3)]
    changes = [
        "".join(place.format(k + 1, *atoms.positions[k]) for k in (0, 5, 20))
        + place.format(atom + 1, *(atoms.positions[atom] + sign * step * np.eye(3)[axis]))
        for atom, axis in moves
        for sign in (1, -1)
    ]
    box = "change_box all x final 0 {:.17g} y final 0 {:.17g} z final 0 {:.17g} "
    box += "xy final {:.17g} xz final {:.17g} yz final {:.17g} remap units box\n"
    home = "".join(place.format(k + 1, *atoms.positions[k]) for k in (0, 5, 20))
    for i, j in [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]:
        for sign in (1, -1):
            strain = np.eye(3)
            # the lower triangle only: LAMMPS' cell stays in its standard orientation
            strain[max(i, j), min(i, j)] += sign * step
            (xx, _, _), (xy, yy, _), (xz, yz, zz) = atoms.cell.array @ strain
            changes.append(home + box.format(xx, yy, zz, xy, xz, yz))
            home = ""
    energies = bench.run({"moved": script("triclinic", mace_pair(model)) | {"changes": changes}})["moved"][
        "energies"
    ]
    slopes = (energies[::2] - energies[1::2]) / (2 * step)
    result = matrix[model, "triclinic", "on", 2]
    assert_close(-slopes[: len(moves)], [result["f"][move] for move in moves], 1e-5)
    assert_close(slopes[len(moves) :] / atoms.get_volume(), result["stress"], 1e-5)


def test_single_precision(bench, matrix):
    cases = {
        model: script("triclinic", mace_pair(model, options="dtype float32")) for model in ("zbl", "deep")
    }
    for model, result in bench.run(cases, 2).items():
        exact = matrix[model, "triclinic", "on", 2]
        assert_close(result["energy"], exact["energy"], 1e-6)
        assert_close(result["f"], exact["f"], 1e-4)
        assert_close(result["stress"], exact["stress"], 1e-4)
        assert np.abs(result["f"] - exact["f"]).max() > 1e-12, "not computed in single precision"


def test_with_other_styles(bench, references):
    """hybrid/overlay adds up; NULL leaves a type to the other style; two types may be one element."""
    head = "pair_style hybrid/overlay mace lj/cut 4.0\npair_coeff * * mace residual.naglass"
    sodium = "pair_coeff 1*2 2 {0} {1} 2.5\npair_coeff 2 3*4 {0} {1} 2.5"
    cases = {
        "lj": script("bulk", "pair_style lj/cut 4.0\npair_coeff * * 0.01 2.5"),
        "overlay": script("bulk", f"{head} O Na P V\npair_coeff * * lj/cut 0.01 2.5"),
        "null": script("bulk", f"{head} O NULL P V\n" + sodium.format("lj/cut", 0.01)),
        "lj sodium": script(
            "bulk", "pair_style lj/cut 4.0\npair_coeff * * 0 2.5\n" + sodium.format("", 0.01)
        ),
        "twice": script("twice", mace_pair("residual", "O Na P V O")),
    }
    atoms = STRUCTURES["bulk"].copy()
    expected = references["residual", "bulk"]
    framework = [atom.index for atom in atoms if atom.symbol != "Na"]
    part = bench.reference("residual", atoms[framework])
    forces = np.zeros((len(atoms), 3))
    forces[framework] = part["f"]
    atoms.symbols[[atom.index for atom in atoms if atom.symbol == "O"][::2]] = "S"
    write_data(bench.folder / "twice.data", atoms, [*ELEMENTS, "S"])
    for ranks in (1, 2):
        found = bench.run(cases, ranks)
        for result in found.values():
            assert "error" not in result, result["error"]
        for key in ("energy", "f", "stress"):
            assert_close(found["overlay"][key], expected[key] + found["lj"][key], 1e-9)
            assert_close(found["twice"][key], expected[key], 1e-9)
        assert_close(found["null"]["energy"], part["energy"] + found["lj sodium"]["energy"], 1e-9)
        assert_close(found["null"]["f"], forces + found["lj sodium"]["f"], 1e-9)


def test_energy_is_conserved_while_atoms_change_ranks(bench):
    """0.1 ps at 2000 K on 2 ranks as a program of its own, with atoms crossing between ranks."""
    (bench.folder / "nve").mkdir()
    write_data(bench.folder / "nve" / "bulk.data", STRUCTURES["bulk"], ELEMENTS)
    text = f"""
units metal
read_data bulk.data
pair_style mace
pair_coeff * * {bench.folder}/zbl.naglass O Na P V
velocity all create 2000 1 loop all
neighbor 0.3 bin
neigh_modify every 1 delay 0 check yes
timestep 0.001
fix 1 all nve
variable id atom id
compute owner all property/atom proc
dump d all custom 100 owner.dump id c_owner
dump_modify d sort id
thermo_style custom step etotal pe
thermo_modify format float %.12g
thermo 10
run 100
"""
    done = run_lammps(bench.folder / "nve", text, 2)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    table = done.stdout.partition("PotEng")[2].partition("Loop time")[0].split()
    rows = np.array(table, dtype=float).reshape(-1, 3)
    assert np.ptp(rows[:, 1]) < 0.01 * np.ptp(rows[:, 2])
    frames = (bench.folder / "nve" / "owner.dump").read_text().split("c_owner")
    owners = [[line.split()[1] for line in frame.splitlines()[1:27]] for frame in frames[1:]]
    assert owners[0] != owners[1], "no atom changed its rank: the run would not show a stale exchange"
