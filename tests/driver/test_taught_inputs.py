"""Inputs with levels that are potentials: what is refused, with its line, before anything runs."""

import pytest

from naglass_drv.engines.mlip.families import FAMILIES
from naglass_drv.errors import InputError
from support.mace_models import SMALLEST, build_model
from support.studies import refused, study
from support.taught import LJ, TITLE

INPUT = """\
name: t
system: {{composition: {{Na: 1, P: 1, O: 3}}, formula_units: 6, density_g_cm3: 2.5}}
glass: {{}}
reference:
  - name: a
    level: {level}
    {more}
dataset: {{level: {title}}}
"""
EMT = "{name: mlip, family: ase, model: 'ase.calculators.emt:EMT'}"
MACE = "{name: mlip, family: mace, model: models/m.mace}"
GOOD = "{name: mlip, family: ase, model: 'ase.calculators.lj:LennardJones'}"


@pytest.mark.parametrize(
    ("level", "message"),
    [
        ("mlip", "level: level 'mlip' is a potential: set the key family and model"),
        ("{name: mlip, family: ase}", "level: level 'mlip' is a potential: set the key model"),
        (
            "{name: mlip, family: nequip, model: l}",
            "level.family: 'nequip': no such family of potentials; there are sevennet, chgnet, mace, lammps, ase",
        ),
        (
            "{name: mlip, family: sevennet, model: 7net-omni}",
            "level.model: '7net-omni': sevennet has no such model; it has 7net-0, 7net-l3i5, 7net-mf-0",
        ),
        (
            "{name: mlip, family: known, model: with, dispersion: d3}",
            "level.dispersion: 'd3': known:with was trained on energies with dispersion, which would be added twice",
        ),
        (
            "{name: mlip, family: ase, model: 'a:b', dispersion: d3}",
            "level.dispersion: 'd3': is not added to potentials of the family ase",
        ),
        ("{name: mlip, family: mace, model: none.mace}", "level.model: 'none.mace': no such file (looked for"),
        ("{name: mlip, family: ase, model: EMT}", "level.model: 'EMT': must be MODULE:NAME"),
        (EMT, "level.model: 'ase.calculators.emt:EMT': WORKER_FAILED: ase: NotImplementedError: No EMT-potential"),
        (
            "{name: mlip, family: ase, model: 'no.such:Thing'}",
            "level.model: 'no.such:Thing': WORKER_FAILED: ase: ModuleNotFoundError",
        ),
        ("{name: mlip, family: lammps, model: few.lmp}", "level.model: 'few.lmp': WORKER_FAILED: lammps: "),
        ("{name: mlip, family: lammps, model: odd.lmp}", "level: FOLDER/odd.lmp:1: 'Xy': no element"),
        ("{name: mlip, family: known, model: small}", "level.family: known: no environment in "),
        (
            "{name: mlip, family: ase, model: 'a:b', cutoff_Ry: 500}",
            "level.cutoff_Ry: 500: the level mlip has no plane-wave cutoff",
        ),
        ("{name: pbe, family: sevennet}", 'level.family: "sevennet": the level pbe has no family of potentials'),
        ("{name: gfn1-xtb, dispersion: d3}", 'level.dispersion: "d3": the level gfn1-xtb has no dispersion to add'),
    ],
)
def test_levels_that_are_refused_with_their_line(tmp_path, monkeypatch, level, message):
    from naglass_drv.engines.mlip.families import Family, Model

    monkeypatch.setenv("NAGLASS_ENVIRONMENTS", str(tmp_path))
    (tmp_path / "few.lmp").write_text("# elements Na P O\npair_style lj/cut 4.0\npair_coeff * * 0.05\n")
    (tmp_path / "odd.lmp").write_text("# elements Na Xy O\npair_style lj/cut 4.0\npair_coeff * * 0.05 2.2\n")
    models = {"with": Model("PBE", True), "small": Model("PBE")}
    monkeypatch.setitem(FAMILIES, "known", Family("known", (), models, "-", "-"))
    message = message.replace("sevennet, chgnet, mace", "sevennet, chgnet, known, mace").replace(
        "FOLDER", str(tmp_path)
    )
    lines = refused(tmp_path, INPUT.format(level=level, more="charge: 0", title="gfn1-xtb"))
    line = next(each for each in lines if "dataset" not in each)
    assert line.startswith(f"input.yaml:6: reference[0].{message}"), lines
    if "no environment" in message:
        assert line.endswith("make it with: python -m naglass_drv env make known")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("aimd: {segments: [{temperature_K: 300, time_ps: 1}]}", "aimd: a potential labels structures"),
        ("outputs: [elf]", "outputs: a potential knows no electrons"),
        ("spin: sampled", "spin: sampled: a potential knows no spin"),
    ],
)
def test_what_only_cp2k_can_do_is_refused_by_name(tmp_path, more, message):
    assert refused(tmp_path, INPUT.format(level=GOOD, more=more, title=TITLE))[0].startswith(
        f"input.yaml:7: reference[0].{message}"
    )


