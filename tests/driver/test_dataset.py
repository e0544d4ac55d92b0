"""Frames on disk, their checks, and the split by group."""

import gzip
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given
from hypothesis import strategies as st

from naglass_drv.config.schema import Input
from naglass_drv.dataset.assemble import assemble, statistics
from naglass_drv.dataset.frames import check_labeled, read_frames, read_labeled, shortest_distance_A, write_frames
from naglass_drv.dataset.split import split_by_group
from naglass_drv.dataset.vary import Variation, vary
from naglass_drv.errors import InputError
from naglass_drv.stages import dataset as stage
from naglass_drv.stages import train as train_stage
from naglass_drv.stages.base import Done, Job, Run
from support.labeled import cell

E0 = {"Na": -5.0, "O": -430.0}


def frame(seed: int = 0, group: str = "Na2O-r0", level: str = "gfn1-xtb-0a1b2c") -> Atoms:
    rng = np.random.default_rng(seed)
    atoms = Atoms("Na2O", rng.uniform(0, 5, (3, 3)), cell=[5.0, 5.5, 6.0], pbc=True)
    stress = rng.normal(size=(3, 3))
    atoms.info |= {
        "REF_energy": -441.0 - rng.uniform(),
        "REF_stress": stress + stress.T,
        "charge": 0,
        "multiplicity": 1,
        "level": level,
        "group": group,
        "source": f"reference/{seed}",
    }
    forces = rng.normal(size=(3, 3))
    atoms.arrays["REF_forces"] = forces - forces.mean(axis=0)
    atoms.arrays["REF_spin_mulliken"] = np.zeros(3)
    return atoms


@pytest.mark.parametrize("name", ["frames.extxyz", "frames.extxyz.gz"])
def test_frames_come_back_as_they_were(tmp_path, name):
    path = tmp_path / name
    written = [frame(k) for k in range(3)]
    written[0].set_array("ion", np.array(["Na+", "Na+", "O2-"]))
    assert write_frames(path, written)
    for before, after in zip(written, read_labeled(path), strict=True):
        assert after.get_chemical_formula() == before.get_chemical_formula()
        np.testing.assert_allclose(after.positions, before.positions, atol=1e-8)
        np.testing.assert_allclose(after.arrays["REF_forces"], before.arrays["REF_forces"], atol=1e-8)
        np.testing.assert_allclose(after.info["REF_stress"], before.info["REF_stress"], rtol=1e-14)
        assert after.info["REF_energy"] == before.info["REF_energy"]
        assert after.info["group"] == before.info["group"] and after.info["multiplicity"] == 1
    assert read_frames(path)[0].arrays["ion"].tolist() == ["Na+", "Na+", "O2-"]
    assert not write_frames(path, written), "a file with the same content must stay untouched"
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_bad_file_is_named_with_frame_and_line(tmp_path):
    path = tmp_path / "cut.extxyz"
    write_frames(path, [frame(0), frame(1)])
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    with pytest.raises(InputError, match=r"cut\.extxyz: frame 1 \(line 6\): .* ends after 2 of 3 atoms"):
        read_frames(path)
    path.write_text("".join(lines[:5]) + "many\n")
    with pytest.raises(InputError, match=r"frame 1 \(line 6\): 'many' is not a number of atoms"):
        read_frames(path)
    lines[7] = lines[7].replace("Na", "Qq", 1)
    path.write_text("".join(lines))
    with pytest.raises(InputError, match=r"frame 1 \(line 6\): not a frame of extended XYZ .*Qq"):
        read_frames(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "contains no frames"),
        (b"\x80\x81\x82\x83" * 100, "cannot be read"),
        (b"1\n" + b"x" * 2_000_000, "longer than"),
        (b"99999999999999999999\n", "not a number of atoms"),
        (b"-1\n\n", "not a number of atoms"),
        (b'1\nLattice="1 0 0 0 1 0 0 0 nan"\nH 0 0 0\n', "Lattice"),
        (b'1\nLattice="1 0 0 1 0 0 0 0 1"\nH 0 0 0\n', "no volume"),
        (b"1\nProperties=species:S:1:pos:R:3\nH 0 inf 0\n", "not finite"),
        (b"1\nProperties=species:S:1:pos:Q:3\nH 0 0 0\n", "not a frame"),
    ],
)
def test_hostile_files_are_refused(tmp_path, content, reason):
    path = tmp_path / "hostile.xyz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason):
        read_frames(path)


