"""Several systems in one input: what they become, and where errors are reported."""

import json

import pytest

from naglass_drv.config.load import expanded, load
from naglass_drv.errors import InputError
from naglass_drv.products import Product
from naglass_drv.runtime.flow import Flow
from naglass_drv.workflow.chain import chain, stages_of
from support.studies import refused, study

SERIES = """\
name: grid
series:
  mol_percent: {Na2O: 40, V2O5: [10, 20], P2O5: rest}
  redox: {V4+/V: [0, 0.5]}
  atoms: 100
  density_g_cm3: 2.7
glass: {melt_ps: 1}
analysis: {}
"""
LIST = """\
name: two
glass: {melt_ps: 1, replicas: 2}
systems:
  - name: meta
    composition: {Na: 4, P: 4, O: 12}
    formula_units: 4
    density_g_cm3: 2.5
  - name: mixed
    mol_percent: {NaPO3: 60, V2O5: 40}
    atoms: 100
    molar_volumes_cm3: {NaPO3: 41, V2O5: 54}
    glass: {replicas: 5}
analysis: {}
report: {}
"""


def test_a_series_is_every_combination(tmp_path):
    found = study(tmp_path, SERIES)
    assert list(found.systems) == ["V2O5-10_V4-0", "V2O5-10_V4-0.5", "V2O5-20_V4-0", "V2O5-20_V4-0.5"]
    cell = found.systems["V2O5-20_V4-0.5"].system
    assert cell.composition["V4+"] == cell.composition["V5+"] and cell.density_g_cm3 == 2.7
    assert all(input.glass.melt_ps == 1 and input.name == "grid" for input in found.systems.values())
    realized = found.conditions()["V2O5-20_V4-0.5"]
    assert realized["asked"] == {"Na2O": 40, "V2O5": 20, "P2O5": 40, "V4+/V": 0.5}
    assert realized["realized"]["V2O5"] == pytest.approx(20, abs=1)


def test_a_list_has_names_and_overrides(tmp_path):
    found = study(tmp_path, LIST)
    assert {name: input.glass.replicas for name, input in found.systems.items()} == {"meta": 2, "mixed": 5}
    assert found.systems["mixed"].glass.melt_ps == 1, "what is not overridden is shared"
    assert found.systems["meta"].system.formula_units == 4
    assert found.origins["mixed"].density_source == "molar volumes"
    assert [each.system.density_source for each in found.systems.values()] == ["input", "molar volumes"]
    assert found.conditions()["meta"]["realized"] == {"Na+": 50.0, "P5+": 50.0}
    assert stages_of(found.by_round) == ("glass", "analysis", "report", "series")


SETS = """\
name: sets
seed: 9
reference:
  - {name: a, level: gfn1-xtb, frames_per_structure: 2, rattle_A: 0.08}
  - {name: b, level: pbe}
systems:
  - name: plain
    composition: {Na: 4, P: 4, O: 12}
    density_g_cm3: 2.5
  - name: own
    composition: {Na: 2, V4+: 2, P: 2, O: 10}
    density_g_cm3: 2.8
    seed: 3
    reference:
      b: {cutoff_Ry: 600}
      c:
        level: gfn1-xtb
        multiplicity: 1
glass: {}
dataset: {level: gfn1-xtb}
"""


def test_a_system_overrides_keys_of_sets_by_their_names_and_adds_sets(tmp_path):
    found = study(tmp_path, SETS)
    plain, own = found.systems.values()
    assert [item.name for item in plain.reference] == ["a", "b"] and plain.reference[1].level.cutoff_Ry == 800
    assert own.reference[0] == plain.reference[0] and [item.name for item in own.reference] == ["a", "b", "c"]
    assert (own.reference[1].level.name, own.reference[1].level.cutoff_Ry) == ("pbe", 600.0)
    assert (plain.seed, own.seed, found.seed) == (9, 3, 9)
    assert study(tmp_path, expanded(found)).systems == found.systems
    renamed = study(tmp_path, SETS.replace("      c:", "      model:"))
    assert renamed.systems["own"].reference[2].name == "model", "the name of a set is no key"


