"""Labels: which frames are planned, what a bad CP2K run becomes, and one real run with GFN1-xTB."""

import json
import os
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from naglass_drv.config.schema import Input
from naglass_drv.dataset.candidates import from_json
from naglass_drv.dataset.frames import read_frames, read_labeled, write_frames
from naglass_drv.engines.cp2k.theory.levels import data_of, level
from naglass_drv.errors import InputError, SetupError, TaskFailed
from naglass_drv.files import write_json
from naglass_drv.products import Dataset, Labels, Trajectories
from naglass_drv.runtime.launch import run_child
from naglass_drv.stages import dataset, reference
from naglass_drv.stages.base import Done, Job, Run, Task
from support import taken

pytestmark = pytest.mark.cp2k

DATA = Path(__file__).parents[1] / "data"
CELL = DATA / "structures" / "mol8s.extxyz"
CP2K = next((p for name in ("cp2k.psmp", "cp2k.ssmp", "cp2k") if (p := shutil.which(name))), None)
CP2K_DATA = "/usr/share/cp2k"


class OneRank:
    def Get_rank(self) -> int:
        return 0


def make_run(folder: Path, *sections: dict, site: dict | None = None, dataset_level: str | None = None) -> Run:
    start = {"name": "a", "level": "gfn1-xtb", "structures": str(CELL)}
    content = {
        "name": "t",
        "seed": 5,
        "system": {"composition": {"Na": 1, "V": 1, "P": 1, "O": 5}, "density_g_cm3": 2.0},
        "reference": [start | section for section in sections],
    }
    if dataset_level:
        content["dataset"] = {"level": dataset_level}
    site = {"cp2k": CP2K, "cp2k_data": CP2K_DATA, "launcher": None, "threads": 1} if site is None else site
    return Run(Input.model_validate_json(json.dumps(content)), folder, folder / "run", {}, site)


def run_task(run: Run, task: Task) -> Done:
    folder = run.folder / "tasks" / task.name
    folder.mkdir(parents=True)
    job = Job(
        task,
        folder,
        None,
        OneRank(),
        lambda *a: None,
        lambda: False,
        lambda argv, **options: run_child(argv, **({"folder": folder} | options)),
        run.site,
    )
    return Done(task, folder, reference.run(job))