def test_a_damaged_archive_and_a_missing_file_are_refused(tmp_path):
    path = tmp_path / "cut.extxyz.gz"
    path.write_bytes(gzip.compress(b"3\n" * 1000)[:-20])
    with pytest.raises(InputError, match="cut.extxyz.gz"):
        read_frames(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_frames(tmp_path / "absent.extxyz")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda a: a.info.update(REF_energy=float("nan")), "REF_energy is nan"),
        (lambda a: a.info.update(multiplicity=2), "multiplicity 2.*30 electrons"),
        (lambda a: a.info.update(level=123), "level is 123; must be text"),
        (lambda a: a.info.pop("group"), "group is None"),
        (lambda a: a.arrays.pop("REF_forces"), "no REF_forces"),
        (lambda a: a.arrays.update(REF_forces=np.zeros(3)), "REF_forces: has shape"),
        (lambda a: a.arrays["REF_forces"].__setitem__((1, 2), np.inf), r"not finite at index \[1, 2\]"),
        (lambda a: a.info.update(REF_stress=np.zeros(6)), "REF_stress: has shape"),
        (lambda a: a.arrays.update(REF_spin_mulliken=np.array(["a", "b", "c"])), "REF_spin_mulliken"),
    ],
)
def test_a_frame_outside_the_convention_is_refused(spoil, reason):
    bad = frame()
    check_labeled(bad, "set.extxyz: frame 4")
    spoil(bad)
    with pytest.raises(InputError, match=f"set.extxyz: frame 4.*{reason}"):
        check_labeled(bad, "set.extxyz: frame 4")


@given(
    groups=st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=60),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_split_never_cuts_a_group(groups, fraction, seed):
    split = split_by_group(groups, fraction, seed)
    assert sorted(split.train + split.test) == list(range(len(groups)))
    assert not {groups[i] for i in split.train} & {groups[i] for i in split.test}
    assert split.train
    assert bool(split.test) == (len(set(groups)) > 1)
    assert split == split_by_group(groups, fraction, seed)


def test_a_split_comes_near_the_wish_and_says_when_it_cannot():
    groups = [f"g{k // 5}" for k in range(100)]
    for seed in range(5):
        assert len(split_by_group(groups, 0.2, seed).test) == 20
    assert len({split_by_group(groups, 0.2, seed).test for seed in range(5)}) > 1
    alone = split_by_group(["a"] * 5, 0.2, 1)
    assert alone.test == () and "only one group" in alone.note


def test_known_groups_are_never_held_out():
    groups = ["old"] * 8 + ["new"] * 2 + ["newer"] * 2
    for seed in range(5):
        split = split_by_group(groups, 0.5, seed, known={"old", "elsewhere"})
        assert {groups[i] for i in split.test} in ({"new"}, {"newer"}), "half of what is new, and some is trained on"
    nothing_new = split_by_group(groups, 0.5, 1, known=set(groups))
    assert nothing_new.test == () and "no new group" in nothing_new.note


def test_groups_held_out_before_stay_so_beside_some_of_the_new():
    groups = ["held"] * 3 + ["old"] * 8 + [f"n{k // 4}" for k in range(16)]
    for seed in range(5):
        split = split_by_group(groups, 0.25, seed, known={"old"}, held_out={"held", "elsewhere"})
        out = {groups[i] for i in split.test}
        assert "held" in out and "old" not in out and len(out) == 2, "a quarter of the new groups"
    none_new = split_by_group(groups[:11], 0.25, 1, known={"old"}, held_out={"held"})
    assert none_new.test == (0, 1, 2)
    both = split_by_group(groups[:11], 0.25, 1, known={"old", "held"}, held_out={"held"})
    assert both.test == (), "what a start model has seen is no independent test"


def test_labels_of_a_structure_that_differ_are_compared():
    again = frame(1)
    again.info["REF_energy"] += 0.003 * len(again)
    again.arrays["REF_forces"][2, 1] -= 0.02
    merged = assemble("gfn1-xtb", {"a": [frame(0), frame(1)], "b": [again, frame(0)]}, {"E0.json": E0})
    assert merged.copies == 2 and merged.repeated == {
        "frames": 1, "energy_meV_per_atom": pytest.approx(3.0), "forces_meV_per_A": pytest.approx(20.0),
    }  # fmt: skip
    assert merged.frames[1].info["REF_energy"] == frame(1).info["REF_energy"], "the first one counts"
    assert assemble("gfn1-xtb", {"a": [frame(0)], "b": [frame(0)]}, {"E0.json": E0}).repeated is None
    same = frame(0)
    same.info["source"] = "elsewhere"
    equal = assemble("gfn1-xtb", {"a": [frame(0)], "b": [same]}, {"E0.json": E0}).repeated
    assert equal == {"frames": 1, "energy_meV_per_atom": 0.0, "forces_meV_per_A": 0.0}


