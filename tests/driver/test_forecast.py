"""Forecasts: the workflow in time only, from measured times."""

import json
from types import SimpleNamespace

import pytest

from naglass_drv.cli.main import main
from naglass_drv.products import Product
from naglass_drv.runtime import forecast as module
from naglass_drv.runtime.flow import Step, gather
from naglass_drv.runtime.forecast import Measured, Times, forecast, known_times, record
from naglass_drv.runtime.task import Effort, Task


def stage(tasks):
    """A stage that expects these tasks: (size, ranks)."""
    made = [
        Task("work", f"t{i}", {}, ranks=ranks, effort=Effort("work", size)) for i, (size, ranks) in enumerate(tasks)
    ]
    return SimpleNamespace(expect=lambda run: (made, Product(facts={"made": len(made)})))


def foreseen(workflow, stages, ranks):
    times = Times([Measured("work", 10.0, 1, 11.0)])
    return forecast(workflow, stages.__getitem__, None, None, {}, ranks, times)


def test_wall_time_is_that_of_the_schedule(monkeypatch):
    """One second to start, one more for each unit of size."""
    monkeypatch.setattr(module, "_STEP_S", 0.0)

    def one_after_another():
        yield Step("first")
        yield Step("then")

    stages = {"first": stage([(9, 1)] * 3), "then": stage([(38, 2)])}
    found = foreseen(one_after_another(), stages, 2)
    # two of three side by side, then the third; 38 units on two ranks take 19 s
    assert found.wall_s == pytest.approx(10 + 10 + 20)
    assert found.rows["first"].tasks == 3 and found.rows["first"].core_s == pytest.approx(30)
    assert found.rows["then"].core_s == pytest.approx(40) and found.rows["then"].ranks == 2
    assert [(row.begins_s, row.ends_s) for row in found.rows.values()] == [(0, 20), (20, 40)]


def test_gpu_hours_are_those_of_the_tasks_that_request_gpus():
    task = Task("work", "t", {}, ranks=2, gpus=2, effort=Effort("work", 9.0))
    found = foreseen(iter_of(Step("x")), {"x": SimpleNamespace(expect=lambda run: ([task], Product()))}, 2)
    assert (found.rows["x"].gpus, found.rows["x"].gpu_s) == (2, pytest.approx(2 * 5.5))


def test_systems_do_not_wait_for_each_other(monkeypatch):
    monkeypatch.setattr(module, "_STEP_S", 0.0)

    def system(first, then):
        yield Step(first, first)
        yield Step(then, first)

    stages = {"slow": stage([(29, 1)]), "late": stage([(9, 1)]), "quick": stage([(9, 1)]), "early": stage([(29, 1)])}
    found = foreseen(gather([system("slow", "late"), system("quick", "early")]), stages, 2)
    assert found.wall_s == pytest.approx(40)


def test_times_are_those_of_this_machine_if_there_are_any():
    times = Times([Measured("a", 100.0, 1, 11.0)], [Measured("a", 10.0, 1, 2.0), Measured("b", 1.0, 2, 5.0)])
    assert times.seconds(Effort("a", 200.0), 1) == (pytest.approx(21.0), "this machine", 2.0)
    assert times.seconds(Effort("b", 1.0), 1) == (pytest.approx(9.0), "shipped times", 1.0)
    assert times.seconds(Effort("c", 1.0), 1) is None


def test_the_nearest_size_counts_and_of_equals_the_latest():
    times = Times([Measured("a", 300.0, 1, 2.0), Measured("a", 1000.0, 1, 51.0), Measured("a", 1000.0, 1, 101.0)])
    assert times.seconds(Effort("a", 2000.0), 1)[0] == pytest.approx(201.0)
    assert times.seconds(Effort("a", 200.0), 1)[0] == pytest.approx(1.0 + 200 / 300)


@pytest.mark.parametrize("ranks", [1, 4])
def test_a_start_up_that_all_tasks_have_is_not_scaled(ranks):
    """A minute of start-up and 1 ms for each unit, in times with deviations of a tenth."""

    def planted(size, ranks):
        return 60.0 + 1e-3 * size / ranks

    measured = [
        Measured("md", size, 1, planted(size, 1) * factor)
        for size, factor in ((1e3, 1.1), (3e3, 0.9), (1e4, 1.1), (3e4, 0.9), (1e5, 1.0))
    ]
    found = Times(measured).seconds(Effort("md", 1e7), ranks)[0]
    assert found == pytest.approx(planted(1e7, ranks), rel=0.15)
    # the largest of a shipped pair is proportional already; one short time of one's own takes its start-up from there
    shipped = [Measured("md", size, 1, planted(size, 1)) for size in (1e3, 1e6)]
    found = Times([Measured("md", 2e3, 1, 0.5 * planted(2e3, 1))], shipped).seconds(Effort("md", 9e3), ranks)
    assert found[:2] == (pytest.approx(0.5 * planted(9e3, ranks), rel=1e-6), "this machine")