def test_dataset_and_model_have_the_seed_of_the_file(tmp_path):
    text = SETS.replace("    density_g_cm3: 2.5\n", "    density_g_cm3: 2.5\n    seed: 4\n")
    found = study(tmp_path, text)
    steps = {}

    def begin(step, answer):
        steps[step.label] = step
        answer(Product(step.scope, step.stage))

    Flow(chain(found.by_round, found.systems, found.seed), begin).advance()
    seeds = {label: step.input.seed for label, step in steps.items() if label != "atoms"}
    assert seeds == {
        "plain/glass": 4, "own/glass": 3, "plain/reference": 4, "own/reference": 3, "dataset": 9,
    }  # fmt: skip
    assert study(tmp_path, expanded(found)).seed == 9
    assert refused(tmp_path, text.replace("seed: 9", "seed: 0")) == [
        "input.yaml:2: seed: must be greater than or equal to 1, not 0"
    ]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("cutoff_Ry: 600", "cutoff_Ry: 6", "input.yaml:15: systems[1].reference.b.cutoff_Ry: must be from 50 to 5000"),
        ("cutoff_Ry", "cutof_Ry", "input.yaml:15: systems[1].reference.b.cutof_Ry: not a known key; did you mean"),
        ("b: {cutoff_Ry: 600}", "b: 600", "input.yaml:15: systems[1].reference.b: must be a mapping of keys"),
        ("b: {cutoff_Ry: 600}", "b: {name: d}", "input.yaml:15: systems[1].reference.b.name: remove this key"),
        ("        level: gfn1-xtb\n", "", "input.yaml:16: systems[1].reference.c: key 'level' is missing"),
        ("      c:", "      c/d:", "input.yaml:16: systems[1].reference.c/d.name: must be letters, digits and _ . -"),
        ("multiplicity: 1", "multiplicity: 2", "input.yaml:18: systems[1].reference.c.multiplicity: 2: 178 electrons"),
        ("seed: 3", "seed: -3", "input.yaml:13: systems[1].seed: "),
        ("rattle_A: 0.08", "rattle_A: 8", "input.yaml:4: reference[0].rattle_A: "),
        ("name: b,", "name: [b],", "input.yaml:5: reference[1].name: must be a valid string"),
    ],
)
def test_errors_in_sets_of_a_system_are_reported_at_their_place(tmp_path, old, new, line):
    assert old in SETS
    found = refused(tmp_path, SETS.replace(old, new))
    assert any(line in each for each in found), found


def test_notes_on_spins_are_given_at_the_place_of_the_override(tmp_path, capsys):
    from naglass_drv.cli.main import main

    (tmp_path / "input.yaml").write_text(SETS)
    assert main(["validate", str(tmp_path / "input.yaml")]) == 0
    assert "input.yaml:18: systems[1].reference.c.multiplicity: 1; high spin of" in capsys.readouterr().out


def test_the_expanded_input_gives_the_same_systems(tmp_path):
    first = study(tmp_path, LIST)
    again = study(tmp_path, expanded(first))
    assert again.as_json() == first.as_json()