def test_levels_are_not_mixed_and_copies_are_dropped():
    files = {"a.extxyz": [frame(0), frame(1)], "b.extxyz": [frame(1), frame(2)]}
    merged = assemble("gfn1-xtb", files, {"E0.json": E0})
    assert len(merged.frames) == 3 and merged.copies == 1
    others = {"gfn1-xtb-77aa": r"level .* of a\.extxyz: frame 0", "pbe+u+d3-77aa": "level gfn1-xtb of the dataset"}
    for other, reason in others.items():
        files["b.extxyz"][1].info["level"] = other
        with pytest.raises(
            InputError, match=rf"b\.extxyz: frame 1: level {re.escape(other)} cannot be mixed with {reason}"
        ):
            assemble("gfn1-xtb", files, {"E0.json": E0})
    with pytest.raises(InputError, match=r"a: frame 0: dataset\.level gfn1-xtb-0a1b2c: must be .* its hash, gfn1-xtb$"):
        assemble("gfn1-xtb-0a1b2c", {"a": [frame(0)]}, {"E0.json": E0})


def test_elements_with_other_settings_are_not_mixed():
    files = {"a.extxyz": [frame(0)], "b.extxyz": [frame(1), frame(2)]}
    for atoms, kinds in zip(
        [f for part in files.values() for f in part], ("Na-h1 P-h2", "P-h2 V-h3", "V-h4"), strict=True
    ):
        atoms.info["kinds"] = kinds
    with pytest.raises(
        InputError, match=r"b\.extxyz: frame 1: .* of V \(V-h4\) differ from those of b\.extxyz: frame 0"
    ):
        assemble("gfn1-xtb", files, {"E0.json": E0})
    del files["b.extxyz"][1].info["kinds"]
    assert len(assemble("gfn1-xtb", files, {"E0.json": E0}).frames) == 3
    # the same name stands for other numbers in another CP2K
    files["a.extxyz"][0].info |= {"cp2k_data": "Na-h1 P-h2", "program": "CP2K 2023.1"}
    files["b.extxyz"][0].info |= {"cp2k_data": "Na-h9 P-h2", "program": "CP2K 2025.1"}
    words = (
        r"b\.extxyz: frame 0: .* data files .* of Na \(Na-h9\) .* "
        r"\(CP2K 2025.1 here, CP2K 2023.1 there\): they cannot be mixed"
    )
    with pytest.raises(InputError, match=words):
        assemble("gfn1-xtb", files, {"E0.json": E0})


def test_isolated_atoms_give_their_energy_and_are_not_trained_on():
    atoms = []
    for element, energy in E0.items():
        atom = frame()[[0]]
        atom.symbols[:] = element
        atom.info |= {"REF_energy": energy, "config_type": "IsolatedAtom"}
        atoms.append(atom)
    merged = assemble("gfn1-xtb", {"a": [frame(0), *atoms]}, {})
    assert merged.e0_eV == E0 and len(merged.frames) == 1
    with pytest.raises(InputError, match="energy of Na is -5.100000 eV, but -5.000000 eV in E0.json"):
        atoms[0].info["REF_energy"] = -5.1
        assemble("gfn1-xtb", {"a": [frame(0), *atoms]}, {"E0.json": {"Na": -5.0}})
    with pytest.raises(InputError, match="no isolated-atom energy for Na, O"):
        assemble("gfn1-xtb", {"a": [frame(0)]}, {})


def test_frames_above_the_force_ceiling_are_left_out_and_listed():
    wild = frame(1)
    wild.arrays["REF_forces"][:2] = [[0, 60, 80], [0, -60, -80]]
    merged = assemble("gfn1-xtb", {"a": [frame(0), wild]}, {"E0": E0}, max_force_eV_per_A=99.9)
    assert [f.info["source"] for f in merged.frames] == ["reference/0"]
    assert merged.left_out == ({"source": "reference/1", "largest_force_eV_per_A": pytest.approx(100)},)
    assert len(assemble("gfn1-xtb", {"a": [frame(0), wild]}, {"E0": E0}, 100.1).frames) == 2
    with pytest.raises(InputError, match="no training frames in a"):
        assemble("gfn1-xtb", {"a": [wild]}, {"E0": E0}, 99.9)


