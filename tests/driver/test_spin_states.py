"""Spin states from the input to the dataset: what validate says, which ions the sites are, how their moments couple."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from test_reference import CELL, OneRank, make_run, stand_in

from naglass_drv.cli.reference import check_spins
from naglass_drv.config.load import load_study
from naglass_drv.config.schema import Input
from naglass_drv.dataset.frames import read_frames, read_labeled, write_frames
from naglass_drv.dataset.sites import judge
from naglass_drv.errors import InputError
from naglass_drv.paths import data_file
from naglass_drv.stages import dataset, reference
from naglass_drv.stages.base import Job, Run
from support.labeled import cell

pytestmark = pytest.mark.cp2k

REFERENCE_SET = Path(__file__).parents[2] / "examples" / "reference-set"
LEVEL = "pbe+u+d3-h0000000"


def notes(folder: Path, composition: str, *sections: str) -> list[str]:
    lines = [f"name: a\nsystem: {{composition: {composition}, density_g_cm3: 2.7}}", "glass: {}", "reference:"]
    path = folder / "input.yaml"
    path.write_text("\n".join([*lines, *(f"- {{name: s{k}, {text}}}" for k, text in enumerate(sections))]) + "\n")
    study = load_study(path)
    return list(check_spins(study.systems[""], study.documents[""][0], path.parent))


V4, FE2, MIXED = "{Na: 4, V4+: 2, P: 4, O: 16}", "{Na: 4, Fe2+: 2, P: 4, O: 14}", "{Na: 2, V: 3, P: 2, O: 13}"


@pytest.mark.parametrize(
    ("composition", "section", "note"),
    [
        (V4, "level: gfn1-xtb", None),
        (V4, "level: pbe, multiplicity: 3", None),
        (V4, "level: pbe, spin: ferromagnetic", None),
        (V4, "level: pbe, multiplicity: 1", ".multiplicity: 1; high spin of 2 V4+ is 3: 2 µB fewer"),
        (FE2, "level: gfn1-xtb, multiplicity: 3", ".multiplicity: 3; high spin of 2 Fe2+ is 9: 6 µB fewer"),
        (MIXED, "level: pbe", None),
        ("{Na: 1, P: 1, O: 3}", "level: pbe, multiplicity: 1", None),
        ("{Na: 1, V4+: 1, P: 1, O: 5}", "level: pbe, spin: antiferromagnetic", None),
        (V4, "level: pbe, spin: antiferromagnetic", ".spin: moments are not all parallel; high spin of 2 V4+ is 3"),
        (V4, "level: pbe, spin: {V4+: down}", ".spin: moments are not all parallel; high spin of 2 V4+ is 3"),
        (V4, "level: pbe, spin: '+-'", ".spin: moments are not all parallel; high spin of 2 V4+ is 3"),
    ],
)
def test_validate_names_what_is_not_high_spin(tmp_path, composition, section, note):
    expected = [] if note is None else [f"input.yaml:6: reference[1]{note}"]
    assert notes(tmp_path, composition, "level: gfn1-xtb", section) == expected


@pytest.mark.parametrize(
    ("composition", "multiplicity", "reason"),
    [
        ("{Na: 1, P: 1, O: 3}", 3, "3: means 2 unpaired electrons, but closed-shell ions can have at most 0"),
        (FE2, 11, "11: means 10 unpaired electrons, but 2 Fe2\\+ can have at most 8"),
        (FE2, 2, "2: .* electrons \\(even, cell charge \\+0\\) need an odd multiplicity; high spin gives 9"),
        (MIXED, 4, "4: means 3 unpaired electrons, but 1 V4\\+ can have at most 1"),
        ("{Na: 1, V4+: 1, Cr3+: 1, P: 2, O: 9}", 7, "7: .* 1 V4\\+ and 1 Cr3\\+ can have at most 4"),
    ],
)
def test_what_the_ions_cannot_be_is_refused_with_its_line(tmp_path, composition, multiplicity, reason):
    with pytest.raises(InputError, match=rf"input\.yaml:5: reference\[0\]\.multiplicity: {reason}"):
        notes(tmp_path, composition, f"level: gfn1-xtb, multiplicity: {multiplicity}")


def test_the_input_of_init_states_no_multiplicity():
    assert "multiplicity" not in data_file("config", "example.yaml").read_text()


def spaced(formula: str, **info) -> Atoms:
    atoms = cell(formula)
    atoms.info = info
    del atoms.arrays["REF_forces"]
    return atoms


@pytest.mark.parametrize(
    ("formula", "ions", "info", "section", "found"),
    [
        ("Na2V2P2O10", None, {}, "", None),
        ("Na2V2P2O10", None, {}, "multiplicity: 1", "frame 0: multiplicity 1; high spin of 2 V4+ is 3: 2 µB fewer"),
        ("Na2V2P2O10", None, {}, "spin: antiferromagnetic", "multiplicity 1; high spin of 2 V4+ is 3: 2 µB fewer"),
        ("Na2V2P2O10", None, {"multiplicity": 1}, "", "the multiplicity 1 in the file is ignored; the set uses 3"),
        ("Na2V2P2O10", None, {}, "charge: 2", None),
        ("Na2V2P2O10", None, {}, "charge: 2, multiplicity: 3", InputError("closed-shell ions can have at most 0")),
        ("Na2V2P2O10", None, {}, "charge: 1, multiplicity: 2", None),
        # V3+ and V4+ in one cell: their counts are known, their places are not
        ("Na2V2PO7", None, {}, "", InputError("give the set a multiplicity (high spin of 1 V3+ and 1 V4+ is 4), or")),
        ("Na2V2PO7", None, {}, "multiplicity: 6", InputError("1 V3+ and 1 V4+ can have at most 3")),
        ("Na2V2PO7", None, {}, "multiplicity: 2", "multiplicity 2; high spin of 1 V3+ and 1 V4+ is 4: 2 µB fewer"),
        ("Na2V2PO7", ["Na", "Na", "V3+", "V4+", "P", *["O"] * 7], {}, "", None),
        ("Na2V2PO7", ["Na", "Na", "V", "V4+", "P", *["O"] * 7], {}, "", InputError("state it, as in 'V3+'")),
        ("Na2V2PO7", ["Na", "Na", "V4+", "V4+", "P", *["O"] * 7], {}, "", InputError("the ions add up to +1 e")),
        ("NaPO3", None, {}, "multiplicity: 3", InputError("closed-shell ions can have at most 0")),
        ("NaPO3", None, {"multiplicity": "high"}, "", "the multiplicity high in the file is ignored; the set uses 1"),
        ("CO2V", None, {"multiplicity": "high"}, "", InputError("its multiplicity is 'high'; must be a whole number")),
        ("CO2V", None, {}, "multiplicity: 3", InputError("45 electrons (odd")),
        ("CO2V", None, {}, "", InputError("the spin of CO2V is unknown: give the set a multiplicity, or the")),
        ("CO2V", None, {}, "multiplicity: 4", None),
        ("NaPO3", None, {"charge": 1}, "", InputError("has charge 1, but the charge of the set is 0")),
    ],
)  # fmt: skip
def test_spins_of_structures_in_files(tmp_path, formula, ions, info, section, found):
    atoms = spaced(formula, **info)
    if ions is not None:
        atoms.set_array("ion", np.array(ions))
    write_frames(tmp_path / "s.extxyz", [atoms])
    section = "level: pbe, structures: s.extxyz" + (f", {section}" if section else "")
    if isinstance(found, InputError):
        with pytest.raises(InputError, match=re.escape(str(found))) as caught:
            notes(tmp_path, V4, section)
        assert re.match(r"input\.yaml:5: reference\[0\]\.\w+: s\.extxyz: frame 0: ", str(caught.value))
    else:
        told = notes(tmp_path, V4, section)
        assert len(told) == (found is not None) and (found is None or told[0].endswith(found)), told


@pytest.mark.parametrize(
    "other",
    [
        {"multiplicity": 1}, {"charge": 2}, {"spin": "antiferromagnetic"}, {"name": "b"}, {"level": "pbe+u+d3"},
        {"level": {"name": "pbe", "cutoff_Ry": 300.0}}, {"frames_per_structure": 5}, {"max_net_force_eV_per_A": 1.0},
    ],
)  # fmt: skip
def test_varied_copies_depend_on_structure_and_seed_only(tmp_path, other):
    """Case 52: whatever else a set says, its copies are the same."""
    write_frames(tmp_path / "s.extxyz", [read_frames(CELL)[0].repeat((2, 1, 1))])
    start = {"structures": str(tmp_path / "s.extxyz"), "frames_per_structure": 3, "antiparallel": False}
    site = stand_in(tmp_path, "exit 1")

    def copies(section: dict) -> list:
        tasks = reference.plan(make_run(tmp_path, start | section, site=site))
        return [[task.settings["frame"][key] for key in ("positions_A", "cell_A")] for task in tasks]

    assert copies(other)[:3] == copies({})
    assert copies({"rattle_A": 0.1})[0] == copies({})[0] and copies({"rattle_A": 0.1})[1] != copies({})[1]


def test_sampled_signs_depend_on_structure_and_seed_only(tmp_path):
    write_frames(tmp_path / "s.extxyz", [read_frames(CELL)[0].repeat((3, 2, 1))])
    start = {"structures": str(tmp_path / "s.extxyz"), "spin": "sampled", "frames_per_structure": 4}
    site = stand_in(tmp_path, "exit 1")

    def signs(**section) -> list:
        return [
            t.settings["frame"]["start_moment_muB"]
            for t in reference.plan(make_run(tmp_path, start | section, site=site))
        ]

    assert signs() == signs(level="pbe") == signs(name="b") and len({str(row) for row in signs()}) > 1


def labeled(formula: str, moments: dict[str, list[float]], multiplicity: int, charge: int = 0, **info) -> Atoms:
    """A frame whose atoms of each element of `moments` have them, by Hirshfeld; all others have none."""
    frame = cell(formula, multiplicity=multiplicity, charge=charge, level=LEVEL, **info)
    spins = np.zeros(len(frame))
    for element, values in moments.items():
        spins[frame.symbols == element] = values
    frame.set_array("REF_spin", spins)
    return frame


@pytest.mark.parametrize(
    ("formula", "moments", "multiplicity", "flag"),
    [
        # two V4+, and what has the same multiplicity and ⟨S²⟩
        ("Na4V2P4O16", {"V": [1.02, 0.98]}, 3, ""),
        ("Na4V2P4O16", {"V": [-0.88, 0.80]}, 1, ""),
        ("Na4V2P4O16", {"V": [1.93, 0.02]}, 3, "DISPROPORTIONATED"),
        ("Na4V2P4O16", {"V": [-0.1, -1.9]}, 3, "DISPROPORTIONATED"),
        ("Na4V2P4O16", {"V": [1.50, 0.50]}, 3, "FRACTIONAL_MOMENT"),
        ("Na4V2P4O16", {"V": [1.36, 0.64]}, 3, "FRACTIONAL_MOMENT"),
        ("Na4V2P4O16", {"V": [0.0, 0.0]}, 1, "OTHER_IONS"),
        ("Na4V2P4O16", {"V": [1.9, -1.9]}, 1, "OTHER_IONS"),
        ("Na4V2P4O16", {"V": [1.9, 1.9]}, 5, "SPIN_TOO_HIGH"),
        ("NaVPO5", {"V": [1.277]}, 2, ""),
        ("NaVPO5", {"V": [1.34]}, 2, ""),
        ("Na2V2PO7", {"V": [1.75, 1.05]}, 4, ""),
        ("Na2V2PO7", {"V": [1.42, 1.40]}, 4, "FRACTIONAL_MOMENT"),
        # V4+ beside V5+: localized on one site, on either, or spread over both
        ("Na2V2PO8", {"V": [1.05, 0.03]}, 2, ""),
        ("Na2V2PO8", {"V": [0.03, 1.05]}, 2, ""),
        ("Na2V2PO8", {"V": [0.52, 0.50]}, 2, "FRACTIONAL_MOMENT"),
        ("Na2V4P2O15", {"V": [0.5, 0.5, 0.5, 0.5]}, 3, "FRACTIONAL_MOMENT"),
        ("Na2V4P2O15", {"V": [1.9, 0.05, 0.05, 0.0]}, 3, "DISPROPORTIONATED"),
        ("Na2V4P2O15", {"V": [1.0, 0.05, 1.1, 0.0]}, 3, ""),
        ("Na3V2P3O12", {"V": [1.76, 1.78]}, 5, ""),
        ("Na3V2P3O12", {"V": [2.85, 0.95]}, 5, "DISPROPORTIONATED"),
        ("Na3V2P3O12", {"V": [2.5, 1.4]}, 5, "FRACTIONAL_MOMENT"),
        ("Na2V2P2O11", {"V": [0.0, 0.0]}, 1, ""),
        ("NaMn2PO6", {"Mn": [3.8, 3.85]}, 9, ""),
        ("NaMn2PO6", {"Mn": [4.55, 2.95]}, 9, "DISPROPORTIONATED"),
        ("NaMn2PO6", {"Mn": [4.2, 3.5]}, 9, "FRACTIONAL_MOMENT"),
        ("NaMn2PO6", {"Mn": [3.8, 0.1]}, 5, "LOW_SPIN"),
        ("Cr2O3", {"Cr": [2.9, 2.95]}, 7, ""),
        ("Cr2O3", {"Cr": [2.9, 1.0]}, 5, "LOW_SPIN"),
        ("Ti2O3", {"Ti": [0.9, 0.9]}, 3, ""),
        ("Ti2O3", {"Ti": [0.9, 0.5]}, 3, "FRACTIONAL_MOMENT"),
        ("NaFePO4", {"Fe": [3.7]}, 5, ""),
        ("NaFePO4", {"Fe": [0.2]}, 1, "LOW_SPIN"),
        ("Na3Fe2P3O12", {"Fe": [4.2, 4.1]}, 11, ""),
        ("Na2Fe3P3O12", {"Fe": [4.2, 3.7, 3.72]}, 14, ""),
        ("NaFe2P2O8", {"Fe": [3.7, 4.2]}, 10, ""),
        ("NaFe2P2O8", {"Fe": [3.95, 3.96]}, 10, "FRACTIONAL_MOMENT"),
        # the states of cobalt share moments
        ("NaCo2O3", {"Co": [2.7, 2.6]}, 8, None),
        ("NaPO3", {}, 1, None),
        ("NaPO3", {}, 3, "SPIN_TOO_HIGH"),
    ],
)
def test_sites_have_to_be_the_ions_of_the_composition(formula, moments, multiplicity, flag):
    verdict = judge(labeled(formula, moments, multiplicity))
    assert (verdict and verdict.flag) == flag, verdict
    assert verdict is None or bool(verdict.text) == bool(verdict.flag)


def test_a_verdict_names_the_sites():
    verdict = judge(labeled("Na4V2P4O16", {"V": [1.93, -0.02]}, 3))
    assert verdict.text == "1 V3+ and 1 V5+ by moment, but the composition has 2 V4+ (V 4 +1.93 µB, V 5 -0.02 µB)"
    assert verdict.found == {"V3+": 1, "V5+": 1} and verdict.expected == {"V4+": 2}


def test_sites_are_held_against_stated_ions_and_the_charge():
    frame = labeled("Na2VFePO7", {"V": [1.0], "Fe": [4.2]}, 7)
    assert judge(frame) is None, "neutrality alone does not tell the states of two metals"
    frame.set_array("ion", np.array(["Na", "Na", "V4+", "Fe3+", "P", *["O"] * 7]))
    assert judge(frame).flag == ""
    frame.arrays["REF_spin"][2] = 1.9
    assert judge(frame).flag == "OTHER_IONS"
    frame.arrays["ion"][2] = "V5+"
    assert judge(frame) is None, "ions that are not neutral say nothing"
    # an electron taken from two V4+ leaves V4+ and V5+
    assert judge(labeled("Na4V2P4O16", {"V": [1.0, 0.1]}, 2, charge=1)).flag == ""
    assert judge(labeled("Na4V2P4O16", {"V": [0.5, 0.5]}, 2, charge=1)).flag == "FRACTIONAL_MOMENT"


def test_tight_binding_and_mulliken_moments_are_not_judged():
    odd = labeled("Na4V2P4O16", {"V": [1.9, 0.1]}, 3)
    odd.info["level"] = "gfn1-xtb-h0000000"
    assert judge(odd) is None
    odd = labeled("Na4V2P4O16", {"V": [1.9, 0.1]}, 3)
    odd.set_array("REF_spin_mulliken", odd.arrays["REF_spin"])
    assert judge(odd) is None, "both are Mulliken's where a level prints no other"
    del odd.arrays["REF_spin"]
    assert judge(odd) is None


@pytest.mark.parametrize(("name", "judged"), [("frames-pbe", 19), ("frames-gfn1-xtb", 0)])
def test_the_shipped_frames_fit_their_compositions(name, judged):
    frames = [frame for frame in read_frames(REFERENCE_SET / f"{name}.extxyz.gz") if len(frame) > 1]
    verdicts = [verdict for frame in frames if (verdict := judge(frame)) is not None]
    assert len(verdicts) == judged and not [verdict.text for verdict in verdicts if verdict.flag]


def assembled(folder: Path, frames: list[Atoms], **section) -> tuple[dict, list[Atoms]]:
    """Summary and training frames of the stage `dataset` on included frames."""
    atoms = [Atoms(element, cell=[9.0] * 3, pbc=True) for element in ("Na", "V", "P", "O")]
    for atom, spin in zip(atoms, (2, 4, 4, 3), strict=True):
        atom.info = {"REF_energy": -1.0, "charge": 0, "multiplicity": spin, "level": LEVEL, "group": "a", "source": "a"}
        atom.info["config_type"] = "IsolatedAtom"
        atom.set_array("REF_forces", np.zeros((1, 3)))
    write_frames(folder / "frames.extxyz", [*frames, *atoms])
    content = {
        "name": "t", "system": {"composition": {"Na": 4, "V": 2, "P": 4, "O": 16}, "density_g_cm3": 2.0},
        "dataset": {"level": "pbe+u+d3", "include": ["frames.extxyz"]} | section,
    }  # fmt: skip
    run = Run(Input.model_validate_json(json.dumps(content)), folder, folder / "run")
    (task,) = dataset.plan(run)
    target = folder / "task"
    target.mkdir(exist_ok=True)
    summary = dataset.run(Job(task, target, None, OneRank(), lambda *a: None, lambda: False, lambda *a, **k: 0, {}))
    return summary, read_labeled(target / "train.extxyz")


def test_flagged_frames_are_trained_on_only_where_the_input_says_so(tmp_path):
    good, odd = (labeled("Na4V2P4O16", {"V": v}, 3, source=name) for name, v in (("good", [1, 1]), ("odd", [1.9, 0.1])))
    odd.positions[0] += 0.3
    summary, kept = assembled(tmp_path, [good, odd])
    assert [frame.info["source"] for frame in kept] == ["good"]
    (entry,) = summary["spin_flagged"]
    assert (entry["source"], entry["flag"]) == ("odd", "DISPROPORTIONATED") and "1 V3+ and 1 V5+" in entry["text"]
    summary, kept = assembled(tmp_path, [good, odd], admit_spin_flagged=True)
    assert len(kept) == 2 and summary["spin_flagged"] == []
    with pytest.raises(InputError, match=r"1 DISPROPORTIONATED; first: odd: .*admit_spin_flagged: true"):
        assembled(tmp_path, [odd])