def test_an_input_with_one_system_is_as_before(tmp_path):
    text = "name: one\nsystem: {composition: {Na: 2, P: 2, O: 6}, density_g_cm3: 2.5}\nglass: {}\nreport: {}\n"
    found = study(tmp_path, text)
    assert list(found.systems) == [""] and found.conditions() is None
    assert load(tmp_path / "input.yaml") == found.systems[""]
    assert stages_of(found.by_round) == ("glass", "report")
    (tmp_path / "input.yaml").write_text(LIST)
    with pytest.raises(InputError, match=r"input\.yaml: has several systems"):
        load(tmp_path / "input.yaml")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("name: mixed", "name: meta", "input.yaml:8: systems[1].name: 'meta' is also the name of another system"),
        ("name: mixed", "name: train", "input.yaml:8: systems[1].name: 'train' is the name of a stage"),
        ("name: mixed", "name: a/b", "input.yaml:8: systems[1].name: "),
        ("O: 12", "O: 13", "input.yaml:5: systems[0].composition: charges do not balance"),
        ("replicas: 5", "replicas: 0", "input.yaml:12: systems[1].glass.replicas: "),
        ("replicas: 5", "replics: 5", "input.yaml:12: systems[1].glass.replics: not a known key"),
        ("melt_ps: 1,", "melt_ps: -1,", "input.yaml:2: glass.melt_ps: "),
        ("V2O5: 40}", "V2O5: 50}", "input.yaml:9: systems[1].mol_percent: the shares add up to 110 mol-%"),
        ("V2O5: 40}", "XeO: 40}", "input.yaml:9: systems[1].mol_percent.XeO: 'XeO'"),
        ("V2O5: 40}", "V2O5: [40, 50]}", "input.yaml:9: systems[1].mol_percent.V2O5: several values make a series"),
        ("V2O5: 54}", "P2O5: 54}", "input.yaml:11: systems[1].molar_volumes_cm3: no molar volume of V2O5"),
        ("    atoms: 100\n", "    atoms: 100\n    density_g_cm3: 3\n", "input.yaml:8: systems[1]: needs either"),
        ("density_g_cm3: 2.5", "density_g_cm3: 20", "input.yaml:7: systems[0].density_g_cm3: 20 g/cm3 gives each"),
        ("name: two\n", "name: two\nsystem: {composition: {Na: 1}}\n", "input.yaml:4: systems: cannot be combined"),
        ("{Na: 4, P: 4, O: 12}", "{Na: 4, S: 2, O: 8}", "systems[0].composition"),
    ],
)  # fmt: skip
def test_errors_are_reported_at_their_place_in_the_file(tmp_path, old, new, line):
    assert old in LIST
    found = refused(tmp_path, LIST.replace(old, new))
    assert any(line in each for each in found), found


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("V2O5: [10, 20]", "V2O5: []", "input.yaml:3: series.mol_percent.V2O5: must not be empty"),
        (
            "V2O5: [10, 20]",
            "V2O5: most",
            "input.yaml:3: series.mol_percent.V2O5: must be a percentage from 0 to 100, 'rest', or a list of",
        ),
        ("V2O5: [10, 20]", "V2O5: [10, 120]", "mol_percent.V2O5[1]: must be less than or equal to 100, not 120"),
        ("V2O5: [10, 20]", "V2O5: [10, 10]", "input.yaml:3: series.mol_percent.V2O5: must list different values"),
        ("V2O5: [10, 20]", "V2O5: [10, 70]", "series.mol_percent: V2O5-70: the shares add up to 110 mol-%"),
        ("atoms: 100", "atms: 100", "input.yaml:5: series.atms: not a known key; did you mean 'atoms'?"),
        ("[0, 0.5]", "[0, 1.5]", "series.redox"),
    ],
)
def test_a_series_that_cannot_be_is_refused(tmp_path, old, new, line):
    assert old in SERIES
    found = refused(tmp_path, SERIES.replace(old, new))
    assert any(line in each for each in found), found


