"""The level of a reference set: its two forms in an input, where its errors are reported, and one level per dataset."""

import json

import pytest

from naglass_drv.chemistry.level import Level
from naglass_drv.cli.checks import Checks
from naglass_drv.cli.editors import schema
from naglass_drv.config.load import expanded, load, load_study
from naglass_drv.errors import InputError

HEAD = """\
name: x
system:
  composition: {Na: 4, V4+: 2, P: 4, O: 16}
  density_g_cm3: 2.75
glass: {}
"""
FLAT = (
    HEAD
    + """\
reference:
  - name: a
    level: pbe+u+d3
    cutoff_Ry: 600
    sodium: q1
    u_eV: {V: 4}
  - {name: b, level: gfn1-xtb}
"""
)
NESTED = (
    HEAD
    + """\
reference:
  - name: a
    level: {name: pbe+u+d3, cutoff_Ry: 600.0, sodium: q1, u_eV: {V: 4}}
  - {name: b, level: {name: gfn1-xtb}}
"""
)
SYSTEMS = """\
name: x
systems:
  - {name: a, composition: {Na: 4, V4+: 2, P: 4, O: 16}, density_g_cm3: 2.75}
  - name: b
    composition: {Na: 4, Fe3+: 2, P: 4, O: 15}
    density_g_cm3: 2.75
    reference:
      - {name: a, level: {name: pbe+u, cutoff_Ry: 400}}
glass: {}
reference:
  - {name: a, level: pbe+u, cutoff_Ry: 400}
  - {name: other, level: pbe}
dataset: {level: pbe+u}
"""


def faults(folder, text):
    (folder / "input.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        load_study(folder / "input.yaml", checks=[Checks()])
    return str(caught.value).splitlines()


def read(folder, text):
    (folder / "input.yaml").write_text(text)
    return load(folder / "input.yaml", checks=[Checks()])


def test_flat_and_nested_form_are_one_input(tmp_path):
    flat, nested = read(tmp_path, FLAT), read(tmp_path, NESTED)
    assert flat == nested and flat.model_dump_json() == nested.model_dump_json()
    assert flat.reference[0].level == Level.of("pbe+u+d3", cutoff_Ry=600, sodium="q1", u_eV={"V": 4})


def test_the_expanded_input_shows_every_option_of_the_level_and_is_read_again(tmp_path):
    (tmp_path / "input.yaml").write_text(FLAT)
    text = expanded(load_study(tmp_path / "input.yaml"))
    assert "rel_cutoff_Ry: 60.0" in text and text.count("cutoff_Ry") == 2
    assert read(tmp_path, text) == read(tmp_path, FLAT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (FLAT.replace("600", "10"), "9: reference[0].cutoff_Ry: must be from 50 to 5000, not 10"),
        (NESTED.replace("600.0", "10"), "8: reference[0].level.cutoff_Ry: must be from 50 to 5000, not 10"),
        (FLAT.replace("600", ".inf"), "9: reference[0].cutoff_Ry: '.inf': must be a finite number"),
        (FLAT.replace("pbe+u+d3", "pbo"), "8: reference[0].level: must be 'gfn1-xtb', 'pbe',"),
        (NESTED.replace("pbe+u+d3", "pbo"), "8: reference[0].level.name: must be 'gfn1-xtb', 'pbe',"),
        (FLAT.replace("sodium", "sodim"), "10: reference[0].sodim: not a known key; did you mean 'level.sodium'?"),
        (NESTED.replace("sodium", "sodim"), "8: reference[0].level.sodim: not a known key; did you mean 'sodium'?"),
        (FLAT.replace("    level: pbe+u+d3\n", ""), "7: reference[0]: key 'level' is missing"),
        (FLAT.replace("pbe+u+d3", "pbe"), "11: reference[0].u_eV: {\"V\": 4}: the level pbe has no +U"),
        (NESTED.replace("{name: gfn1-xtb}", "{name: gfn1-xtb, smearing_K: 300}"),
         "9: reference[1].level.smearing_K: 300: the level gfn1-xtb has no electronic temperature"),
        (NESTED.replace("gfn1-xtb}}", "gfn1-xtb}, sodium: q1}"),
         "9: reference[1].sodium: level is a mapping here; write this option into it"),
    ],
)  # fmt: skip
def test_an_error_of_a_level_is_where_it_stands_in_the_file(tmp_path, text, expected):
    (found,) = faults(tmp_path, text)
    assert found.startswith(f"input.yaml:{expected}"), found