def test_statistics_follow_their_definitions():
    frames = [frame(0, "g0"), frame(1, "g1"), frame(2, "g2")]
    dataset = assemble("gfn1-xtb", {"a": frames}, {"E0": E0})
    summary = statistics(dataset, split_by_group([f.info["group"] for f in frames], 0.34, 3))
    (held,) = [f for f in frames if [f.info["group"]] == summary["test"]["groups"]]
    atomization = (held.info["REF_energy"] - 2 * E0["Na"] - E0["O"]) / 3
    assert summary["test"]["atomization_energy_mean_eV_per_atom"] == pytest.approx(atomization)
    assert summary["test"]["shortest_distance_A"] == pytest.approx(shortest_distance_A(held))
    distances = held.get_all_distances(mic=True)
    assert shortest_distance_A(held) == pytest.approx(min(distances[np.triu_indices(3, 1)].min(), 5.0))
    assert summary["train"]["frames"] == 2 and summary["groups"] == {"g0": 1, "g1": 1, "g2": 1}


def test_variations_are_seeded_and_within_their_range():
    structure = frame()
    how = Variation(rattle_A=0.05, strain_percent=(-2.0, 3.0))
    copies = vary(structure, 40, how, seed=7)
    np.testing.assert_array_equal(copies[0].positions, structure.positions)
    for few, many in zip(vary(structure, 3, how, seed=7), copies[:3], strict=True):
        np.testing.assert_array_equal(few.positions, many.positions)
    ratios = np.array([copy.cell.lengths() / structure.cell.lengths() for copy in copies[1:]])
    assert ratios.min() >= 0.98 and ratios.max() <= 1.03
    volumetric = np.ptp(ratios, axis=1) < 1e-12
    assert volumetric[::2].all() and not volumetric[1::2].any()
    np.testing.assert_allclose([copy.cell.angles() for copy in copies], 90.0)
    moved = (
        np.concatenate(
            [c.get_scaled_positions(wrap=False) - structure.get_scaled_positions(wrap=False) for c in copies[1:]]
        )
        * structure.cell.lengths()
    )
    assert 0.03 < moved.std() < 0.06


def make_run(folder: Path, include: list[str], **more) -> Run:
    content = {
        "name": "t",
        "system": {"composition": {"Na": 2, "O": 1}, "density_g_cm3": 2.0},
        "dataset": {"level": "gfn1-xtb", "include": include, "test_fraction": 0.4} | more,
    }
    input = Input.model_validate_json(json.dumps(content))
    return Run(input=input, source=folder, folder=folder / "run")


class OneRank:
    def Get_rank(self) -> int:
        return 0


def run_task(run: Run) -> Done:
    (task,) = stage.plan(run)
    folder = run.folder / "task"
    folder.mkdir(parents=True, exist_ok=True)
    job = Job(task, folder, None, OneRank(), lambda *a: None, lambda: False, lambda *a, **k: 0, {})
    return Done(task, folder, stage.run(job))


def test_the_stage_writes_products_once(tmp_path):
    atoms = [frame(k, group=f"Na2O-r{k % 3}") for k in range(9)]
    for number, (_element, energy) in enumerate(E0.items()):
        atom = frame()[[2 * number]]
        atom.info |= {"REF_energy": energy, "config_type": "IsolatedAtom", "multiplicity": 2 + number}
        atoms.append(atom)
    write_frames(tmp_path / "start.extxyz.gz", atoms)
    run = make_run(tmp_path, ["start.extxyz.gz"])
    done = run_task(run)
    stage.collect(run, [done])
    products = run.products / "dataset"
    train, test = read_labeled(products / "train.extxyz"), read_labeled(products / "test.extxyz")
    assert len(train) + len(test) == 9 and len(test) == 3
    assert json.loads((products / "dataset.json").read_text())["E0_eV"] == E0
    before = {path: path.stat().st_mtime_ns for path in products.iterdir()}
    stage.collect(run, [done])
    assert {path: path.stat().st_mtime_ns for path in products.iterdir()} == before