def test_errors_of_ratios_and_volumes_are_reported_at_their_own_lines_and_once(tmp_path):
    """Whatever the number of systems of a series that have them."""
    text = SERIES.replace("redox: {V4+/V: [0, 0.5]}", "redox:\n    V4+/V: [0, 0.5]\n    V3+/V: [0.2, 0.7, 0.8]")
    assert refused(tmp_path, text) == [
        "input.yaml:6: series.redox.V3+/V: V4-0.5_V3-0.7: redox ratios of V add up to 1.2, more than 1",
        "input.yaml:6: series.redox.V3+/V: V4-0.5_V3-0.8: redox ratios of V add up to 1.3, more than 1",
    ]
    for ratio, message in (
        ("Fe2+/Fe: 0.5", "redox ratio of Fe, which no compound contains"),
        ("V9+/V: 0.5", "no such oxidation state"),
        ("V4/V: 0.5", "'V4/V': not a redox ratio like 'V4+/V'"),
    ):
        (error,) = refused(tmp_path, SERIES.replace("redox: {V4+/V: [0, 0.5]}", f"redox:\n    {ratio}"))
        assert error.startswith(f"input.yaml:5: series.redox.{ratio[:-5]}: ") and message in error, error
    text = SERIES.replace("density_g_cm3: 2.7", "molar_volumes_cm3: {V2O5: 54}")
    assert refused(tmp_path, text) == ["input.yaml:6: series.molar_volumes_cm3: no molar volume of Na2O, P2O5"]


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        (SERIES.replace("P2O5: rest", "P2O5: 40, Al2O3: rest"), [
            "input.yaml:3: series.mol_percent.Al2O3: the glass section has no Pedone parameters for Al3+",
        ]),
        (SERIES.replace("density_g_cm3: 2.7", "molar_volumes_cm3: {Na2O: 20, V2O5: 9, P2O5: 1}"), [
            "input.yaml:6: series.molar_volumes_cm3: 12.2651 g/cm3 gives each atom of the composition 2.86 Å3",
        ]),
        (LIST.replace("{NaPO3: 60, V2O5: 40}", "{NaPO3: 60, Na2SO4: 40}").replace("V2O5", "Na2SO4"), [
            "input.yaml:9: systems[1].mol_percent.Na2SO4: 'Na2SO4': no state of S as a cation is known",
        ]),
        (LIST.replace("atoms: 100", "atoms: 200000"), [
            "input.yaml:10: systems[1].atoms: 200000: the maximum for a cell from mol-% is 100000",
        ]),
    ],
)  # fmt: skip
def test_errors_of_a_cell_are_reported_where_it_is_asked_for(tmp_path, text, errors):
    found = refused(tmp_path, text)
    assert [line[: len(error)] for line, error in zip(found, errors, strict=True)] == errors


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        ("systems", "list its items below it, or remove the key"),
        ("series", "write its keys below it, or remove the key"),
        ("reference", "list its items below it, or remove the key"),
        ("md", "write its keys below it, or remove the key"),
        ("report", "write 'report: {}' for the defaults, or remove the key"),
        ("name", "give it a value"),
    ],
)
def test_an_empty_key_is_told_what_may_be_written_there(tmp_path, key, advice):
    rest = "system: {composition: {Na: 2, O: 1}, density_g_cm3: 2}\n"
    rest += "" if key == "name" else "name: a\n"
    assert f"input.yaml:1: {key}: is empty; {advice}" in refused(tmp_path, f"{key}:\n{rest}")


def test_all_errors_are_reported_together_and_once(tmp_path):
    text = LIST.replace("melt_ps: 1,", "melt_ps: -1,").replace("O: 12", "O: 13").replace("replicas: 5", "replicas: 0")
    found = refused(tmp_path, text)
    assert len(found) == 3 and len({line.split(":")[1] for line in found}) == 3


def test_validate_shows_the_table_of_systems(tmp_path, capsys):
    from naglass_drv.cli.main import main

    (tmp_path / "input.yaml").write_text(SERIES)
    assert main(["validate", str(tmp_path / "input.yaml")]) == 0
    lines = capsys.readouterr().out.splitlines()
    (row,) = [line for line in lines if line.lstrip().startswith("V2O5-20_V4-0.5")]
    for part in ("V2O5 20 -> 20", "V4+/V 0.5 -> 0.5", "V4+:", "+0", "2.7 (input)"):
        assert part in row