def test_systems_with_one_level_share_a_dataset(tmp_path):
    (tmp_path / "input.yaml").write_text(SYSTEMS)
    assert len(load_study(tmp_path / "input.yaml", checks=[Checks()]).systems) == 2


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("{name: pbe+u, cutoff_Ry: 400}", "{name: pbe+u, cutoff_Ry: 600}",
         "8: systems[1].reference[0].level.cutoff_Ry: cutoff_Ry is 600 here and 400 on line 11; a dataset takes"),
        ("{name: pbe+u, cutoff_Ry: 400}", "pbe+u",
         "8: systems[1].reference[0].level: cutoff_Ry is 800 here and 400 on line 11; a dataset takes"),
        ("{name: pbe+u, cutoff_Ry: 400}", "{name: pbe+u, cutoff_Ry: 400, sodium: q1}",
         "8: systems[1].reference[0].level.sodium: sodium is q1 here and q9 on line 11; a dataset takes"),
        ("{name: pbe+u, cutoff_Ry: 400}", "{name: pbe+u, sodium: q1}",
         "8: systems[1].reference[0].level: cutoff_Ry is 800 here and 400 on line 11, sodium is q1 here and "),
        ("other, level: pbe", "other, level: pbe+u, cutoff_Ry: 400, xc_smoothing: nn10",
         "12: reference[1].xc_smoothing: xc_smoothing is nn10 here and none on line 11; a dataset takes"),
    ],
)  # fmt: skip
def test_a_level_that_differs_within_a_dataset_is_one_error(tmp_path, old, new, expected):
    assert old in SYSTEMS
    (found,) = faults(tmp_path, SYSTEMS.replace(old, new))
    assert found.startswith(f"input.yaml:{expected}"), found


OVERRIDES = SYSTEMS.replace(
    "    reference:\n      - {name: a, level: {name: pbe+u, cutoff_Ry: 400}}\n", "    reference: {}\n"
)


@pytest.mark.parametrize(
    ("own", "cutoff_Ry", "sodium"),
    [
        ("{other: {cutoff_Ry: 500}}", 500, "q9"),
        ("{other: {level: {sodium: q1}}}", 800, "q1"),
        ("{other: {level: pbe+d3, sodium: q1, cutoff_Ry: 500}}", 500, "q1"),
        ("{other: {level: {name: pbe+d3, cutoff_Ry: 500}}}", 500, "q9"),
    ],
)
def test_a_system_overrides_single_options_of_a_level_in_either_form(tmp_path, own, cutoff_Ry, sodium):
    (tmp_path / "input.yaml").write_text(OVERRIDES.replace("reference: {}", f"reference: {own}"))
    systems = load_study(tmp_path / "input.yaml", checks=[Checks()]).systems
    level = systems["b"].reference[1].level
    assert (level.cutoff_Ry, level.sodium) == (cutoff_Ry, sodium)
    assert systems["a"].reference[1].level == Level.of("pbe")


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("{other: {cutoff_Ry: 10}}", "7: systems[1].reference.other.cutoff_Ry: must be from 50 to 5000, not 10"),
        ("{other: {level: {cutoff_Ry: 10}}}", "7: systems[1].reference.other.level.cutoff_Ry: must be from 50 to"),
        ("{other: {level: {cutoff_Ry: 400}, sodium: q1}}", "7: systems[1].reference.other.sodium: level is a mapping"),
        ("{a: {cutoff_Ry: 500}}", "7: systems[1].reference.a.cutoff_Ry: cutoff_Ry is 500 here and 400 on line 10"),
    ],
)
def test_an_error_of_an_overridden_level_is_at_the_override(tmp_path, own, expected):
    (found,) = faults(tmp_path, OVERRIDES.replace("reference: {}", f"reference: {own}"))
    assert found.startswith(f"input.yaml:{expected}"), found


def test_an_option_of_an_element_that_only_one_system_has_is_no_difference(tmp_path):
    text = SYSTEMS.replace("{name: pbe+u, cutoff_Ry: 400}", "{name: pbe+u, cutoff_Ry: 400, u_eV: {Fe: 5}}")
    (tmp_path / "input.yaml").write_text(text)
    assert load_study(tmp_path / "input.yaml", checks=[Checks()]).systems["b"].reference[0].level.u_eV == {"Fe": 5}


def test_the_schema_for_editors_knows_both_forms():
    own = schema()["$defs"]["Reference"]["properties"]
    assert "template" in json.dumps(own["level"]["anyOf"][0]) and own["level"]["anyOf"][1] == {"$ref": "#/$defs/Level"}
    assert own["cutoff_Ry"]["description"].startswith("Plane-wave cutoff")