@pytest.mark.parametrize("drop", [False, True])
def test_the_stage_audits_and_drops_only_on_demand(tmp_path, drop):
    atoms = [cell(("Na2O", "NaO")[k % 2], k, level="gfn1-xtb-0a1b2c", group=f"g{k % 3}") for k in range(12)]
    atoms[4].info["REF_energy"] += 5.0
    for element, energy in E0.items():
        atoms.append(cell(element, level="gfn1-xtb-0a1b2c", REF_energy=energy, config_type="IsolatedAtom"))
    write_frames(tmp_path / "start.extxyz", atoms)
    run = make_run(tmp_path, ["start.extxyz"], drop_outliers=drop)
    done = run_task(run)
    stage.collect(run, [done])
    products = run.products / "dataset"
    written = read_labeled(products / "train.extxyz") + read_labeled(products / "test.extxyz")
    found = json.loads((products / "audit.json").read_text())
    assert [(f["check"], f["source"]) for f in found["findings"]] == [("energy", "made/Na2O-4")]
    assert found["E0_eV"] == E0
    assert done.summary["audit"]["energy"] == 1 and len(written) == 12 - drop
    assert done.summary["dropped"] == ([{"source": "made/Na2O-4", "checks": ["energy"]}] if drop else [])
    assert ("made/Na2O-4" in {frame.info["source"] for frame in written}) is not drop


def test_the_stage_takes_the_frames_that_lie_farthest_apart(tmp_path):
    start = cell("Na2O", 1, level="gfn1-xtb-0a1b2c")
    atoms = []
    for k, shift in enumerate((0.0, 0.001, 0.002, 1.0, 1.001, 0.5)):
        atoms.append(start.copy())
        atoms[-1].positions[0, 0] += shift
        atoms[-1].info |= {"source": f"s{k}", "group": f"g{k}"}
    for element, energy in E0.items():
        atoms.append(cell(element, level="gfn1-xtb-0a1b2c", REF_energy=energy, config_type="IsolatedAtom"))
    write_frames(tmp_path / "start.extxyz", atoms)
    run = make_run(tmp_path, ["start.extxyz"], max_frames=3, audit={"near_copy_A": 0.0})
    summary = run_task(run).summary
    train = read_labeled(run.folder / "task" / "train.extxyz") + read_labeled(run.folder / "task" / "test.extxyz")
    chosen = {frame.info["source"] for frame in train}
    assert "s5" in chosen and len(chosen & {"s0", "s1", "s2"}) == len(chosen & {"s3", "s4"}) == 1
    assert (summary["selection"]["of"], summary["selection"]["chosen"], summary["frames"]) == (6, 3, 3)
    assert run_task(make_run(tmp_path, ["start.extxyz"], max_frames=6)).summary["selection"] is None


def test_a_large_dataset_is_written_as_shards_that_the_training_finds(tmp_path):
    atoms = [cell("Na2O", k, level="gfn1-xtb-0a1b2c", group=f"g{k % 3}") for k in range(9)]
    for element, energy in E0.items():
        atoms.append(cell(element, level="gfn1-xtb-0a1b2c", REF_energy=energy, config_type="IsolatedAtom"))
    write_frames(tmp_path / "start.extxyz", atoms)
    products = tmp_path / "run" / "products" / "dataset"
    for per_file, names in ((4, ["test.extxyz", "train-00000.extxyz", "train-00001.extxyz", "train.json"]),
                            (9, ["test.extxyz", "train.extxyz"])):  # fmt: skip
        run = make_run(tmp_path, ["start.extxyz"], frames_per_file=per_file)
        product = stage.collect(run, [run_task(run)])
        assert sorted(path.name for path in products.glob("t*")) == names
        training = Input.model_validate_json(json.dumps(run.input.model_dump(mode="json") | {"train": {"epochs": 1}}))
        takes = {"dataset": product}
        (task,) = train_stage.plan(Run(training, tmp_path, tmp_path / "run", takes))
        assert {role: path.name for role, path in task.inputs.items()} == {"train": names[-1], "test": "test.extxyz"}
        assert len(read_labeled(task.inputs["train"])) == 6
        shutil.rmtree(tmp_path / "run" / "task")


def test_the_stage_refuses_another_level_and_nothing_at_all(tmp_path):
    write_frames(tmp_path / "start.extxyz", [frame(0, level="pbe+u+d3-77aa")])
    with pytest.raises(InputError, match=r"start\.extxyz: frame 0: level pbe\+u\+d3-77aa"):
        run_task(make_run(tmp_path, ["start.extxyz"]))
    run = make_run(tmp_path, [])
    with pytest.raises(InputError, match="no included files"):
        stage.plan(run)
