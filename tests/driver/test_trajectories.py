"""Stage `reference`: trajectories, relaxations and the electronic analysis of frames, with a stand-in for CP2K."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from driver.test_reference import CELL, CP2K_DATA, DATA, make_run, run_task
from naglass_drv.analysis.electronic import spin_pattern
from naglass_drv.analysis.wannier import assign
from naglass_drv.config.load import load
from naglass_drv.dataset.frames import read_frames, read_labeled, write_frames
from naglass_drv.engines.cp2k.parse.electronic import read_wannier
from naglass_drv.errors import InputError, TaskFailed
from naglass_drv.runtime.failure import outcome_of
from naglass_drv.stages import reference
from support import cp2k_stand_in, taken

pytestmark = pytest.mark.cp2k

RECORDED = DATA / "cp2k" / "x_md"
AIMD = {"every_fs": 2, "segments": [{"temperature_K": 900, "time_ps": 0.006}, {"temperature_K": 300, "time_ps": 0.004}]}


def site(folder: Path, *rules: dict) -> dict:
    program = cp2k_stand_in.install(folder / "bin", *rules)
    return {"cp2k": str(program), "cp2k_data": CP2K_DATA, "launcher": None, "threads": 1}


def trajectory(folder: Path, *rules: dict, asked_for: int | None = None, **section):
    run = make_run(folder, {"aimd": AIMD} | section, site=site(folder, *rules))
    (task,) = reference.plan(run)
    if asked_for is not None:
        task.settings["frame"]["info"]["multiplicity"] = asked_for
    return run, task, run_task(run, task)


def test_a_trajectory_gives_its_frames_to_the_set(tmp_path):
    run, task, done = trajectory(tmp_path, {"dynamics": RECORDED})
    assert task.name == "a-mol8s-v0"
    assert done.summary["status"] == "admitted" and done.summary["frames"] == 6 and done.summary["rejected"] == 0
    assert done.summary["planned_ps"] == done.summary["reached_ps"] == 0.01 and done.summary["stopped_by"] is None
    reference.collect(run, [done])
    frames = read_labeled(run.products / "reference" / "a.extxyz")
    assert [frame.info["source"] for frame in frames] == [f"reference/a-mol8s-v0:{k}" for k in (0, 2, 4, 6, 8, 10)]
    assert [frame.info["temperature_K"] for frame in frames] == [900, 900, 900, 900, 300, 300]
    assert {frame.info["group"] for frame in frames} == {"NaO5PV-mol8s"}
    assert len({frame.info["level"] for frame in frames}) == 1
    # step 4 of the recorded run
    recorded = read_block(RECORDED / "x_md-pos-1.xyz", 4)
    np.testing.assert_allclose(frames[2].positions, recorded, atol=1e-8)
    assert not list(done.folder.rglob("*.wfn*"))
    assert json.loads((run.products / "reference" / "a-rejected.json").read_text()) == []


def read_block(path: Path, number: int) -> list[list[float]]:
    lines = path.read_text().splitlines()
    size = int(lines[0]) + 2
    return [[float(x) for x in line.split()[1:]] for line in lines[number * size + 2 : (number + 1) * size]]


def test_what_ends_a_trajectory_early_is_listed_with_what_came_before(tmp_path):
    first = {"dynamics": RECORDED, "times": 1}
    run, _, done = trajectory(tmp_path, first, {"dynamics": RECORDED, "cut": 4, "stops": True})
    assert done.summary["stopped_by"] == "SCF_NOT_CONVERGED" and done.summary["reached_ps"] == 0.004
    reference.collect(run, [done])
    assert len(read_labeled(run.products / "reference" / "a.extxyz")) == 3
    (entry,) = json.loads((run.products / "reference" / "a-rejected.json").read_text())
    assert entry["frame"] == "a-mol8s-v0 end" and entry["failure"] == "SCF_NOT_CONVERGED"


def test_frames_of_a_trajectory_pass_the_same_gate(tmp_path):
    run, _, done = trajectory(tmp_path, {"dynamics": RECORDED}, asked_for=4)
    assert done.summary["status"] == "rejected" and done.summary["frames"] == 0 and done.summary["rejected"] == 6
    reference.collect(run, [done])
    assert not (run.products / "reference" / "a.extxyz").exists()
    rejected = json.loads((run.products / "reference" / "a-rejected.json").read_text())
    assert [entry["frame"] for entry in rejected][:2] == ["a-mol8s-v0 step 0", "a-mol8s-v0 step 2"]
    assert {entry["failure"] for entry in rejected} == {"SPIN_MISMATCH"}


def test_a_trajectory_that_keeps_dying_has_failed_and_can_go_on(tmp_path):
    killed = {"dynamics": RECORDED, "cut": 3, "signal": signal.SIGKILL}
    with pytest.raises(TaskFailed) as caught:
        trajectory(tmp_path, {"dynamics": RECORDED, "times": 1}, killed)
    assert caught.value.failure == "KILLED" and caught.value.log.exists()
    assert outcome_of("x", tmp_path, caught.value).record()["resumable"] is True


def test_a_relaxation_gives_its_end_and_some_of_its_way(tmp_path):
    text = (DATA / "cp2k" / "cell_opt" / "cell_opt.out").read_text()
    source = tmp_path / "cell_opt"
    source.mkdir()
    for file in (DATA / "cp2k" / "cell_opt").iterdir():
        (source / file.name).write_bytes(file.read_bytes())
    for stop, relaxed in (
        ("MAXIMUM NUMBER OF OPTIMIZATION STEPS REACHED", False),
        ("GEOMETRY OPTIMIZATION COMPLETED", True),
    ):
        folder = tmp_path / str(relaxed)
        folder.mkdir()
        (source / "cell_opt.out").write_text(text.replace("MAXIMUM NUMBER OF OPTIMIZATION STEPS REACHED", stop))
        section = {"relax": {"move": "cell", "max_steps": 4, "frames": 2}}
        run = make_run(folder, section, site=site(folder, {"replay": source}))
        (task,) = reference.plan(run)
        done = run_task(run, task)
        reference.collect(run, [done])
        products = run.products / "reference"
        frames = read_labeled(products / "a.extxyz")
        assert [frame.info["step"] for frame in frames] == [1, 4] and done.summary["relaxed"] is relaxed
        assert [frame.info["relaxed"] for frame in frames] == [False, relaxed]
        assert (products / "a-relaxed.extxyz").exists() is relaxed
        reasons = [entry["failure"] for entry in json.loads((products / "a-rejected.json").read_text())]
        assert reasons == ([] if relaxed else ["NOT_RELAXED"])


def test_glasses_lend_no_melt_frames_to_trajectories(tmp_path):
    folder = tmp_path / "run" / "products" / "glass"
    folder.mkdir(parents=True)
    for file in ("g0.extxyz", "g0-melt.extxyz"):
        (folder / file).write_text(CELL.read_text() * (4 if "melt" in file else 1))
    run = make_run(tmp_path, {"structures": "glass", "aimd": AIMD}, site=site(tmp_path))
    glass = taken.glasses(run, "g0")
    tasks = reference.plan(taken.given(run, glass=glass))
    assert [task.name for task in tasks] == ["a-g0-v0"]
    again = make_run(tmp_path, {"structures": "glass", "aimd": AIMD, "melt_frames_per_structure": 1}, site=run.site)
    again = taken.given(again, glass=glass)
    assert len(reference.plan(again)) == 2
    seeds = {task.settings["seed"] for task in reference.plan(again)}
    assert len(seeds) == 2 and all(1 <= seed < 2**31 for seed in seeds)


def test_ranks_are_those_of_cp2k_and_an_atom_has_one(tmp_path):
    run = make_run(tmp_path, {"ranks": 2}, site=site(tmp_path), dataset_level="gfn1-xtb")
    ranks = {task.name: task.ranks for task in reference.plan(run)}
    assert ranks.pop("a-mol8s-v0") == 2 and set(ranks.values()) == {1}


INPUT = """\
name: t
system:
  composition: {Na: 1, V: 1, P: 1, O: 5}
  density_g_cm3: 2.0