def test_times_that_do_not_show_what_a_unit_takes_are_scaled_in_proportion():
    """Where all tasks took a minute whatever their size, a forecast of the same minute would be far too low."""
    times = Times([Measured("md", size, 1, 60.0) for size in (1.0, 10.0, 100.0)])
    assert times.seconds(Effort("md", 1000.0), 1)[0] == pytest.approx(1.0 + 590.0)


def test_a_task_works_at_once_on_what_it_does_not_save(monkeypatch):
    def made(size, share):
        return Task("work", f"t{size}", {}, effort=Effort("work", size, share))

    tasks = [made(9.0, 1.0), made(99.0, 0.2), made(999.0, 0.0)]
    row = foreseen(iter_of(Step("x")), {"x": SimpleNamespace(expect=lambda run: (tasks, Product()))}, 1).rows["x"]
    assert row.at_once_s == pytest.approx(20.0) and row.scaled == pytest.approx(99.9)


def test_a_shipped_time_of_about_this_size_is_better_than_an_own_one_far_off():
    times = Times([Measured("work", 1.0, 1, 3.0)], [Measured("work", 90.0, 1, 10.0)])
    assert times.seconds(Effort("work", 100.0), 1) == (pytest.approx(11.0), "shipped times", pytest.approx(10 / 9))
    assert times.seconds(Effort("work", 4.0), 1) == (pytest.approx(9.0), "this machine", 4.0)


def test_of_a_short_time_at_most_half_is_the_start():
    """Or a task of 1.1 s would make one of a hundred times its size take 11 s."""
    assert Times([Measured("a", 1.0, 1, 1.1)]).seconds(Effort("a", 100.0), 1)[0] == pytest.approx(0.55 + 55.0)


def test_shipped_times_of_one_work_agree_when_they_are_scaled():
    shipped = known_times().shipped
    pairs = [(a, b) for a in shipped for b in shipped if a.work == b.work and a.size < b.size]
    assert "glass" in {a.work for a, _ in pairs}
    for small, large in pairs:
        known = [each for each in shipped if each != large]
        scaled = Times([], known).seconds(Effort(large.work, large.size), large.ranks)[0]
        assert 0.4 < scaled / large.seconds < 2.5, (small, large)


def test_a_quench_against_a_slab_saves_its_state_as_one_without():
    from naglass_drv.config.schema import Glass
    from naglass_drv.stages import efforts

    section = Glass(melt_ps=1, quench_rate_K_per_ps=100, hold_ps=2)
    assert efforts.quench(section, 100).at_once == pytest.approx(5 / 31)
    # half a picosecond more, in which the slab is released
    assert efforts.interface(section, 500).at_once == pytest.approx(5 / 31.5)


