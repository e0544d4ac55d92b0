"""The stage `insight`: its place in a run, its products, and what it says of inputs and of too few glasses."""

import json

import pytest
from ruamel.yaml import YAML

from support.jobs import called

pytestmark = pytest.mark.slow

# six glasses of 40 to 60 atoms, seconds each
SERIES = """
name: tiny
seed: 1
series:
  mol_percent: {Na2O: [30, 40, 50], TiO2: [10, 20], P2O5: rest}
  atoms: 40
  molar_volumes_cm3: {Na2O: 34, TiO2: 26, P2O5: 65}
glass:
  melt_ps: 0.5
  quench_rate_K_per_ps: 1500
  final_temperature_K: 1800
  hold_ps: 6
  timestep_fs: 2
analysis: {r_max_A: 4, q_max_per_A: 4}
insight: {target: glass.D, models: [ridge], permutations: 99}
"""
MEASURED = """Na2O (mol%),TiO2 (mol%),P2O5 (mol%),conductivity (S/cm)
30,10,60,1.1e-9
40,10,50,2e-9
50,10,40,<4e-9
30,20,50,1.4e-9
40,20,40,2.1e-9
50,20,30,3.9e-9
20,0,80,1e-10
"""


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """The folder of a run of six glasses."""
    folder = tmp_path_factory.mktemp("series")
    (folder / "input.yaml").write_text(SERIES)
    done = called("run", "input.yaml", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def claims_of(folder):
    return YAML(typ="safe").load(folder / "run" / "products" / "insight" / "claims.yaml")


def test_few_glasses_have_predictions_and_no_claims_about_blocks(series):
    found = claims_of(series)
    assert (found["target"], found["unit"], found["compositions"], found["temperature_K"]) == (
        "glass.D", "m^2/s", 6, [1800.0],
    )  # fmt: skip
    assert not [claim for claim in found["claims"] if claim["verdict"] != "trend"]
    assert any("no claims about blocks: 6 compositions for" in text for text in found["not_possible"])
    assert any("no prediction intervals: 6 compositions" in text for text in found["not_possible"])
    assert any("quenched at 1500 K/ps" in text for text in found["limits"])
    assert all(claim["limits"] == found["limits"] for claim in found["claims"])
    assert set(found["sources"]) == {"this run"} and len(found["sources"]["this run"]) == 64
    page = (series / "run" / "insight.html").read_text()
    for part in (
        "What the self-diffusion coefficient of Na in the hold depends on",
        "share of Q",
        "Referee&#x27;s questions",
        "Not judged",
        "TiO2",
    ):
        assert part in page, part
    notes = [text for text in found["notes"] if "redox.Ti4+ is constant" in text]
    assert notes and "Share of Ti⁴⁺ among Ti is constant" in page and "redox.Ti4+" not in page
    manifest = json.loads((series / "run" / "products" / "insight" / "manifest.json").read_text())
    assert {"page", "claims", "figures/parity.svg", "figures/learning-curve.svg"} <= set(manifest["files"])


def test_a_real_run_fills_every_block(series):
    """All blocks that the glasses of one potential and one redox state can have have a feature that varies."""
    page = (series / "run" / "insight.html").read_text()
    for block, feature in (
        ("composition", "Na2O"), ("short-range order", "mean P-O bond length"),
        ("medium-range order", "mean n of Qⁿ of P"), ("medium-range order", "rings of "),
        ("medium-range order", "first sharp diffraction peak"),
        ("free volume and channels", "largest sphere that passes"),
    ):  # fmt: skip
        assert block in page and feature in page, feature
    rows = json.loads((series / "run/products/Na2O-30_TiO2-10/analysis/quantities/glass.json").read_text())
    assert "redox.glass.Ti4+" in {row["key"] for row in rows}


def test_a_study_is_done_once_and_other_studies_count(series):
    again = called("run", "input.yaml", cwd=series)
    assert "insight: 1 task, 1 already done" in again.stdout
    text = (series / "input.yaml").read_text()
    (series / "input.yaml").write_text(text.replace("glass.D", "network.mean_n"))
    called("run", "input.yaml", cwd=series)
    assert claims_of(series)["studies_of_this_table"] == 2
    (series / "input.yaml").write_text(text)
    back = called("run", "input.yaml", cwd=series)
    assert back.returncode == 0 and claims_of(series)["studies_of_this_table"] == 1, "the first study stays the first"


def test_measured_values_meet_the_glasses_of_another_run(series, tmp_path):
    """Conductivities of real glasses with the features of simulated ones; one that was not simulated is left out."""
    (tmp_path / "measured.csv").write_text(MEASURED)
    keys = f"target: conductivity, carrier: Na, runs: [{series}/run], tables: [measured.csv], models: [ridge]"
    system = "system: {composition: {Na: 1, P: 1, O: 3}, formula_units: 8, density_g_cm3: 2.4}"
    (tmp_path / "input.yaml").write_text(f"name: joined\n{system}\ninsight: {{{keys}}}\n")
    told = called("validate", "input.yaml", cwd=tmp_path)
    assert "insight       conductivity of 6 compositions: predictions" in told.stdout, told.stderr
    done = called("run", "input.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = claims_of(tmp_path)
    assert (found["compositions"], found["unit"]) == (6, "S/cm")
    assert "measured, but not simulated, left out: 20 Na2O · 80 P2O5" in found["notes"]
    assert any("the conductivity is that of Na" in text for text in found["limits"])
    assert any("1 of 6 values is a bound" in text for text in found["limits"])
    assert any("faster than laboratory glasses" in text for text in found["limits"])
    assert set(found["sources"]) == {"this run", f"{series}/run", "measured.csv"} - {"this run"}


def test_proposals_of_a_run_are_made_as_its_glasses_were(series, tmp_path):
    words = ["--target", "network.mean_n", "--models", "ridge", "--permutations", "99", "--aim", "information"]
    words += ["--design", "2", "--density", "2.2", "--atoms", "60"]
    done = called("insight", f"{series}/run", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    yaml = YAML(typ="safe")
    written, given = yaml.load(tmp_path / "insight" / "next.yaml"), yaml.load(SERIES)
    assert (written["glass"], written["analysis"]) == (given["glass"], given["analysis"])
    assert written["insight"] == {"target": "network.mean_n", "runs": [str((series / "run").resolve())]}
    told = called("validate", "insight/next.yaml", cwd=tmp_path)
    assert told.returncode == 0 and "network.mean_n of 8 compositions" in told.stdout, told.stdout + told.stderr
    dry = called("run", "insight/next.yaml", "--dry-run", cwd=tmp_path)
    assert dry.returncode == 0 and "p2/glass" in dry.stdout, dry.stdout + dry.stderr


def test_one_composition_is_told_and_fails_nothing(tmp_path):
    one = SERIES.replace("[30, 40, 50]", "40").replace("[10, 20]", "10")
    (tmp_path / "input.yaml").write_text(one)
    told = called("validate", "input.yaml", cwd=tmp_path)
    assert "glass.D of 1 composition: too few to leave any out; 5 are needed" in told.stdout
    done = called("run", "input.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = claims_of(tmp_path)
    assert found["claims"] == [] and "all rows are of one group" in found["not_possible"][0]
    assert "Nothing can be claimed." in (tmp_path / "run" / "insight.html").read_text()


@pytest.mark.parametrize(
    ("section", "error"),
    [
        ("{target: transport.D}", "'transport.D' is measured on trajectories, and there is no md section"),
        ("{target: glas.D}", "'glas.D' is not a quantity that a run makes: glass.D, "),
        ("{target: glass.D, runs: [nowhere]}", "insight.runs[0]: "),
        ("{target: D, tables: [nothing.csv]}", "insight.tables[0]: 'nothing.csv': no such file"),
        ("{target: sigma, tables: [bare.csv]}", "sigma has no unit"),
        ("{target: sigma (S/m), tables: [bare.csv]}", "there is no column"),
        ("{target: glass.D, models: [rigde]}", "insight.models[0]: must be 'ridge'"),
        ("{}", "insight: key 'target' is missing"),
    ],
)
def test_bad_input_is_named_before_anything_runs(tmp_path, section, error):
    (tmp_path / "bare.csv").write_text("Na2O,P2O5,sigma\n50,50,1\n40,60,2\n")
    text = SERIES.replace("{target: glass.D, models: [ridge], permutations: 99}", section)
    (tmp_path / "input.yaml").write_text(text)
    done = called("validate", "input.yaml", cwd=tmp_path)
    assert done.returncode == 2 and error in done.stderr, done.stderr
    assert done.stderr.startswith("input.yaml:")