reference:
  - name: a
    level: gfn1-xtb
    structures: cell.extxyz
    relax: {}
    aimd:
      every_fs: 2.5
      segments:
        - {temperature_K: 300}
        - {temperature_K: 300, time_ps: 1, rate_K_per_ps: 10}
        - {temperature_K: 300, to_temperature_K: 600}
        - {temperature_K: 300, to_temperature_K: 600, rate_K_per_ps: 10}
        - {temperature_K: 300, pressure_bar: 1, time_fs: 3}
"""


def test_faults_of_a_trajectory_are_named_with_their_lines(tmp_path):
    (tmp_path / "cell.extxyz").write_text(CELL.read_text())
    (tmp_path / "input.yaml").write_text(INPUT.replace(", time_fs: 3", ", time_ps: 3"))
    with pytest.raises(InputError) as caught:
        load(tmp_path / "input.yaml")
    assert str(caught.value).splitlines() == [
        "input.yaml:9: reference[0].relax: a set can have either aimd or relax; split it into two sets",
        "input.yaml:11: reference[0].aimd.every_fs: 2.5 fs is not a multiple of timestep_fs, 1 fs",
        "input.yaml:13: reference[0].aimd.segments[0]: a hold needs time_ps and no rate_K_per_ps",
        "input.yaml:14: reference[0].aimd.segments[1]: a hold needs time_ps and no rate_K_per_ps",
        "input.yaml:15: reference[0].aimd.segments[2]: a ramp needs either time_ps or rate_K_per_ps",
    ]
    (tmp_path / "input.yaml").write_text(INPUT)
    with pytest.raises(InputError, match=r"input.yaml:17: reference\[0\].aimd.segments\[4\].time_fs: not a known key"):
        load(tmp_path / "input.yaml")


def test_labels_carry_redox_state_bonds_and_pattern(tmp_path):
    """One V4+ with a vanadyl oxygen; nothing of that is said of the other atoms."""
    run = make_run(tmp_path, {}, site=site(tmp_path, {"replay": DATA / "cp2k" / "xtb_label.out"}))
    (task,) = reference.plan(run)
    done = run_task(run, task)
    (frame,) = read_labeled(done.folder / reference.FRAME)
    vanadium = list(frame.symbols).index("V")
    assert frame.arrays["redox"].tolist() == [4 if i == vanadium else 0 for i in range(8)]
    oxygens = [i for i, symbol in enumerate(frame.symbols) if symbol == "O"]
    near = (frame.get_distances(vanadium, oxygens, mic=True) < 2.5).sum()
    assert frame.arrays["coordination"][vanadium] == near and frame.info["spin_pattern"] == "+"
    assert frame.arrays["bond_family"][vanadium].startswith("[1+") and frame.arrays["bond_family"][0] == "-"
    assert done.summary["scf_path"] == "as in the template"


def test_signs_of_a_pattern():
    (frame,) = read_frames(CELL)
    moments = np.zeros(8)
    for value, sign in ((0.49, "."), (0.5, "+"), (-1.2, "-")):
        moments[1] = value
        assert spin_pattern(frame, moments) == sign


def test_wannier_centers_are_given_to_atoms_and_bonds(tmp_path):
    """PBE+U of a vanadyl phosphate: Na and V keep 8 centers of semicore, V4+ one more of alpha, every O has 8."""
    source = DATA / "cp2k" / "ci_md"
    files = {"wannier.xyz": source / "ci_md-wannier.xyz", "spreads.dat": source / "ci_md-spreads.dat"}
    rule = {"replay": DATA / "cp2k" / "f_400.out", "files": {name: str(path) for name, path in files.items()}}
    section = {"level": {"name": "pbe+u+d3", "cutoff_Ry": 400.0}, "max_net_force_eV_per_A": 1.0}
    run = make_run(tmp_path, section, site=site(tmp_path, rule))
    (task,) = reference.plan(run)
    done = run_task(run, task)
    reference.collect(run, [done])
    (frame,) = read_labeled(run.products / "reference" / "a.extxyz")
    assert frame.arrays["wannier_count"].tolist() == [8, 9, 0, 8, 8, 8, 8, 8]
    assert frame.arrays["wannier_spin"].tolist() == [0, 1, 0, 0, 0, 0, 0, 0]
    assert frame.arrays["wannier_bonding"][:3].tolist() == [0, 0, 0]
    bonds = json.loads((run.products / "reference" / "a-wannier.json").read_text())["a-mol8s-v0"]
    elements = list(frame.symbols)
    assert {(elements[b["atoms"][0]], elements[b["atoms"][1]]) for b in bonds} == {("O", "P"), ("O", "V")}
    # a bridging oxygen has one center of each spin toward P, a terminal one more
    assert sorted(b["count"] for b in bonds if elements[b["atoms"][1]] == "P")[:2] == [2, 2]
    assert all(0.12 <= b["position"] < 0.5 and 0.4 < b["spread_A2"] < 1.0 for b in bonds)
    damaged = Path(rule["files"]["wannier.xyz"]).read_text()[:4000]
    (tmp_path / "cut.xyz").write_text(damaged)
    rule["files"]["wannier.xyz"] = str(tmp_path / "cut.xyz")
    (tmp_path / "again").mkdir()
    run = make_run(tmp_path / "again", section, site=site(tmp_path / "again", rule))
    with pytest.raises(TaskFailed, match="wannier.xyz"):
        run_task(run, reference.plan(run)[0])


def test_where_a_center_lies_decides_what_it_is():
    """P-O across the face of the cell, Na on the other side of the oxygen; centers in any image."""
    atoms = Atoms("POVNa", [(0.2, 5, 5), (8.7, 5, 5), (8.7, 6.6, 5), (6.4, 5, 5)], cell=[10.0] * 3, pbc=True)
    along_p, toward_na, on_vanadium = (9.15, 5, 5), (8.35, 5, 5), (8.7, 6.5, 5.1)
    alpha = np.array([along_p, np.add(along_p, (-20, 10, 0)), toward_na, on_vanadium, (8.7, 5.4, 5)])
    found = assign(atoms, [alpha, alpha[:3]], [np.full(5, 0.5), np.full(3, 0.7)])
    assert found.count.tolist() == [0, 7, 1, 0] and found.bonding.tolist() == [0, 5, 0, 0]
    assert found.spin.tolist() == [0, 1, 1, 0]
    assert [(bond.atoms, bond.count) for bond in found.bonds] == [((1, 0), 4), ((1, 2), 1)]
    assert found.bonds[0].position == pytest.approx(0.3) and found.bonds[0].length_A == pytest.approx(1.5)
    assert found.bonds[0].spread_A2 == pytest.approx(0.6) and found.spread_A2[1] == pytest.approx(
        (4 * 0.5 + 3 * 0.7) / 7
    )
    assert assign(atoms, [alpha], [None]).spin.tolist() == [0, 0, 0, 0]


def test_wannier_centers_go_with_the_frames_of_a_trajectory(tmp_path):
    """Two phosphorus atoms by the installed CP2K: five centers of each spin in every frame, of both parts."""
    pair = Atoms("P2", [(3.0, 3.0, 2.0), (3.0, 3.0, 4.0)], cell=[6.0] * 3, pbc=True)
    write_frames(tmp_path / "pair.extxyz", [pair])
    plan = {"every_fs": 2, "segments": [{"temperature_K": 300, "time_ps": 0.004}]}
    section = {
        "level": {"name": "pbe", "cutoff_Ry": 60.0}, "structures": str(tmp_path / "pair.extxyz"), "multiplicity": 1,
        "aimd": plan, "outputs": ["wannier"], "max_net_force_eV_per_A": 1000.0,
    }  # fmt: skip
    run = make_run(tmp_path, section)
    (task,) = reference.plan(run)
    done = run_task(run, task)
    reference.collect(run, [done])
    frames = read_labeled(run.products / "reference" / "a.extxyz")
    assert [frame.info["step"] for frame in frames] == [0, 2, 4] and done.summary["parts"] == 2
    for frame in frames:
        assert frame.arrays["wannier_count"].sum() == 10 and frame.arrays["wannier_spin"].sum() == 0
    bonds = json.loads((run.products / "reference" / "a-wannier.json").read_text())[task.name]
    assert list(bonds) == ["0", "2", "4"]
    # printed for the frames only, and once more where the second part begins
    (first, second) = sorted(done.folder.glob("parts/*/wannier.xyz"))
    assert [list(read_wannier(file, ["P", "P"])) for file in (first, second)] == [[0, 2], [2, 4]]
