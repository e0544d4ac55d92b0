"""Keys that name elements and hold for several systems, of which some lack the element."""

import pytest

from naglass_drv.dataset.frames import write_frames
from naglass_drv.stages import analysis
from naglass_drv.stages.base import Run
from support import taken
from support.attempts import attempt
from support.labeled import cell
from support.studies import refused, study

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
    without = LIST.replace("composition: {Na: 2, V4+: 2, P: 2, O: 10}, ", "")
    assert refused(tmp_path, without) == ["input.yaml:8: systems[1]: needs either composition or mol_percent"]


def test_the_analysis_of_a_system_ignores_cutoffs_of_elements_that_it_lacks(tmp_path):
    found = study(tmp_path, LIST)
    run = Run(found.systems["plain"], tmp_path, tmp_path)
    write_frames(run.products / "glass" / "g0.extxyz", [cell("Na4P4O12")])
    (task,) = analysis.plan(taken.given(run, glass=taken.glasses(run, "g0")))
    assert analysis.run(attempt(task, tmp_path / "a"))["atoms"] == 20


ENTRIES = """\
name: entries
glass: {}
reference: [{name: labels, level: gfn1-xtb}]
systems:
  - {name: a, composition: {Na: 1, P: 1, O: 3}, density_g_cm3: 2.5}
"""
MIXED = "mol_percent: {Na2O: 50, P2O5: 50}, density_g_cm3: 2.5"
PLAIN = "composition: {Na: 1, P: 1, O: 3}, density_g_cm3: 2.5"
OWN = "name, seed, glass, reference, md, analysis, report"


@pytest.mark.parametrize(
    ("entry", "messages"),
    [
        (f"{MIXED}, wrong: 1", [".wrong: not a known key; known keys: mol_percent, redox, atoms, density_g_cm3, "
                                f"molar_volumes_cm3, {OWN}"]),
        (f"{PLAIN}, wrong: 1", [".wrong: not a known key; known keys: composition, formula_units, density_g_cm3, "
                                f"{OWN}"]),
        (f"{MIXED}, replicas: 2", [".replicas: not a known key; it belongs to glass"]),
        (f"{PLAIN}, glas: {{}}", [".glas: not a known key; did you mean 'glass'?"]),
        (f"{MIXED}, train: {{epochs: 1}}", [".train: is shared by all systems; write it beside 'systems'"]),
        (f"{PLAIN}, dataset: {{}}, learn: {{}}", [
            ".dataset: is shared by all systems; write it beside 'systems'",
            ".learn: is shared by all systems; write it beside 'systems'"]),
        (f"{MIXED}, composition: {{Na: 2}}", [".composition: cannot be combined with mol_percent; give one of them"]),
        (f"{PLAIN}, atoms: 50", [".atoms: cannot be combined with composition; give one of them"]),
        ("compositon: {Na: 2, O: 1}, density_g_cm3: 2", [
            ".compositon: not a known key; did you mean 'composition'?", ": needs either composition or mol_percent"]),
        (f"{PLAIN}, reference: {{lables: {{rattle_A: 0.1}}}}", [
            ".reference.lables: key 'level' is missing, which a new set needs; the shared sets are labels"]),
    ],
)  # fmt: skip
def test_keys_of_an_entry_are_answered_with_what_it_may_have(tmp_path, entry, messages):
    assert refused(tmp_path, f"{ENTRIES}  - {{name: b, {entry}}}\n") == [
        f"input.yaml:6: systems[1]{message}" for message in messages
    ]


def test_a_series_has_no_sections_of_its_own(tmp_path):
    text = SERIES.replace("  atoms: 50\n", "  atoms: 50\n  md: {}\n  glas: {}\n")
    assert refused(tmp_path, text) == [
        "input.yaml:5: series.md: is shared by all systems; write it beside 'series'",
        "input.yaml:6: series.glas: not a known key; known keys: mol_percent, redox, atoms, density_g_cm3, "
        "molar_volumes_cm3",
    ]


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ("{labels: {level: gfn1-xtb}}", "reference: must be a list, with a dash before each item, not "),
        ("[{level: gfn1-xtb}]", "reference[0]: key 'name' is missing"),
    ],
)
def test_shared_sets_without_names_are_one_error_whatever_a_system_overrides(tmp_path, sets, message):
    text = ENTRIES.replace("[{name: labels, level: gfn1-xtb}]", sets)
    text += f"  - {{name: b, {PLAIN}, reference: {{labels: {{rattle_A: 0.1}}}}}}\n"
    (line,) = refused(tmp_path, text)
    assert line.startswith(f"input.yaml:3: {message}")