def stand_in(folder: Path, body: str) -> dict:
    """A site whose CP2K is a shell script that knows its version and accepts every input."""
    path = folder / "cp2k"
    answers = "--version) echo ' CP2K version 2023.1'; exit;;\n-c) echo SUCCESS; exit;;"
    path.write_text(f'#!/bin/sh\ncase "$1" in\n{answers}\nesac\n{body}\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"cp2k": str(path), "cp2k_data": CP2K_DATA, "launcher": None, "threads": 1}


def replay(name: str, status: int = 0) -> str:
    return f"cat '{DATA / 'cp2k' / name}.out'\nexit {status}"


def one_label(folder: Path, body: str, asked_for: int | None = None, **section) -> tuple[Run, Done]:
    """A label of the cell; the calculation is asked for another multiplicity than planned where `asked_for` says so."""
    run = make_run(folder, {"level": {"name": "pbe+u+d3", "cutoff_Ry": 400.0}, **section}, site=stand_in(folder, body))
    (task,) = reference.plan(run)
    if asked_for is not None:
        task.settings["frame"]["info"]["multiplicity"] = asked_for
    return run, run_task(run, task)


@pytest.mark.parametrize(
    ("name", "section", "failure"),
    [
        ("e_unconv", {}, "SCF_NOT_CONVERGED"),
        ("f_200", {}, "CUTOFF_LOW"),
        ("f_400", {"max_net_force_eV_per_A": 0.1}, "NET_FORCE"),
        ("f_400", {"asked_for": 4, "max_net_force_eV_per_A": 1.0}, "SPIN_MISMATCH"),
    ],
)
def test_a_frame_that_fails_a_check_is_done_and_listed(tmp_path, name, section, failure):
    run, done = one_label(tmp_path, replay(name), **section)
    assert done.summary["status"] == "rejected" and done.summary["failure"] == failure
    reference.collect(run, [done])
    products = run.products / "reference"
    (entry,) = json.loads((products / "a-rejected.json").read_text())
    assert entry == {"frame": "a-mol8s-v0", "failure": failure, "message": done.summary["message"]}
    assert not (products / "a.extxyz").exists(), "a rejected frame must never reach the training data"


def test_a_good_output_becomes_a_frame_of_the_convention(tmp_path):
    run, done = one_label(tmp_path, replay("f_400"), max_net_force_eV_per_A=1.0)
    reference.collect(run, [done])
    (frame,) = read_labeled(run.products / "reference" / "a.extxyz")
    assert frame.info["multiplicity"] == 2 and frame.info["charge"] == 0 and frame.info["scf_converged"]
    assert frame.info["group"] == "NaO5PV-mol8s" and frame.info["source"] == "reference/a-mol8s-v0"
    assert frame.info["level"].startswith("pbe+u+d3-h")
    hartree_per_bohr = 51.422067
    assert frame.info["net_force_eV_per_A"] == pytest.approx(0.01420944 * hartree_per_bohr, abs=1e-5)
    assert abs(frame.info["spin_sum_muB"] - 1) < 0.01
    assert frame.arrays["ion"].tolist() == ["Na+", "V4+", "P5+"] + ["O2-"] * 5
    assert json.loads((run.products / "reference" / "a-rejected.json").read_text()) == []


def test_a_hanging_label_is_rejected_and_a_dying_or_aborting_one_fails(tmp_path):
    _, done = one_label(tmp_path, "sleep 600", timeout_min=0.005)
    assert (done.summary["status"], done.summary["failure"]) == ("rejected", "TIMEOUT")
    for number, (body, failure) in enumerate(
        [("kill -9 $$", "KILLED"), (replay("e_mult", 1), "ABORT"), ("echo mpirun: no daemon", "LAUNCHER")]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(TaskFailed) as caught:
            one_label(folder, body)
        assert caught.value.failure == failure and caught.value.log.exists()


def test_what_is_missing_is_said_before_anything_starts(tmp_path):
    site = {"cp2k": None, "cp2k_data": None, "launcher": None, "threads": 1}
    with pytest.raises(SetupError, match="no CP2K executable"):
        reference.plan(make_run(tmp_path, {}, site=site))
    with pytest.raises(SetupError, match="absent/cp2k is not an executable"):
        reference.plan(make_run(tmp_path, {}, site=site | {"cp2k": "/absent/cp2k"}))
    site = stand_in(tmp_path, "exit 1")
    (tmp_path / "BASIS_MOLOPT").write_text("")
    (tmp_path / "GTH_POTENTIALS").write_text("")
    with pytest.raises(InputError, match="no basis set .* in .*BASIS_MOLOPT"):
        reference.plan(make_run(tmp_path, {"level": "pbe+u+d3"}, site=site | {"cp2k_data": str(tmp_path)}))
    with pytest.raises(InputError, match="multiplicity 3"):
        reference.plan(make_run(tmp_path, {"multiplicity": 3}, site=site))
    with pytest.raises(InputError, match="no glass"):
        reference.plan(make_run(tmp_path, {"structures": "glass"}, site=site))


def test_the_spin_comes_from_the_ions(tmp_path):
    site = stand_in(tmp_path, "exit 1")

    def spins(frame: Atoms, **section) -> list[int]:
        write_frames(tmp_path / "s.extxyz", [frame])
        run = make_run(tmp_path, {"structures": str(tmp_path / "s.extxyz")} | section, site=site)
        return [task.settings["frame"]["info"]["multiplicity"] for task in reference.plan(run)]

    def cell(formula: str) -> Atoms:
        atoms = Atoms(formula, cell=[9.0, 9.0, 9.0], pbc=True)
        atoms.positions = 3.0 * np.array(list(np.ndindex(3, 3, 3)))[: len(atoms)]
        return atoms

    assert spins(cell("NaVPO5"), frames_per_structure=3) == [2, 2, 2]
    # V3+ (d2) and V4+ (d1) in one cell: which atom is which has to be said
    mixed = cell("Na2V2PO7")
    with pytest.raises(
        InputError, match=r"s\.extxyz: frame 0: the spin of Na2O7PV2 is unknown: .*V3\+ and 1 V4\+ is 4"
    ):
        spins(mixed)
    assert spins(mixed, multiplicity=4) == [4]
    mixed.set_array("ion", np.array(["Na+", "Na+", "V3+", "V4+", "P5+"] + ["O2-"] * 7))
    assert spins(mixed) == [4]
    mixed.arrays["ion"][2] = "P5+"
    with pytest.raises(InputError, match=r"frame 0: ion 'P5\+' on an atom of V"):
        spins(mixed)


def test_what_a_set_does_not_ask_for_is_not_in_its_tasks(tmp_path):
    """Labels that took weeks stay done when new options come."""
    (task,) = reference.plan(make_run(tmp_path, {}, site=stand_in(tmp_path, "exit 1")))
    assert set(task.settings) == {"level", "label", "max_net_force_eV_per_A", "timeout_min", "set", "frame"}
    assert set(task.settings["frame"]) == {"symbols", "positions_A", "cell_A", "pbc", "ion", "info"}


def test_options_of_the_level_reach_its_inputs(tmp_path):
    section = {
        "level": {"name": "pbe+u+d3", "cutoff_Ry": 400.0, "sodium": "q1", "u_eV": {"V": 4.0}}, "outputs": ["pdos"],
        "max_net_force_eV_per_A": 1.0,
    }  # fmt: skip
    run = make_run(tmp_path, section, site=stand_in(tmp_path, replay("f_400")), dataset_level="pbe+u+d3")
    task, *atoms = reference.plan(run)
    chosen = {"name": "pbe+u+d3", "cutoff_Ry": 400.0, "sodium": "q1", "u_eV": {"V": 4.0}}
    assert task.settings["level"] == chosen and task.settings["outputs"] == ["pdos"]
    assert all("outputs" not in atom.settings and atom.settings["level"] == chosen for atom in atoms)
    done = run_task(run, task)
    text = (done.folder / "scf-1" / "label.inp").read_text()
    assert "GTH-PBE-q1" in text and "U_MINUS_J [eV] 4\n" in text and "&PDOS ON" in text
    (frame,) = read_frames(done.folder / reference.FRAME)
    assert f"# level {frame.info['level']}\n" in text and frame.info["level"] == task.settings["label"]
    assert frame.info["kinds"] == task.settings["kinds"]
    chosen = level("pbe+u+d3", sodium="q1", u_eV={"V": 4.0})
    assert frame.info["cp2k_data"] == data_of(chosen, frame.symbols, Path(CP2K_DATA))
    assert frame.info["program"] == "CP2K 2023.1"


def test_a_spin_pattern_reaches_the_start_moments(tmp_path):
    site = stand_in(tmp_path, replay("f_400"))
    cell = read_frames(CELL)[0]
    pair = cell.repeat((2, 1, 1))
    write_frames(tmp_path / "s.extxyz", [pair])

    def spins(spin) -> dict:
        section = {"level": "pbe+u+d3", "structures": str(tmp_path / "s.extxyz"), "spin": spin}
        task, *partner = reference.plan(make_run(tmp_path, section, site=site))
        assert [other.name for other in partner] == (["a-s-v0-antiparallel"] if spin == "ferromagnetic" else [])
        return task.settings["frame"]

    assert "start_moment_muB" not in spins("ferromagnetic") and spins("ferromagnetic")["info"]["multiplicity"] == 3
    turned = spins("antiferromagnetic")
    assert [m for m in turned["start_moment_muB"] if m] == [1.0, -1.0] and turned["info"]["multiplicity"] == 1
    assert spins("-+")["start_moment_muB"] == [-m for m in turned["start_moment_muB"]]
    assert from_json(spins("-+")).arrays["start_moment"].tolist() == spins("-+")["start_moment_muB"]
    with pytest.raises(InputError, match=r"spin: '\+-\+' has 3 signs, but there are 2 magnetic ions"):
        spins("+-+")


def test_a_template_of_ones_own_is_read_when_the_run_is_planned(tmp_path):
    plain = make_run(
        tmp_path, {"level": {"name": "pbe+u+d3", "cutoff_Ry": 400.0}}, site=stand_in(tmp_path, replay("f_400"))
    )
    (task,) = reference.plan(plain)
    (tmp_path / "my.inp").write_text((run_task(plain, task).folder / "scf-1" / "label.inp").read_text())
    section = {"name": "own", "level": {"name": "template", "template": "my.inp"}, "max_net_force_eV_per_A": 1.0}
    run = make_run(tmp_path, section, site=plain.site)
    (task,) = reference.plan(run)
    (tmp_path / "my.inp").unlink()
    (frame,) = read_frames(run_task(run, task).folder / reference.FRAME)
    assert frame.info["level"] == task.settings["label"] and frame.info["level"].startswith("template-h")


def test_an_input_that_cp2k_refuses_ends_the_run_before_it_starts(tmp_path):
    site = stand_in(tmp_path, "exit 1")
    Path(site["cp2k"]).write_text("#!/bin/sh\necho ' * [ABORT]   *'; echo ' *  x  unknown keyword   *'\n")
    with pytest.raises(InputError, match="reference a: mol8s-v0: CP2K does not accept the input: "):
        reference.plan(make_run(tmp_path, {}, site=site))


def test_glasses_give_themselves_varied_copies_and_frames_of_their_melt(tmp_path):
    glass = read_frames(CELL)[0]
    glass.info = {"group": "NaVPO5-r0", "multiplicity": 2, "charge": 0}
    folder = tmp_path / "run" / "products" / "glass"
    write_frames(folder / "g0.extxyz", [glass])
    write_frames(folder / "g0-melt.extxyz", [glass] * 8)
    section = {"structures": "glass", "frames_per_structure": 3, "melt_frames_per_structure": 2}
    run = make_run(tmp_path, section, site=stand_in(tmp_path, "exit 1"), dataset_level="gfn1-xtb")
    run = taken.given(run, glass=taken.glasses(run, "g0"))
    tasks = {task.name: task for task in reference.plan(run)}
    atoms = [f"a-atom-{element}" for element in ("Na", "O", "P", "V")]
    assert list(tasks) == ["a-g0-v0", "a-g0-v1", "a-g0-v2", "a-g0-melt-2", "a-g0-melt-5", *atoms]
    np.testing.assert_array_equal(tasks["a-g0-v0"].settings["frame"]["positions_A"], glass.positions)
    assert tasks["a-atom-V"].settings["frame"]["info"]["multiplicity"] == 4
    frames = [task.settings["frame"]["info"] for name, task in tasks.items() if name not in atoms]
    groups = {info["group"] for info in frames}
    assert groups == {"NaVPO5-r0"}
    again = {task.name: task.settings for task in reference.plan(run)}
    assert again == {name: task.settings for name, task in tasks.items()}


def test_candidates_are_those_of_the_round_before_and_none_if_it_has_selected_none(tmp_path):
    section = {"structures": "candidates", "name": "hot"}
    run = make_run(tmp_path, section, site=stand_in(tmp_path, "exit 1"))
    assert reference.plan(run) == []
    selected = Trajectories("round-1", "md", {"candidates": CELL})
    tasks = reference.plan(taken.given(run, candidates=selected))
    assert [task.name for task in tasks] == [f"hot-{CELL.name.split('.')[0]}-v0"]
    expected, product = reference.expect(
        taken.given(run, candidates=Trajectories(facts={"candidates": {"g0-600K": (3, ["Na", "O"])}}))
    )
    assert len(expected) == 3 and product.facts["frames"] == {"hot": 3}


def test_sets_of_one_level_share_their_isolated_atoms(tmp_path):
    sections = ({}, {"name": "b"}, {"name": "c", "level": "pbe+u+d3"})
    run = make_run(tmp_path, *sections, site=stand_in(tmp_path, "exit 1"), dataset_level="gfn1-xtb")
    atoms = [task.name for task in reference.plan(run) if "-atom-" in task.name]
    assert atoms == ["a-atom-Na", "a-atom-O", "a-atom-P", "a-atom-V"]


@pytest.fixture(scope="module")
def labeled(tmp_path_factory):
    """Two frames of the 8-atom cell and its four isolated atoms at GFN1-xTB, by the installed CP2K."""
    folder = tmp_path_factory.mktemp("xtb")
    run = make_run(folder, {"frames_per_structure": 2}, dataset_level="gfn1-xtb")
    done = [run_task(run, task) for task in reference.plan(run)]
    reference.collect(run, done)
    return run, done


def test_real_labels_are_forces_of_their_energy(labeled):
    run, done = labeled
    assert [item.summary["status"] for item in done] == ["admitted"] * 6
    start, moved = read_labeled(run.products / "reference" / "a.extxyz")
    assert abs(start.info["spin_sum_muB"] - 1) < 1e-3 and start.info["net_force_eV_per_A"] < 1e-3
    assert abs(start.arrays["REF_spin_mulliken"][1]) > 0.5, "the moment sits on vanadium"
    assert start.info["level"] == moved.info["level"] and start.info["group"] == moved.info["group"]
    energies = json.loads((run.products / "reference" / "a-E0.json").read_text())["E0_eV"]
    atomization = start.info["REF_energy"] - sum(energies[element] for element in start.symbols)
    assert -9 < atomization / len(start) < -4, "an oxide binds by several eV per atom, at this level by 8.1"


def test_the_dataset_takes_what_was_admitted(labeled):
    run, _ = labeled
    (task,) = dataset.plan(taken.given(run, reference=taken.labels(run)))
    folder = run.folder / "tasks" / "dataset"
    folder.mkdir(parents=True)
    job = Job(task, folder, None, OneRank(), lambda *a: None, lambda: False, lambda *a, **k: 0, run.site)
    summary = dataset.run(job)
    assert summary["frames"] == 2 and summary["test"] is None and "only one group" in summary["split"]
    assert set(summary["E0_eV"]) == {"Na", "V", "P", "O"}
    assert not os.path.exists(folder / "test.extxyz")


def test_a_later_dataset_holds_out_what_an_earlier_one_did(labeled, tmp_path):
    """Two frames of one group, which the dataset of the round before had held out beside another group."""
    run, _ = labeled
    group = read_labeled(run.products / "reference" / "a.extxyz")[0].info["group"]
    other = read_labeled(run.products / "reference" / "a.extxyz")[:1]
    other[0].info["group"] = "other"
    other[0].positions += 0.1
    write_frames(tmp_path / "b.extxyz", other)
    write_json(tmp_path / "dataset.json", {"train": {"groups": ["other"]}, "test": {"groups": [group]}})
    again = Labels("round-1", "reference", {"b/admitted": tmp_path / "b.extxyz"}, {"levels": {"b": "gfn1-xtb"}})
    before = Dataset("", "dataset", {"summary": tmp_path / "dataset.json"})
    (task,) = dataset.plan(taken.given(run, reference=(taken.labels(run), again), before=before))
    assert list(task.inputs) == ["admitted/a", "admitted/round-1/b", "E0/a", "before"]
    (tmp_path / "task").mkdir()
    job = Job(task, tmp_path / "task", None, OneRank(), lambda *a: None, lambda: False, lambda *a, **k: 0, run.site)
    summary = dataset.run(job)
    assert summary["train"]["groups"] == ["other"] and summary["test"]["groups"] == [group]