def test_the_dataset_asks_for_a_potential_by_its_title(tmp_path):
    assert study(tmp_path, INPUT.format(level=GOOD, more="charge: 0", title=TITLE))
    lines = refused(tmp_path, INPUT.format(level=GOOD, more="charge: 0", title="mlip"))
    known = f"the reference sets are at {TITLE}, and include lists no files"
    assert lines == [f"input.yaml:8: dataset.level: no frames at 'mlip': {known}"]
    flat = INPUT.format(level="mlip", more="family: ase\n    model: 'ase.calculators.lj:LennardJones'", title=TITLE)
    assert (
        study(tmp_path, flat).systems[""] == study(tmp_path, INPUT.format(level=GOOD, more="", title=TITLE)).systems[""]
    )
    second = f"charge: 0\n  - {{name: b, level: {GOOD.replace('lj:LennardJones', 'morse:MorsePotential')}}}"
    assert study(tmp_path, INPUT.format(level=GOOD, more=second, title=TITLE))


def test_isolated_atoms_of_a_potential_are_refused(tmp_path):
    text = INPUT.format(level=GOOD, more="charge: 0", title=f"{TITLE}, E0: isolated_atoms")
    (line,) = refused(tmp_path, text)
    assert line.startswith("input.yaml:5: reference[0]: set a: no isolated-atom energy (E0) for Na, O, P at level ase-")
    assert line.endswith("or set dataset.E0 to least_squares")


def test_a_level_stays_what_it_is_in_settings_and_run_yaml(tmp_path):
    (input,) = study(tmp_path, INPUT.format(level=GOOD, more="charge: 0", title=TITLE)).systems.values()
    level = input.reference[0].level
    assert level.stated() == LJ and level.title == TITLE and type(level).of(**level.stated()) == level
    with pytest.raises(InputError, match="level mlip: a potential, which CP2K does not evaluate"):
        from naglass_drv.engines.cp2k.theory.levels import method

        method(level)


def test_a_model_of_mace_is_a_file_that_covers_the_elements(tmp_path):
    from naglass_drv.engines.mace.modelfile import default_dtype, save_portable

    model = tmp_path / "models" / "m.mace"
    model.parent.mkdir()
    with default_dtype("float64"):
        save_portable(build_model(**SMALLEST), model)
    text = INPUT.format(level=MACE, more="charge: 0", title="mace-m.mace")
    assert study(tmp_path, text)
    lines = refused(tmp_path, text.replace("P: 1, O: 3", "F: 1"))
    assert "input.yaml:6: reference[0].level.model: 'm.mace': does not cover F; it covers Na, O, P, V" in lines
    (tmp_path / "models" / "pickled.model").write_bytes(b"\x80\x02.")
    lines = refused(tmp_path, text.replace("models/m.mace", "models/pickled.model"))
    line = next(each for each in lines if each.startswith("input.yaml:6: reference[0].level.model: "))
    assert "a pickled mace-torch model, which can run code" in line and "run 'export-model" in line
    # two files of one name
    (tmp_path / "m.mace").write_bytes(model.read_bytes())
    second = f"charge: 0\n  - {{name: b, level: {MACE.replace('models/', '')}}}"
    (line,) = refused(tmp_path, INPUT.format(level=MACE, more=second, title="mace-m.mace"))
    assert line.startswith("input.yaml:8: reference[1].level.model: model is m.mace here and models/m.mace on line 6")
