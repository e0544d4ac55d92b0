"""Keys that name elements and hold for several systems, of which some lack the element."""

import pytest

from naglass_drv.cli.checks import Checks
from naglass_drv.config.load import load_study
from naglass_drv.dataset.frames import write_frames
from naglass_drv.errors import InputError
from naglass_drv.stages import analysis
from naglass_drv.stages.base import Run
from support import taken
from support.attempts import attempt
from support.labeled import cell

SERIES = """\
name: grid
series:
  mol_percent: {Na2O: 40, V2O5: [0, 10], P2O5: rest}
  atoms: 50
  density_g_cm3: 2.7
glass: {}
reference: [{name: a, level: pbe+u+d3, u_eV: {V: 3.0, O-2p: 1.0}}]
analysis: {cutoffs_A: {P-O: 2.0, V-O: 2.5}}
"""
LIST = """\
name: two
glass: {}
reference:
  - {name: a, level: {name: pbe+u, u_eV: {V: 3.0}}}
analysis: {cutoffs_A: {V-O: 2.5}}
systems:
  - {name: plain, composition: {Na: 4, P: 4, O: 12}, density_g_cm3: 2.5}
  - {name: own, composition: {Na: 2, V4+: 2, P: 2, O: 10}, density_g_cm3: 2.8}
"""


def study(tmp_path, text):
    (tmp_path / "input.yaml").write_text(text)
    return load_study(tmp_path / "input.yaml", checks=[Checks()])


def refused(tmp_path, text):
    with pytest.raises(InputError) as error:
        study(tmp_path, text)
    return str(error.value).splitlines()


@pytest.mark.parametrize("text", [SERIES, LIST])
def test_one_system_with_the_element_is_enough(tmp_path, text):
    assert len(study(tmp_path, text).systems) == 2


def test_an_element_that_no_system_has_is_one_error(tmp_path):
    assert refused(tmp_path, SERIES.replace("V-O: 2.5", "Fe-O: 2.5").replace("{V: 3.0,", "{Fe: 3.0,")) == [
        "input.yaml:7: reference[0].u_eV: Fe: this element is not one of Na, O, P, V",
        "input.yaml:8: analysis.cutoffs_A.Fe-O: Fe is not in the composition (Na, O, P, V)",
    ]


def test_what_a_system_says_itself_has_to_fit_it(tmp_path):
    more = "analysis: {cutoffs_A: {V-O: 2.4}}, reference: {a: {level: {u_eV: {V: 2.0}}}}"
    text = LIST.replace("density_g_cm3: 2.5}", f"density_g_cm3: 2.5, {more}}}")
    assert refused(tmp_path, text) == [
        "input.yaml:7: systems[0].analysis.cutoffs_A.V-O: V is not in the composition (Na, O, P)",
        "input.yaml:7: systems[0].reference.a.level.u_eV: V: this element is not one of Na, O, P",
    ]
    assert study(tmp_path, LIST.replace("density_g_cm3: 2.8}", f"density_g_cm3: 2.8, {more}}}"))


def test_a_composition_that_is_not_valid_leaves_the_question_open(tmp_path):
    (line,) = refused(tmp_path, LIST.replace("V4+: 2", "V4: 2"))
    assert line.startswith("input.yaml:8: systems[1].composition.V4: ")


def test_the_analysis_of_a_system_ignores_cutoffs_of_elements_that_it_lacks(tmp_path):
    found = study(tmp_path, LIST)
    run = Run(found.systems["plain"], tmp_path, tmp_path)
    write_frames(run.products / "glass" / "g0.extxyz", [cell("Na4P4O12")])
    (task,) = analysis.plan(taken.given(run, glass=taken.glasses(run, "g0")))
    assert analysis.run(attempt(task, tmp_path / "a"))["atoms"] == 20
