"""Hours in the unit of a center's bill: exact arithmetic, and what is said where a factor is not known."""

import pytest

from naglass_drv.cli.billed import Center, Job, lines, plan_lines, weekly
from naglass_drv.config.bill import Bill
from naglass_drv.config.slurm import Slurm, bill_of, shipped
from naglass_drv.errors import InputError
from naglass_drv.runtime.forecast import Forecast, Row
from support.jobs import called

FACT = {"source": "a page", "read": "2026-11-30"}
SLURM = Slurm(cores_per_node=40, gpus_per_node=4, longest_h=20.0)
INPUT = """
name: small
system: {composition: {Na: 4, P: 4, O: 12}, density_g_cm3: 2.45}
glass: {melt_ps: 1}
"""


def bill(**more):
    given = {"machine": "M", "counts": "gpus", "unit": "A100 hours", "rate": {"value": 1, **FACT}, "cores_per_gpu": 8}
    return Bill.model_validate(given | {"normalized": {"value": 2, **FACT}} | more)


def rows():
    """48 core hours without a GPU for a day, then 12 GPU hours of two GPUs and 4 ranks for six hours."""
    return {
        "glass": Row(tasks=2, core_s=48 * 3600.0, begins_s=0.0, ends_s=24 * 3600.0, sources={"shipped times"}),
        "md": Row(1, 4, 2, 24 * 3600.0, 12 * 3600.0, 24 * 3600.0, 30 * 3600.0, {"this machine"}),
    }


def expected():
    return Forecast(rows(), 30 * 3600.0, [])


@pytest.mark.parametrize(
    "more, core_h, gpu_h, hours",
    [
        ({}, 48.0, 0.0, 6.0),  # eight cores are charged as the GPU that they keep from others
        ({}, 24.0, 12.0, 12.0),
        ({}, 240.0, 12.0, 30.0),
        ({"cores_per_gpu": None}, 48.0, 0.0, 0.0),
        ({"counts": "cores"}, 48.0, 12.0, 48.0),
        ({"rate": {"value": 0.5, **FACT}}, 0.0, 12.0, 6.0),
        ({"rate": {}}, 48.0, 12.0, None),
    ],
)
def test_hours_that_tasks_use(more, core_h, gpu_h, hours):
    assert bill(**more).used(core_h, gpu_h) == hours


@pytest.mark.parametrize(
    "more, hours",
    [
        ({}, 120.0),  # two GPUs of each node
        ({"cores_per_gpu": 2}, 240.0),  # 16 cores are the share of eight GPUs
        ({"whole_nodes": True, "cores_per_gpu": 10}, 240.0),
        ({"counts": "cores"}, 480.0),
        ({"counts": "cores", "whole_nodes": True}, 2400.0),
        ({"rate": {"value": 0.5, **FACT}}, 60.0),
        ({"rate": {}}, None),
    ],
)
def test_hours_that_jobs_reserve(more, hours):
    """Two nodes of 40 cores and 4 GPUs for 30 h, of which 16 cores and 2 GPUs per node are asked for."""
    assert bill(**more).reserved(30.0, 16, 2, 2, (40, 4)) == hours


def test_the_lines_of_a_request():
    text = lines(expected(), Center(SLURM, bill(dynamic_access={"value": 100, **FACT}), None), Job(8, 2), "1 GB")
    assert "  glass      6 A100 hours = 12 normalized hours" in text
    assert "  md         12 A100 hours = 24 normalized hours" in text
    assert "  in tasks   18 A100 hours = 36 normalized hours" in text
    # one node, two GPUs, 30 h
    assert "  hours: 60 A100 hours = 120 normalized hours" in text
    assert "  size of a job: 8 cores on 1 node, 2 GPUs per node" in text
    assert "  length: 30 h in all, a chain of 2 jobs of up to 20 h" in text
    assert "Regular Access; Dynamic Access is up to 100 normalized hours" in "\n".join(text)
    assert any("shipped times and times of this machine" in line for line in text)
    small = lines(expected(), Center(SLURM, bill(dynamic_access={"value": 120, **FACT}), None), Job(8, 2), "1 GB")
    assert any(line.startswith("  access: Dynamic Access") for line in small)


def test_a_plan_over_weeks_loses_no_hour():
    """Three weeks for 30 h of wall time: ten hours each, the last six of which are md's."""
    plan = weekly(expected(), bill(), 3, 30 / 168)
    assert [set(week) for week in plan] == [{"glass"}, {"glass"}, {"glass", "md"}]
    assert [week["glass"] for week in plan] == pytest.approx([2.5, 2.5, 1.0])
    assert plan[2]["md"] == pytest.approx(12.0)
    assert sum(sum(week.values()) for week in plan) == pytest.approx(18.0)
    text = plan_lines(expected(), Center(SLURM, bill(), None), 3)
    assert text[1] == "  week 1: 2.5 A100 hours (glass 2.5)"
    assert text[-1] == "  10 h of jobs a week: 1 job of up to 20 h"


def test_a_plan_that_is_too_short_says_how_long_it_has_to_be():
    with pytest.raises(InputError, match=r"--weeks 2: the run takes 3 weeks .* \(--weeks 3\)"):
        weekly(Forecast(rows(), 3 * 168 * 3600.0, []), bill(), 2, 3.0)


def test_more_gpus_than_a_node_has_are_refused_with_the_key(monkeypatch, tmp_path):
    monkeypatch.setenv("NAGLASS_SITE", str(tmp_path / "site.yaml"))
    with pytest.raises(InputError, match=r"md\.gpus: 5: .*site\.yaml: slurm\.gpus_per_node is 4"):
        lines(expected(), Center(SLURM, bill(), None), Job(8, 5), "1 GB")


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_profile_has_a_bill_with_sources(name):
    found, path = bill_of(name, None)
    facts = (found.rate, found.normalized, found.dynamic_access)
    assert all(fact.value is None or (fact.source and fact.read) for fact in facts)
    unknown = [fact for fact in facts[:2] if fact.value is None]
    assert name in ("slurm", "workstation") or not unknown or path.read_text().count("fill in") >= len(unknown)


def test_a_factor_without_a_source_and_an_unknown_one_are_named_with_their_lines(tmp_path):
    (tmp_path / "input.yaml").write_text(INPUT)
    own = tmp_path / "site.yaml"

    def estimate(*words, profile="threads: 1\n"):
        own.write_text(profile)
        return called("estimate", "input.yaml", *words, cwd=tmp_path, NAGLASS_SITE=str(own))

    made = estimate("--site", "adastra-mi250x")
    assert made.returncode == 0 and "reserved   ? GPU hours" in made.stdout
    assert "adastra-mi250x.yaml:23: bill.rate\n" in made.stdout
    filled = "bill: {rate: {value: 0.5, source: a page, read: 2026-11-30}}\n"
    made = estimate("--site", "adastra-mi250x", profile=filled)
    assert (
        "? GPU hours" not in made.stdout and "1 hour of a GPU = 0.5 GPU hours (a page, read 2026-11-30)" in made.stdout
    )
    made = estimate("--site", "slurm", profile="bill: {rate: {value: 2}}\n")
    assert made.returncode == 2 and "site.yaml:1: bill.rate: has a value, but no source" in made.stderr
    made = estimate("--weeks", "3")
    assert made.returncode == 2 and "--weeks 3: is given without --site" in made.stderr
    made = estimate("--site", "slurm")
    assert made.returncode == 2 and "slurm.yaml:7: slurm.cores_per_node: is not known" in made.stderr
