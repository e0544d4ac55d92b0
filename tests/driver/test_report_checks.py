"""What the first page must say (case 53): chemistry that does not exist, oxidation states, pressure, density."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.io import read

from naglass_drv.analysis.measure import measure
from naglass_drv.chemistry.ions import species
from naglass_drv.chemistry.notation import composition_text, elements, formula_text, ion_text
from naglass_drv.config.schema import Analysis
from naglass_drv.dataset.frames import write_frames
from naglass_drv.report import checks
from naglass_drv.report.material import Material
from naglass_drv.report.metals import metals
from naglass_drv.report.numbers import Figure, Notice, Section, Table, leaves
from naglass_drv.report.overview import glance
from naglass_drv.report.structure import structure as structure_section
from naglass_drv.stages import analysis, report
from support.report_bench import Bench

GLASSES = Path(__file__).parents[1] / "data" / "glasses"
WANTED = Analysis(r_max_A=5.0, q_max_per_A=3.0)
METAPHOSPHATE = {"Na": 12, "P": 12, "O": 36}
VANADIUM = {"Na": 4, "V4+": 2, "P": 4, "O": 16}


def study(composition: dict[str, int], density: float = 2.5) -> dict[str, Any]:
    return {
        "name": "made", "system": {"composition": composition, "density_g_cm3": density}, "glass": {},
        "analysis": {"r_max_A": 5.0, "q_max_per_A": 3.0}, "report": {},
    }  # fmt: skip


def quenched(tmp_path, file: str, composition: dict[str, int], frames: slice = slice(None)) -> Bench:
    """A run whose glasses are those of `file`, analyzed."""
    bench = Bench(tmp_path, study(composition))
    for k, atoms in enumerate(read(GLASSES / file, ":")[frames]):
        bench.done("glass", f"g{k}", {}, {})
        write_frames(bench.run.products / "glass" / f"g{k}.extxyz", [atoms])
    bench.go(analysis)
    return bench


def material(bench: Bench) -> Material:
    """What the stage hands to the sections of the page."""
    (task,) = report.plan(bench.run)
    return Material(task.settings["input"], [], dict(task.inputs))


def said(section: Section) -> str:
    return " ".join(notice.text for notice in section.blocks if isinstance(notice, Notice))


def test_a_metaphosphate_quench_with_q4_and_po5_is_flagged_on_the_first_page(tmp_path):
    bench = quenched(tmp_path, "NaPO3_fast_quench.extxyz", METAPHOSPHATE)
    bench.go(report)
    markup = (tmp_path / "report.html").read_text(encoding="utf-8")
    first = markup[markup.index('<section id="glance">') : markup.index('<section id="worth">')]
    assert "<strong>Unphysical structure.</strong>" in first and "of P have 5 O" in first
    assert "Q⁴" in first and "Q⁶" in first and "but PO₄ can have at most Q³" in first
    flags = json.loads((tmp_path / "report.json").read_text())["flags"]
    (bridges,) = [flag for flag in flags if "PO₄ can have at most Q³" in flag["text"]]
    assert (bridges["topic"], bridges["kind"], bridges["name"]) == ("Unphysical structure", "bad", "glass")
    numbers = bench.numbers()
    assert numbers["network.glass.ideal_n"]["value"] == 2.0
    assert numbers["structure.glass.O-P-O.mean"]["unit"] == "°"


def test_all_v4_read_as_v5_is_flagged_on_the_first_page(tmp_path):
    sources = material(quenched(tmp_path, "Na4V2P4O16_quench.extxyz", VANADIUM))
    assert (
        "The input has 100\u202f%\u202fV⁴⁺. glass: 100\u202f%\u202fV⁵⁺ by bond valence, "
        "100\u202f%\u202fV⁵⁺ by bond geometry."
    ) in said(glance(sources))
    shares = {number.key: number.value for number in metals(sources).numbers}
    assert shares["metals.glass.V.input.4"] == 1.0 and shares["metals.glass.V.valence.5"] == 1.0
    # valence and geometry agree with each other: the flag of a center knows nothing of the input, and the page says so
    assert shares["metals.glass.V.geometry.5"] == 1.0 and shares["metals.glass.V.flagged"] < 1.0
    (caption,) = (table.caption for table in leaves(metals(sources).blocks, Table) if "flagged" in table.caption)
    assert "The input fixes shares, not the state of a center, and is not part of this" in caption


def test_one_structure_has_no_error_and_says_so(tmp_path):
    sources = material(quenched(tmp_path, "Na4V2P4O16_quench.extxyz", VANADIUM, slice(1)))
    # S(Q) has bands all the same, between the wave vectors
    assert np.isfinite(sources.arrays("analysis/glass/curves")["S_neutron_err"]).any()
    captions = {figure.name: figure.caption for figure in leaves(structure_section(sources).blocks, Figure)}
    assert captions["pairs"].partition(" Beyond")[0].endswith("; no error bands for a single structure.")
    for name in ("totals", "partials"):
        assert "bands: for a single structure, one standard error of the mean over the wave vectors" in captions[name]
    section = glance(sources)
    numbers = {number.key: number for number in section.numbers}
    vanadium, density = numbers["glance.glass.V-O"], numbers["glance.glass.density"]
    assert vanadium.error is None and vanadium.note == "one structure"
    assert density.value == pytest.approx(2.75) and density.error is None and density.note == "set"


@pytest.mark.parametrize(
    ("source", "words"),
    [("input", "2.5 g/cm³ given in the input file"),
     ("molar volumes", "2.5 g/cm³ that follows from the molar volumes in the input file")],
)  # fmt: skip
def test_the_page_tells_where_the_density_comes_from(tmp_path, source, words):
    bench = quenched(tmp_path, "Na4V2P4O16_quench.extxyz", VANADIUM, slice(1))
    bench.run.input.system.follows_from(source)
    bench.go(report)
    assert f"at the fixed density of {words}" in bench.page().text


def test_density_of_a_fixed_cell_is_set_and_of_a_breathing_one_measured():
    frames = read(GLASSES / "Na4V2P4O16_quench.extxyz", ":")
    numbers, _ = measure(frames, WANTED, replicas=True)
    assert numbers["density_is_set"] is True and numbers["density_g_cm3_err"] is None
    frames[1].set_cell(frames[1].cell * 1.01, scale_atoms=True)
    numbers, _ = measure(frames, WANTED, replicas=True)
    assert numbers["density_is_set"] is False and numbers["density_g_cm3_err"] > 0


@pytest.mark.parametrize(
    ("summary", "words"),
    [
        ({"mean_pressure_bar": -54131, "mean_pressure_bar_err": 7454}, "under tension, mean pressure −5.4 ± 0.7 GPa"),
        ({"mean_pressure_bar": 30000, "mean_pressure_bar_err": None}, "under compression, mean pressure 3 GPa"),
        ({"mean_pressure_bar": 9000, "mean_pressure_bar_err": 100}, None),
        # two standard errors hold zero
        ({"mean_pressure_bar": -15000, "mean_pressure_bar_err": 9000}, None),
        ({"mean_pressure_bar": 50500, "mean_pressure_bar_err": 900, "pressure_bar": 50000}, None),
        ({"mean_pressure_bar": 500, "mean_pressure_bar_err": 900, "pressure_bar": 50000},
         "under tension, mean pressure 0.05 ± 0.09 GPa, target 5 GPa"),
        ({}, None),
    ],
)  # fmt: skip
def test_pressure_is_told_in_words_and_gpa(summary, words):
    found = [finding.text for finding in checks.pressure("g0", summary)]
    assert found == ([] if words is None else [words])


@pytest.mark.parametrize(
    ("bar", "words"),
    [
        ([[3e4, 3e4 + 100, 3e4 - 100, 3e4]], "under compression, 2.995 ± 0.005 GPa at the end of the quench"),
        ([[-2e4, -2e4], [-2.4e4, -2.4e4]], "under tension, −2.20 ± 0.20 GPa at the end of the quench"),
        ([[5e4, 900, -900]], None),
        ([[-2e4, -2e4], [2e4, 2e4]], None),
        ([], None),
    ],
)
def test_pressure_at_the_end_of_the_quench_is_told(bar, words):
    found = list(checks.quench_pressure({f"g{k}": {"pressure_bar": values} for k, values in enumerate(bar)}))
    assert [finding.kind for finding in found] == ([] if words is None else ["note"])
    assert words is None or found[0].text.startswith(words)


def shell(**shares: float) -> dict[str, Any]:
    counts = [shares.get(f"n{n}", 0.0) for n in range(10)]
    return {"share": counts, "number": sum(n * share for n, share in enumerate(counts))}


def structure(**parts: Any) -> dict[str, Any]:
    return {"artifacts": {}, "coordination": {}, "network": None, "topology": None} | parts


def net(former: str, metals: list[str], oxygen: dict[str, float], **qn: float) -> dict[str, Any]:
    return {"former": former, "metals": metals, "oxygen_share": oxygen, "qn_share": {k[1:]: v for k, v in qn.items()}}


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        (structure(coordination={"P-O": shell(n4=0.9, n5=0.1)}), "10\u202f% of P have 5 O"),
        (structure(coordination={"P-O": shell(n3=0.03, n4=0.97)}), "3\u202f% of P have 3 O"),
        (structure(coordination={"V-O": shell(n6=0.5, n7=0.25, n8=0.25)}),
         "25\u202f% of V have 7 O, 25\u202f% have 8 O"),
        (structure(coordination={"Si-O": shell(n4=0.9, n5=0.1)}), "10\u202f% of Si have 5 O"),
        (structure(coordination={"B-O": shell(n3=0.5, n2=0.5)}), "50\u202f% of B have 2 O"),
        (structure(coordination={"Na-O": shell(n2=1.0)}), "Na has 2.0 O on average, where 4 to 9 is usual"),
        (structure(coordination={"Na-O": shell(n3=0.04, n4=0.96)}), "Na has 3.96 O on average, where 4 to 9 is usual"),
        (structure(coordination={"P-O": shell(n4=1.0) | {"bond_length_A": 1.75}}),
         "the mean P–O bond is 1.75 Å, where 1.46 to 1.64 Å is usual"),
        (structure(network=net("P", [], {}, Q2=0.8, Q4=0.2)), "Q⁴ 20\u202f%, but PO₄ can have at most Q³"),
        (structure(network=net("Si", [], {}, Q4=0.9, Q5=0.1)), "Q⁵ 10\u202f%, but SiO₄ can have at most Q⁴"),
        (structure(network=net("P", [], {"tri": 0.1}, Q2=1.0)), "10\u202f% of O are bonded to three P or more"),
        (structure(network=net("P", ["V"], {"free": 0.1}, Q2=1.0)),
         "10\u202f% of O are bonded to no former and no metal"),
        (structure(artifacts={"P-P": {"share": 0.5, "cutoff_A": 2.4}}),
         "50\u202f% of these atoms have a P–P contact below 2.4 Å"),
        (structure(topology={"linkage": {"P-P edge": {"per_former": 0.25}}}),
         "0.25 pairs of PO₄ per former share an edge"),
    ],
)  # fmt: skip
def test_unphysical_structures_are_named(numbers, words):
    assert [finding.text for finding in checks.chemistry("glass", numbers)] == [words]


@pytest.mark.parametrize(
    "numbers",
    [
        structure(coordination={"P-O": shell(n4=0.99, n5=0.01) | {"bond_length_A": 1.54}}),
        structure(coordination={"V-O": shell(n4=0.2, n5=0.6, n6=0.2), "Na-O": shell(n6=1.0)}),
        structure(coordination={"B-O": shell(n3=0.5, n4=0.5)}),
        structure(network=net("P", ["V"], {"tri": 0.1}, Q3=1.0)),
        structure(topology={"linkage": {"P-V edge": {"per_former": 0.2}}}),
        structure(network=net("Si", [], {}, Q4=1.0)),
    ],
)  # fmt: skip
def test_ordinary_glasses_are_not_flagged(numbers):
    assert list(checks.chemistry("glass", numbers)) == []


def assigned(moments: str | None = None, **states: dict[str, float]) -> dict[str, Any]:
    return {"composition": elements(species(VANADIUM)), "fingerprints": {"V": {"states": states, "moments": moments}}}


@pytest.mark.parametrize(
    ("numbers", "composition", "units", "words"),
    [
        (assigned(valence={"5": 1.0}), VANADIUM, 1, "100\u202f%\u202fV⁵⁺ by bond valence"),
        (assigned(valence={"5": 1.0}), VANADIUM, 4, "100\u202f%\u202fV⁵⁺ by bond valence"),
        (assigned("model", moment={"3": 1.0}), VANADIUM, 1, "100\u202f%\u202fV³⁺ by predicted moment"),
        (assigned("labels", moment={"3": 0.5, "5": 0.5}), VANADIUM, 1,
         "50\u202f%\u202fV³⁺ + 50\u202f%\u202fV⁵⁺ by moment"),
        (assigned(valence={"4": 0.95, "5": 0.05}), VANADIUM, 1, None),
        # shares are those of the centers with a state
        (assigned(valence={"4": 0.03, "5": 0.57, "not determined": 0.4}), VANADIUM, 1,
         "5\u202f%\u202fV⁴⁺ + 95\u202f%\u202fV⁵⁺ by bond valence (of those determined; 40\u202f% of V are not)"),
        # nothing is said of states that were not determined, nor of atoms that are not those of the input
        (assigned(geometry={"not determined": 0.8, "5": 0.2}), VANADIUM, 1, None),
        (assigned(valence={"5": 1.0}), VANADIUM | {"Na": 5, "V4+": 1, "V3+": 1}, 1, None),
    ],
)  # fmt: skip
def test_oxidation_states_are_held_against_the_input(numbers, composition, units, words):
    system = {"composition": composition, "formula_units": units}
    found = [finding.text for finding in checks.oxidation("glass", numbers, system)]
    assert found == ([] if words is None else [words])


@pytest.mark.parametrize(
    ("msd", "relaxes"),
    [
        ({"Na": 2.1, "P": 0.75, "V": 1.0, "O": 1.8}, True),
        ({"Na": 30.0, "P": 1.0, "V": 1.2, "O": 1.5}, True),
        ({"Na": 1.5, "P": 0.4, "V": 0.4, "O": 0.7}, True),
        ({"Na": 30.0, "P": 0.2, "V": 0.2, "O": 0.4}, False),
        # vibrations of all atoms alike
        ({"Na": 0.3, "P": 0.15, "V": 0.15, "O": 0.25}, False),
        ({"Na": 2.0}, False),
    ],
)
def test_a_network_that_relaxes_is_told(msd, relaxes):
    moved = {"ion": "Na", "msd_at_longest_lag_A2": msd, "longest_lag_ps": 5.0}
    numbers = {"transport": moved, "composition": elements(species(VANADIUM)), "exchanged_bonds": {}}
    found = list(checks.relaxation("g0", numbers))
    assert bool(found) == relaxes
    assert not relaxes or found[0].text.startswith(f"within 5 ps the MSD of the host is P {msd['P']:.2g}, V")
    assert list(checks.relaxation("glass", {"transport": None, "exchanged_bonds": {}})) == []


def test_density_far_from_the_input_and_large_force_errors_are_told():
    system = {"composition": METAPHOSPHATE, "formula_units": 1, "density_g_cm3": 2.5}
    numbers = {"density_g_cm3": 2.2, "density_is_set": False, "composition": METAPHOSPHATE}
    assert [f.text for f in checks.density("g0", numbers, system)] == [
        "2.2 g/cm³ is off by −12 % from the 2.5 g/cm³ of the input"
    ]
    for fine in (
        {"density_g_cm3": 2.45},
        {"density_is_set": True},
        {"composition": {"Na": 3, "P": 1, "O": 4}},
        {"seed": {"reason": "lost"}},
        {"interface": {}, "seed": {"start": {}}},
    ):
        assert list(checks.density("g0", numbers | fine, system)) == []
    errors = {"test": {"forces_rmse_meV_per_A": 250.0}, "train": {"forces_rmse_meV_per_A": 50.0}}
    assert [f.text for f in checks.force_error(errors, {})] == ["RMSE of 250 meV/Å on the held-out frames"]
    assert list(checks.force_error({"train": {"forces_rmse_meV_per_A": 50.0}, "test": None}, {"train": 0.1})) == []


@pytest.mark.parametrize(
    ("rmse", "rms", "topic", "kind", "share"),
    [(250.0, 2.0, "Force error", "note", "12"), (967.0, 2.34, "Unusable model", "bad", "41"),
     (300.0, 1.0, "Unusable model", "bad", "30")],
)  # fmt: skip
def test_a_model_whose_errors_are_a_large_part_of_the_forces_is_unusable(rmse, rms, topic, kind, share):
    errors = {"test": {"forces_rmse_meV_per_A": rmse}, "train": {"forces_rmse_meV_per_A": 50.0}}
    (found,) = checks.force_error(errors, {"test": rms, "train": 9.0})
    assert (found.topic, found.kind) == (topic, kind)
    assert f"{share}\u202f% of the root mean square of their forces" in found.text
    assert ("indications" in checks.notices([found])[0].text) == (kind == "note")


def test_findings_of_a_structure_do_not_run_into_each_other():
    """Shares of Qⁿ are a list of their own."""
    found = [
        checks.Finding("Not the glass asked for", "bad", "g0", text) for text in ("Q⁴ 10, Q⁵ 5 %", "Q⁰ 5, Q¹ 25 %")
    ]
    (notice,) = checks.notices([*found, checks.Finding("Not the glass asked for", "bad", "g1", "Q⁵ 5 %")])
    assert notice.text.startswith("g0: Q⁴ 10, Q⁵ 5 %; Q⁰ 5, Q¹ 25 %. g1: Q⁵ 5 %. A slower quench")


@pytest.mark.parametrize(
    ("composition", "formula", "oxides"),
    [
        (VANADIUM, "Na₄V₂P₄O₁₆", "33.3 Na₂O · 33.3 VO₂ · 33.3 P₂O₅ (mol %); 4 Na⁺, 2 V⁴⁺, 4 P⁵⁺, 16 O²⁻"),
        (METAPHOSPHATE, "Na₁₂P₁₂O₃₆", "50 Na₂O · 50 P₂O₅ (mol %); 12 Na⁺, 12 P⁵⁺, 36 O²⁻"),
        ({"Na": 3, "V5+": 1, "P": 2, "O": 9}, "Na₃VP₂O₉",
         "50 Na₂O · 16.7 V₂O₅ · 33.3 P₂O₅ (mol %); 3 Na⁺, 1 V⁵⁺, 2 P⁵⁺, 9 O²⁻"),
        ({"Na": 3, "V3+": 2, "P": 2, "O": 7, "F": 5}, "Na₃V₂P₂O₇F₅", "3 Na⁺, 2 V³⁺, 2 P⁵⁺, 7 O²⁻, 5 F⁻"),
    ],
)  # fmt: skip
def test_compositions_read_as_chemists_write_them(composition, formula, oxides):
    ions = species(composition)
    assert formula_text(elements(ions)) == formula and composition_text(ions) == oxides


def test_labels_of_ions_and_the_title(tmp_path):
    assert [ion_text(label) for label in ("V4+", "Na+", "O2-", "P")] == ["V⁴⁺", "Na⁺", "O²⁻", "P"]
    bench = Bench(tmp_path, study(VANADIUM))
    bench.go(report)
    assert json.loads((tmp_path / "report.json").read_text())["title"] == "made: Na₄V₂P₄O₁₆"


def test_a_run_of_an_earlier_version_is_reported_without_what_it_did_not_measure(tmp_path):
    bench = quenched(tmp_path, "Na4V2P4O16_quench.extxyz", VANADIUM)
    path = bench.run.products / "analysis" / "glass.json"
    numbers = json.loads(path.read_text())
    for key in ("angles", "density_is_set", "exchanged_bonds"):
        del numbers[key]
    for key in ("states_err", "label_share_err", "flagged_share_err"):
        del numbers["fingerprints"]["V"][key]
    path.write_text(json.dumps(numbers))
    (path.parent / "quantities" / "glass.json").unlink()
    sources = material(bench)
    assert glance(sources).numbers and metals(sources).numbers
    assert "angles" not in {figure.name for figure in leaves(structure_section(sources).blocks, Figure)}