def test_a_damaged_cache_is_skipped_line_by_line(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    record(Measured("a", 1.0, 1, 2.0))
    with open(module.cache_file(), "a") as stream:
        stream.write('{"work": "a"}\nnonsense\n[1]\n{"work": "a", "size": -1, "ranks": 1, "seconds": 1}\n')
    record(Measured("a", 2.0, 1, 3.0))
    assert [each.size for each in known_times().own] == [1.0, 2.0]
    module.cache_file().unlink()
    assert known_times().own == [] and known_times().shipped


def test_a_step_that_cannot_be_foreseen_is_named():
    from naglass_drv.errors import InputError

    def refuse(run):
        raise InputError("no structure")

    found = foreseen(iter_of(Step("x")), {"x": SimpleNamespace(expect=refuse)}, 1)
    assert found.unforeseen == ["x: no structure"] and found.wall_s == 0


def iter_of(*steps):
    yield list(steps)


INPUT = """\
name: two
series:
  mol_percent: {Na2O: 40, V2O5: [10, 20], P2O5: rest}
  atoms: 100
  density_g_cm3: 2.7
glass: {replicas: 3}
reference: [{name: a, level: gfn1-xtb}, {name: b, level: template, template: own.inp}]
dataset: {level: gfn1-xtb}
train: {epochs: 10}
md: {temperatures_K: [600, 900], time_ps: 10}
analysis: {}
report: {}
"""


def test_an_estimate_counts_the_tasks_of_all_systems(tmp_path, capsys):
    (tmp_path / "input.yaml").write_text(INPUT.replace(", {name: b, level: template, template: own.inp}", ""))
    before = sorted(tmp_path.iterdir())
    assert main(["estimate", str(tmp_path / "input.yaml"), "--ranks", "4"]) == 0
    rows = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    tasks = {name: row[1] for name, row in rows.items()}
    # labels: 3 glasses with one frame and two of the melt each, in two systems; four elements for both
    expected = {
        "glass": "6",
        "atoms": "4",
        "reference": "18",
        "dataset": "1",
        "train": "1",
        "md": "12",
        "analysis": "14",
    }
    assert {name: tasks[name] for name in expected} == expected
    assert tasks["report"] == "2" and tasks["series"] == "1"
    assert rows["wall"][:5] == ["wall", "time", "on", "4", "ranks:"] and rows["disk:"]
    assert sorted(tmp_path.iterdir()) == before, "nothing is written"


def test_efforts_are_the_same_before_and_at_planning(tmp_path):
    from naglass_drv.config.load import load_study
    from naglass_drv.stages import glass
    from naglass_drv.stages.base import Run

    (tmp_path / "input.yaml").write_text("\n".join(INPUT.splitlines()[:6]))
    for input in load_study(tmp_path / "input.yaml").systems.values():
        run = Run(input, tmp_path, tmp_path / "run")
        expected, product = glass.expect(run)
        assert [task.effort for task in expected] == [task.effort for task in glass.plan(run)]
        assert len(product.facts["symbols"]) == 3
        json.dumps(product.facts)


LOOP = """\
name: loop
systems:
  - {name: a, composition: {Na: 1, P: 1, O: 3}, formula_units: 4, density_g_cm3: 2.5}
  - {name: b, composition: {Na: 1, P: 1, O: 3}, formula_units: 6, density_g_cm3: 2.5}
glass: {replicas: 2}
reference: [{name: first, level: gfn1-xtb, frames_per_structure: 2, melt_frames_per_structure: 1}]
dataset: {level: gfn1-xtb}
train: {epochs: 10}
md: {temperatures_K: [600, 900, 1200], time_ps: 10, candidates: 5, replicate: [2, 1, 1]}
learn:
  rounds:
    - reference: [{name: picked, level: gfn1-xtb, structures: candidates, frames_per_structure: 3}]
    - reference: [{name: relaxed, level: gfn1-xtb, structures: candidates, relax: {frames: 4}}]
"""


def fits(folder, text):
    """The efforts of the fits of each round, in the workflow in time only."""
    from naglass_drv.cli.run import work_of
    from naglass_drv.config.load import load_study
    from naglass_drv.stages import load

    (folder / "input.yaml").write_text(text)
    found = []

    def watched(name):
        def expect(run):
            tasks, product = load(name).expect(run)
            found.extend(task.effort for task in tasks if name == "train")
            return tasks, product

        return SimpleNamespace(expect=expect)

    workflow = work_of(load_study(folder / "input.yaml"))["workflow"]()
    assert forecast(workflow, watched, folder, folder / "run", {}, 2, Times([])).unforeseen == []
    return found


def test_the_fit_of_every_round_has_the_atoms_of_all_frames_labeled_so_far(tmp_path):
    # two glasses of 20 and of 30 atoms, three frames of each; five candidates of twice the atoms from each of three
    # trajectories, each labeled three times, then once more along a relaxation of which four frames are kept
    first = 2 * 3 * (20 + 30)
    picked = 2 * 3 * 5 * (40 + 60)
    expected = [10 * first, 10 * (first + 3 * picked), 10 * (first + 3 * picked + 4 * picked)]
    found = fits(tmp_path, LOOP)
    assert [each.size for each in found] == expected
    assert [each.work for each in found] == ["fit 16x0 2 float64", *["fit refined float64"] * 2]


def test_a_dataset_that_is_thinned_bounds_the_fit_by_its_largest_frames(tmp_path):
    text = LOOP.replace("dataset: {level: gfn1-xtb}", "dataset: {level: gfn1-xtb, max_frames: 100}")
    assert [each.size for each in fits(tmp_path, text)] == [3000, 10 * (90 * 60 + 10 * 40), 10 * 100 * 60]


def test_frames_along_ab_initio_md_are_counted(tmp_path):
    moves = "aimd: {segments: [{temperature_K: 300, time_ps: 0.1}], every_fs: 20}"
    text = LOOP.partition("learn:")[0].replace("melt_frames_per_structure: 1", moves)
    assert [each.size for each in fits(tmp_path, text)] == [10 * 2 * 2 * (20 + 30) * 6]


def test_an_estimate_with_relaxations_says_that_it_is_an_upper_bound(tmp_path, capsys):
    (tmp_path / "input.yaml").write_text(LOOP)
    assert main(["estimate", str(tmp_path / "input.yaml")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("an upper bound") for line in lines) == 2 and "max_steps" in lines[-1]