def test_the_series_page_has_its_numbers_and_its_table(tmp_path):
    from naglass_drv.report.series import as_csv, build_series, quantities

    conditions = {
        f"x{x}": {"asked": {"V2O5": x, "P2O5": 100 - x}, "realized": {"V2O5": x + 0.5, "P2O5": 99.5 - x, "V4+/V": 0.25}}
        for x in (10, 20, 30)
    }
    reports = {}
    for scope in conditions:
        entry = {"key": "network.glass.Q2", "label": "share of Q²", "value": 0.25, "err": 0.01, "unit": "1"}
        reports[scope] = tmp_path / f"{scope}.json"
        reports[scope].write_text(json.dumps({"numbers": [entry]}))
    rows = quantities(reports, {}, conditions)
    assert [(row.scope, row.value, row.error, row.conditions["V2O5"]) for row in rows] == [
        ("x10", 0.25, 0.01, 10.5), ("x20", 0.25, 0.01, 20.5), ("x30", 0.25, 0.01, 30.5),
    ]  # fmt: skip
    assert as_csv(rows, conditions).decode().splitlines()[:2] == [
        "system,key,label,value,error,unit,note,V2O5_mol_percent,P2O5_mol_percent,V4+/V_fraction",
        "x10,network.glass.Q2,share of Q²,0.25,0.01,1,,10.5,89.5,0.25",
    ]
    flags = {"x10": [{"topic": "Unphysical structure", "kind": "bad", "name": "glass", "text": "Q⁴ 20 %"}], "x20": []}
    page, content, figures = build_series("title <b>", rows, conditions, {"x10": "reports/x10.html"}, ["lost"], flags)
    assert "unphysical structure in 1 system." in page and ">glass: Q⁴ 20 %</td>" in page
    assert '<a href="reports/x10.html">' in page
    assert "V2O5 (mol-%)</th>" in page and "V4+/V</th>" in page
    assert "title &lt;b&gt;" in page and "lost" in page and list(figures) == ["series"]
    assert "Against V2O5." in page, "what follows from the abscissa is no line of its own"
    assert content["numbers"][0]["conditions"] == {"V2O5": 10.5, "P2O5": 89.5, "V4+/V": 0.25}
    reports["x10"].write_text("{}")
    with pytest.raises(InputError, match="x10.json: not a report"):
        quantities(reports, {}, conditions)


def test_a_series_may_begin_without_the_element_of_its_ratios(tmp_path):
    """One glass without vanadium, whatever the ratio; its composition has a zero for what the others have."""
    text = SERIES.replace("V2O5: [10, 20]", "V2O5: [0, 10]")
    assert text != SERIES
    found = study(tmp_path, text)
    assert [name for name in found.systems if name.startswith("V2O5-0")] == ["V2O5-0"]
    assert "V5+" not in found.systems["V2O5-0"].system.composition
    conditions = found.conditions()
    assert conditions["V2O5-0"]["realized"]["V2O5"] == 0.0 and "V4+/V" not in conditions["V2O5-0"]["realized"]
    assert list(conditions["V2O5-0"]["asked"])[:3] == ["Na2O", "V2O5", "P2O5"]


def test_an_override_that_is_empty_is_refused(tmp_path):
    (line,) = refused(tmp_path, LIST.replace("glass: {replicas: 5}", "glass:"))
    assert line.startswith("input.yaml:12: systems[1].glass: is empty; write 'glass: {}'")


def test_another_level_in_an_override_has_its_own_defaults(tmp_path):
    text = SETS.replace("level: pbe}", "level: {name: pbe+u+d3, cutoff_Ry: 600}}")
    for own, level in (
        ("level: gfn1-xtb", ("gfn1-xtb", None)),
        ("level: pbe", ("pbe", 800)),
        ("level: pbe, cutoff_Ry: 500", ("pbe", 500)),
        ("level: pbe+u+d3", ("pbe+u+d3", 600)),
        ("level: {rel_cutoff_Ry: 50}", ("pbe+u+d3", 600)),
    ):
        found = study(tmp_path, text.replace("b: {cutoff_Ry: 600}", f"b: {{{own}}}")).systems["own"].reference[1].level
        assert (found.name, found.cutoff_Ry) == level
    wrong = text.replace("b: {cutoff_Ry: 600}", "b: {level: gfn1-xtb, cutoff_Ry: 500}")
    assert refused(tmp_path, wrong) == [
        "input.yaml:15: systems[1].reference.b.cutoff_Ry: 500: the level gfn1-xtb has no plane-wave cutoff"
    ]
