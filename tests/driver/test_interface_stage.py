"""The stage `interface`: what is refused before anything runs, and a real quench against a slab."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from ase.io import read, write

from naglass_drv.core import neighbors
from naglass_drv.interface.crystal import read_crystal
from naglass_drv.stages import interface_start
from support.jobs import called, killed_at, naglass

EXAMPLES = Path(__file__).parents[2] / "examples"
CRYSTALS = Path(__file__).parents[1] / "data" / "crystals"
INPUT = """
name: against
seed: 2
system: {composition: {Na: 4, V4+: 2, P: 4, O: 16}, density_g_cm3: 2.7}
glass: {melt_ps: 0.5, quench_rate_K_per_ps: 4000, hold_ps: 0.2}
interface:
  crystal: nvp.cif
  cell_A: file
  hkl: [0, 0, 1]
  crystal_A: 10
  glass_A: 14
  lateral_A: 8
"""


@pytest.fixture
def folder(tmp_path):
    shutil.copy(CRYSTALS / "NVP_R-3c_Na3_ewald_ordered.cif", tmp_path / "nvp.cif")
    return tmp_path


def validated(folder, text):
    (folder / "input.yaml").write_text(text)
    return called("validate", "input.yaml", cwd=folder)


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("[0, 0, 1]", "[0, 0, 0]", "interface.hkl: 0 0 0 is no plane"),
        ("[0, 0, 1]", "[0, 0]", "interface.hkl: must be three whole numbers, as in [1, 0, 4], not [0, 0]"),
        ("[0, 0, 1]", "[]", "interface.hkl: must be three whole numbers, as in [1, 0, 4], not []"),
        ("lateral_A: 8", "termination: 9", "interface.hkl: termination 9: hkl 0 0 1 has 0 to 2"),
        ("nvp.cif", "absent.cif", "interface.crystal"),
        ("nvp.cif", "input.yaml", "interface.crystal: "),
        ("lateral_A: 8", "release_K: 4000", "interface.release_K: 4000 K is not between"),
        ("lateral_A: 8", "lateral_A: 1", "interface.lateral_A: must be from 5 to 1000"),
        ("glass: {", "nothing: {", "there is no glass section"),
        ("lateral_A: 8", "route: join", "interface.route: the glass of 7.07 × 7.07 Å does not match the slab of"),
    ],
)
def test_bad_input_is_named_before_anything_runs(folder, old, new, said):
    found = validated(folder, INPUT.replace(old, new))
    assert found.returncode == 2 and re.search(r"input\.yaml:\d+: ", found.stderr) and said in found.stderr


START = EXAMPLES / "quickstart" / "start" / "model.mace"
MD = f"""
md: {{structures: interface, model: {START}, temperatures_K: [300], time_ps: 1}}
"""


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("", "", "interface: crystal 10.0 Å: thinner than twice the receptive field of the model, 2 × 2 layers × 5 Å"),
        ("time_ps: 1}", "time_ps: 1, replicate: [1, 1, 2]}", "md.replicate: 2 cells along z have more than two"),
    ],
)
def test_what_md_asks_of_an_interface_is_checked(folder, old, new, said):
    found = validated(folder, INPUT + MD.replace(old, new))
    assert found.returncode == 2 and said in found.stderr


def test_a_glass_that_only_a_model_can_make_is_refused(folder):
    """The model of the glass knows Al; the interface is made with rigid ions."""
    text = INPUT.replace("{Na: 4, V4+: 2, P: 4, O: 16}", "{Na: 1, Al: 1, P: 2, O: 7}")
    found = validated(folder, text.replace("glass: {", "glass: {protocol: nvt-100, model: m.mace, "))
    assert found.returncode == 2 and "system.composition: composition: no Pedone parameters for Al3+" in found.stderr


MELTING = "melting: {temperature_K: [1180, 15], heat_eV_per_atom: [0.12, 0.01]}"
SEED = INPUT.partition("  hkl:")[0] + "  seed: {radius_A: [4.0, 4.5], width_A: 20}\n"


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("  seed: ", "  hkl: [0, 0, 1]\n  seed: ", "interface.hkl: is the plane of a slab; a seed has a direction"),
        ("  seed: {radius_A: [4.0, 4.5], width_A: 20}\n", "", "interface: needs hkl, the plane of a slab, or a seed"),
        ("width_A: 20", "width_A: 18", "interface.seed: the seed is 9.7 Å in diameter (radius 4.86 Å in whole formula"),
        (
            "width_A: 20",
            MELTING.replace("[1180, 15]", "1180"),
            "melting.temperature_K: must be a value and its standard error, as in [1180, 15], not 1180",
        ),
        ("width_A: 20", "direction: [0, 0, 0]", "interface.seed.direction: 0 0 0 is no direction"),
        ("[4.0, 4.5]", "[4.0, 4.0]", "interface.seed.radius_A: lists 4.0 more than once"),
        ("[4.0, 4.5]", "[2.0]", "interface.seed: radius 2 Å: holds no Na3V2P3O12"),
        ("width_A: 20", "shape: cube", "interface.seed.shape"),
        ("width_A: 20}", "width_A: 20}\n  route: join", "interface.seed: the seed is 7.7 Å in diameter"),
        (
            "width_A: 20",
            MELTING,
            "seed.melting: the glass, Na2VP2O8, has another composition than the crystal, Na3V2P3O12",
        ),
        ("width_A: 20}", "width_A: 20}\n  crystal_A: 30", "interface.crystal_A: has no effect: it is of a slab"),
        ("width_A: 20}", "width_A: 20}\n  e_excess: true", "interface.e_excess: has no effect: it is of a slab"),
        ("[4.0, 4.5]", "[4.0, 4.0000001]", "interface.seed.radius_A[1]: 4.0000001 and 4.0 are the same to six digits"),
        ("width_A: 20", f"shape: cylinder, {MELTING}", "interface.seed.melting: nucleation theory is that of a sphere"),
    ],
)
def test_bad_seeds_are_named_before_anything_runs(folder, old, new, said):
    found = validated(folder, SEED.replace(old, new))
    assert found.returncode == 2 and said in found.stderr


def test_copies_of_a_seed_are_refused_and_its_tasks_forecast(folder):
    md = f"md: {{structures: interface, model: {START}, temperatures_K: [300, 600], time_ps: 1, draws: 3}}\n"
    copies = validated(folder, SEED + md.replace("draws: 3", "replicate: [2, 1, 1]"))
    assert "md.replicate: copies of a cell with a seed have several" in copies.stderr
    found = validated(folder, SEED.replace("hold_ps", "replicas: 2, hold_ps") + md)
    assert found.returncode == 0, found.stderr
    assert "interface: 4 glass" in found.stdout or "4 glasses against" in found.stdout
    assert "24 trajectories" in found.stdout


def test_temperatures_at_which_no_seed_grows_are_named(folder):
    md = f"md: {{structures: interface, model: {START}, temperatures_K: [900, 1180], time_ps: 1}}\n"
    found = validated(folder, SEED.replace("width_A: 20", f"width_A: 20, {MELTING}") + md)
    assert "md.temperatures_K[1]: 1180 K is not below interface.seed.melting.temperature_K, 1180 K" in found.stderr
    assert "md.temperatures_K[0]" not in found.stderr


def test_a_cylinder_is_forecast_with_its_own_length(folder):
    """A square of 40 Å over 20 Å has half the atoms of the cube."""
    atoms = []
    for shape in ("sphere", "cylinder"):
        found = validated(folder, SEED.replace("width_A: 20", f"width_A: 40, shape: {shape}"))
        atoms.append(int(re.search(r"crystal of about (\d+) atoms", found.stdout)[1]))
    assert atoms[0] == pytest.approx(2 * atoms[1], abs=1)


@pytest.mark.slow
@pytest.mark.parametrize("shape, direction", [("sphere", [0, 1, 2]), ("cylinder", [0, 0, 1])])
def test_a_seed_is_quenched_into_its_glass(folder, shape, direction):
    seed = f"{{radius_A: [4.5], width_A: 20, shape: {shape}, direction: {direction}}}"
    (folder / "input.yaml").write_text(SEED.replace("{radius_A: [4.0, 4.5], width_A: 20}", seed))
    made = naglass("run", "input.yaml", cwd=folder)
    assert made.returncode == 0, made.stderr
    products = folder / "run" / "products" / "interface"
    atoms, bulk = read(products / "s0-r4.5.extxyz"), read(products / "s0-r4.5-crystal.extxyz")
    facts = json.loads((products / "s0-r4.5-facts.json").read_text())
    crystal = atoms.arrays["phase"] == 1
    assert crystal.sum() == 20 * facts["crystal_units"] and not facts["checks"]["sides"]["crystal"]["excess"]
    a, b, c = atoms.cell.lengths()
    assert a == pytest.approx(b) and (a == pytest.approx(c)) == (shape == "sphere")
    if shape == "cylinder":
        assert c == pytest.approx(facts["length_A"])
    # the crystal of the analysis stands as the seed does: z is the normal of its planes, or its axis
    normal = np.linalg.inv(bulk.cell.array) @ direction if shape == "sphere" else np.array(direction) @ bulk.cell.array
    assert normal[2] == pytest.approx(np.linalg.norm(normal))


def settings(**others) -> interface_start.Settings:
    given = {
        "hkl": (0, 1, 2), "termination": 1, "route": "melt", "crystal_A": 5, "glass_A": 8, "lateral_A": 8, "gap_A": 1,
        "release_K": 900, "composition": {"Na": 1, "P": 1, "O": 3}, "density_g_cm3": 2.4, "seed": 1,
        "melt_temperature_K": 3000, "melt_ps": 7, "quench_rate_K_per_ps": 1000, "final_temperature_K": 300,
        "hold_ps": 1, "timestep_fs": 1,
    }  # fmt: skip
    return interface_start.Settings(**given | others)


def test_a_glass_that_is_joined_is_annealed_below_melting(folder):
    cell, _ = interface_start.build({"crystal": folder / "nvp.cif"}, settings())
    write(folder / "start.extxyz", cell.atoms)
    joined = interface_start.variables(folder, settings(route="join"))
    assert (joined["melt_K"], joined["melt_ps"], joined["release_K"]) == (900, 7, 900)
    assert interface_start.variables(folder, settings())["melt_K"] == 3000


def test_the_number_of_a_cut_means_the_same_in_every_replica(folder):
    """Its energy is that of disordered Na, whose arrangement a seed would change."""
    path = folder / "disordered.extxyz"
    given = {"Na": 3, "V3+": 2, "P": 3, "O": 12}
    write(path, read_crystal(CRYSTALS / "NVP_R-3c_hex_allNa.cif", given).atoms)
    one, other = (interface_start.build({"crystal": path}, settings(seed=seed))[0].facts for seed in (1, 2))
    assert one["termination"] == other["termination"]


def test_md_of_an_interface_needs_one(folder):
    text = (
        INPUT.partition("interface:")[0]
        + "md: {structures: interface, model: m.mace, temperatures_K: [300], time_ps: 1}"
    )
    found = validated(folder, text)
    assert found.returncode == 2 and "md.structures: there is no interface section" in found.stderr


def test_a_crystal_without_parameters_is_named(folder):
    shutil.copy(CRYSTALS / "NVPF_P42mnm_allNa.cif", folder / "nvp.cif")
    found = validated(folder, INPUT)
    assert found.returncode == 2 and "no Pedone parameters for V2+, F-" in found.stderr


@pytest.mark.slow
def test_a_quench_leaves_the_crystal_and_makes_a_glass_beside_it(folder):
    (folder / "input.yaml").write_text(INPUT.replace("cell_A: file", "cell_A: [8.8, 8.8, 21.6]"))
    made = naglass("run", "input.yaml", cwd=folder)
    assert made.returncode == 0, made.stderr
    products = folder / "run" / "products" / "interface"
    atoms = read(products / "i0.extxyz")
    quench = json.loads((products / "i0-quench.json").read_text())
    # the slab, which is held, does not count as cold
    assert 2400 < np.mean(quench["temperature_K"][:15]) < 3600
    facts = json.loads((products / "i0-facts.json").read_text())
    crystal = atoms.arrays["phase"] == 1
    assert facts["crystal_formula"] == "Na3V2P3O12" and facts["route"] == "melt"
    assert {"left", "entered"} <= set(facts["exchanged"]) and "P" not in facts["exchanged"]["left"]
    charge = {"Na+": 1, "V3+": 3, "V4+": 4, "P5+": 5, "O2-": -2}
    for side in (crystal, ~crystal):
        assert sum(charge[ion] for ion in atoms.arrays["ion"][side]) == 0
    # every P of the slab keeps its four oxygens through the quench and the release
    pairs = neighbors(atoms, 2.0)
    symbols = np.array(atoms.get_chemical_symbols())
    bonded = (symbols[pairs.i] == "P") & (symbols[pairs.j] == "O")
    of_each = np.bincount(pairs.i[bonded], minlength=len(atoms))
    assert (of_each[(symbols == "P") & crystal] == 4).all()
    # by the step before it, in the cell that is given
    assert read(products.parent / "crystal" / "nvp.extxyz").cell.lengths() == pytest.approx([8.8, 8.8, 21.6])
    assert sorted(atoms.cell.lengths()[:2] / 8.8) == pytest.approx([1.0, 3**0.5])
    bulk = read(products / "i0-crystal.extxyz")
    assert bulk.cell.array[2, 2] == pytest.approx(facts["crystal_A"]) and len(bulk) == crystal.sum()
    assert json.loads((products / "excess.json").read_text()) == {"reason": "1 replica, 3 are needed"}
    # sites of the crystal stay where they were to within vibrations, relative to their center
    (attempt,) = (folder / "run" / "tasks" / "interface" / "i0").glob("attempt-*")
    moved = atoms.positions[crystal] - read(attempt / "start.extxyz").positions[crystal]
    moved -= atoms.cell.array[2] * np.rint(moved[:, 2] / atoms.cell[2, 2])[:, None]
    lateral = atoms.cell.array[:2]
    moved -= np.rint(moved[:, :2] @ np.linalg.inv(lateral[:, :2])) @ lateral
    metals = symbols[crystal] == "V"
    moved -= moved[metals].mean(axis=0)
    assert np.linalg.norm(moved[metals], axis=1).mean() < 1.0


@pytest.mark.slow
@pytest.mark.mpi
def test_killed_in_the_quench_it_ends_with_the_same_cell(folder):
    (folder / "input.yaml").write_text(INPUT)
    whole = naglass("run", "input.yaml", "--folder", "whole", cwd=folder)
    assert whole.returncode == 0, whole.stderr
    killed_at(folder, "tasks/interface/i0/attempt-*/segments/segment-0002.restart")
    again = naglass("run", "input.yaml", cwd=folder)
    assert again.returncode == 0, again.stderr
    one, other = ((folder / name / "products" / "interface" / "i0.extxyz").read_bytes() for name in ("whole", "run"))
    assert one == other
