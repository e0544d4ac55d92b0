"""What distinguishes atoms, by the stage `insight` in the same run as what the glasses tell, and as by the verb."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from ruamel.yaml import YAML

from naglass_drv.config.load import load
from naglass_drv.insight.runs import products_of
from naglass_drv.products import Product
from naglass_drv.runtime.flow import Flow
from naglass_drv.stages import insight
from naglass_drv.stages.base import Run
from naglass_drv.workflow.chain import chain
from support.insight_runs import made_run
from support.jobs import called
from support.studies import study

TARGETS = {"ions.mobile": "medium_range", "crystal.joined": "crystal", "metals.V.reduced": "around"}
MODEL = Path(__file__).parents[2] / "examples" / "quickstart" / "start" / "model.mace"
INPUT = """
name: atoms
system: {composition: {Na: 1, P: 1, O: 3}, formula_units: 8, density_g_cm3: 2.4}
insight: {target: transport.D, atoms: [ATOMS], runs: [run], models: [ridge], permutations: 99}
"""


def learned(folder, *targets):
    """The finished run of an input that asks for these targets of atoms, in `folder`/own."""
    (folder / "input.yaml").write_text(INPUT.replace("ATOMS", ", ".join(targets)))
    done = called("run", "input.yaml", "--folder", "own", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "own"


def claims_of(path):
    return YAML(typ="safe").load(path)


@pytest.mark.slow
def test_glasses_and_atoms_are_studied_in_one_run(tmp_path):
    made_run(tmp_path, 8)
    own = learned(tmp_path, *TARGETS)
    product = own / "products" / "insight"
    manifest = json.loads((product / "manifest.json").read_text())
    for target, block in TARGETS.items():
        found = claims_of(product / "atoms" / f"{target}.yaml")
        assert (found["target"], found["level"], found["glasses"]) == (target, "atoms", 8)
        assert block in {claim["block"] for claim in found["claims"] if claim["verdict"] == "important"}
        assert set(found["sources"]) == {"run"}
        page = (own / f"insight-{target}.html").read_text()
        assert f"What distinguishes atoms by {target}" in page
        assert ("Oxidation states are told by the moments of labels" in page) == (target == "metals.V.reduced")
        assert {f"{target}/page", f"{target}/claims", f"figures/{target}-propensity.svg"} <= set(manifest["files"])
        # the verb says the same
        done = called("insight", "run", "--target", target, "-o", "verb", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        same = claims_of(tmp_path / "verb" / "claims.yaml")
        assert {**same, "sources": None} == {**found, "sources": None}
    told = manifest["facts"]["found"]
    assert any(
        text.startswith("Atoms that join the crystal differ from those that do not in distance") for text in told
    )
    glasses = claims_of(product / "claims.yaml")
    assert glasses["target"] == "transport.D" and glasses["compositions"] == 8
    # what is no longer asked for goes, and the study of the glasses stays as it is
    done = learned(tmp_path, "ions.mobile") / "products" / "insight"
    assert [path.name for path in (done / "atoms").iterdir()] == ["ions.mobile.yaml"]
    assert [path.name for path in own.glob("insight-*.html")] == ["insight-ions.mobile.html"]
    assert claims_of(done / "claims.yaml") == glasses


def test_too_few_glasses_are_told_and_fail_nothing(tmp_path):
    made_run(tmp_path, 4, joining=False)
    own = learned(tmp_path, "ions.mobile", "crystal.joined")
    claims = {target: claims_of(own / "products/insight/atoms" / f"{target}.yaml") for target in list(TARGETS)[:2]}
    assert all(found["claims"] == [] for found in claims.values())
    assert "4 glasses have at least 2 atoms of both kinds, and 5 are needed" in claims["ions.mobile"]["not_possible"][0]
    assert "3 atoms joined the crystal; fewer than 50" in claims["crystal.joined"]["not_possible"][0]
    assert "Nothing can be claimed." in (own / "insight-ions.mobile.html").read_text()


@pytest.mark.parametrize(
    ("atoms", "error"),
    [
        (
            "ions.fast",
            "insight.atoms[0]: 'ions.fast' is not a target of single atoms; they are ions.mobile, crystal.jo",
        ),
        ("ions.mobile", "insight.atoms[0]: 'ions.mobile' is read from trajectories, and there is no md section"),
        ("metals.V.reduced", "'metals.V.reduced' is read from trajectories or labels, and there is no md section"),
        (
            "crystal.joined",
            "'crystal.joined' takes trajectories of a crystal against a glass: md.structures: interface",
        ),
        ("ions.mobile, ions.mobile", "insight.atoms: "),
    ],
)
def test_bad_targets_are_named_before_anything_runs(tmp_path, atoms, error):
    text = INPUT.replace("ATOMS", atoms).replace("transport.D", "glass.D").replace("runs: [run], ", "")
    (tmp_path / "input.yaml").write_text(f"{text}glass: {{}}\nanalysis: {{}}\n")
    done = called("validate", "input.yaml", cwd=tmp_path)
    assert done.returncode == 2 and error in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("replicas", "told"), [(4, "4 glasses: too few to leave any out; 5 are needed"), (5, "5 glasses: claims, if 5 of")]
)
def test_validate_tells_how_many_glasses_there_will_be(tmp_path, replicas, told):
    text = INPUT.replace("ATOMS", "ions.mobile").replace("transport.D", "glass.D").replace("runs: [run], ", "")
    md = f"md: {{model: {MODEL}, temperatures_K: [600], time_ps: 2}}"
    (tmp_path / "input.yaml").write_text(f"{text}glass: {{replicas: {replicas}}}\n{md}\nanalysis: {{}}\n")
    done = called("validate", "input.yaml", cwd=tmp_path)
    assert f"insight       ions.mobile of the atoms of {told}" in done.stdout, done.stdout + done.stderr


def test_the_atoms_of_the_run_itself_are_read(tmp_path):
    """Products of its own md, analysis and reference, with nothing but the files that a target is read from."""
    folder = made_run(tmp_path, 6)
    (tmp_path / "input.yaml").write_text(INPUT.replace("ATOMS", ", ".join(TARGETS)))
    products = list(products_of(folder))
    takes = {step: tuple(p for p in products if p.step == step) for step in ("analysis", "md", "reference")}
    asked = load(tmp_path / "input.yaml")
    asked = asked.model_copy(update={"insight": asked.insight.model_copy(update={"runs": []})})
    glasses, *of_atoms = insight.plan(Run(asked, tmp_path, tmp_path / "own", takes))
    assert glasses.name == "insight" and [task.name for task in of_atoms] == [f"atoms-{each}" for each in TARGETS]
    ions, joined, reduced = ({role.rpartition("/")[2] for role in task.inputs} for task in of_atoms)
    assert (ions, joined) == ({"trajectory", "curves"}, {"numbers"}) and "admitted" in reduced
    assert "0/s0/g0-800K/trajectory" in of_atoms[0].inputs
    for task in of_atoms:
        place = tmp_path / task.name
        place.mkdir()
        job = SimpleNamespace(task=task, folder=place, rank=0, progress=lambda *told: None)
        assert insight.run(job)["atoms"] >= 6 * 12
        assert set(claims_of(place / "claims.yaml")["sources"]) == {"this run"}


@pytest.mark.parametrize(("atoms", "taken"), [("ions.mobile", {"analysis", "glass", "md", "reference"}), ("", None)])
def test_the_step_takes_trajectories_and_labels_for_atoms_alone(tmp_path, atoms, taken):
    """A study of glasses is not to wait for, nor to depend on, files that it does not read."""
    text = INPUT.replace("ATOMS", atoms).replace("transport.D", "glass.D").replace("runs: [run], ", "")
    md = f"md: {{model: {MODEL}, temperatures_K: [600], time_ps: 2}}"
    found, takes = study(tmp_path, f"{text}glass: {{}}\n{md}\nanalysis: {{}}\n"), {}

    def begin(step, answer):
        takes[step.label] = step.takes
        answer(Product(step.scope, step.stage))

    Flow(chain(found.by_round, found.systems, found.seed), begin).advance()
    assert set(takes["insight"]) == (taken or {"analysis", "glass"})
    assert [product.step for product in takes["insight"].get("md", ())] == (["md"] if taken else [])
