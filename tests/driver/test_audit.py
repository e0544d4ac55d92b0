"""The audit of a dataset: what it finds, what it leaves alone, and that nothing is dropped unasked."""

import html
import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from naglass_drv.chemistry.ions import contact_distance
from naglass_drv.cli.main import main
from naglass_drv.config.schema import Audit
from naglass_drv.dataset.assemble import Dataset
from naglass_drv.dataset.audit import CHECKS, Limits, audit, audited, contacts, copies, moments, outliers, stresses
from naglass_drv.dataset.audit.text import table_of
from naglass_drv.dataset.frames import write_frames
from naglass_drv.errors import InputError
from naglass_drv.report.audit import audit_page
from support.labeled import cell
from support.structures import brute_force_pairs

LIMITS = Limits(**Audit().model_dump())
FORMULAS = ("Na2O", "Na3PO4", "NaPO3", "FePO4", "NaFeO2")


def frames_of(count: int = 40):
    return [cell(FORMULAS[k % len(FORMULAS)], k, rms_force=1 + k % 7) for k in range(count)]


def findings(frames, check: str, limits: Limits = LIMITS):
    result, _ = audit(frames, [f"frame {k}" for k in range(len(frames))], limits)
    return [finding for finding in result["findings"] if finding["check"] == check]


def test_the_fit_of_the_energies_has_the_least_absolute_deviations():
    rng = np.random.default_rng(1)
    columns, values = rng.random((9, 2)), rng.standard_t(2, size=9)
    # the optimum goes through as many points as there are coefficients
    sums = []
    for rows in itertools.combinations(range(9), 2):
        x = np.linalg.solve(columns[list(rows)], values[list(rows)])
        sums.append(np.abs(values - columns @ x).sum())
    found = outliers.least_absolute_deviations(columns, values)
    assert np.abs(values - columns @ found).sum() == pytest.approx(min(sums), rel=1e-9)


def test_an_energy_off_its_composition_and_forces_is_found():
    frames = frames_of()
    assert not findings(frames, "energy")
    frames[7].info["REF_energy"] += 0.2 * len(frames[7])
    frames[12].info["REF_energy"] -= 0.1 * len(frames[12])
    found = findings(frames, "energy")
    assert [f["frame"] for f in found] == [7, 12], "the worst first"
    assert "+0.200 eV/atom" in found[0]["text"] and "-0.100 eV/atom" in found[1]["text"]
    assert found[0]["value"] > LIMITS.energy_z and found[1]["value"] < -LIMITS.energy_z


def test_an_energy_that_nothing_can_check_is_named():
    frames = [*frames_of(), cell("VPO4", 99)]
    frames[-1].info["REF_energy"] += 100.0
    result, _ = audit(frames, [f"frame {k}" for k in range(len(frames))], LIMITS)
    assert not [f for f in result["findings"] if f["check"] == "energy"]
    assert "energy: 1 frame cannot be checked by any other frame, first: frame 40" in result["unchecked"]
    result, _ = audit(frames[:5], list("abcde"), LIMITS)
    assert "energy: 5 frames, too few for a fit by composition" in result["unchecked"]


def test_a_large_force_is_found_by_its_element():
    frames = [cell(FORMULAS[k % len(FORMULAS)], k) for k in range(40)]
    frames[3].arrays["REF_forces"][1] = [0.0, 24.0, 32.0]
    (found,) = findings(frames, "forces")
    assert found["frame"] == 3 and found["text"] == "|F| = 40.0 eV/Å on P 1"
    norms = np.concatenate([np.linalg.norm(f.arrays["REF_forces"], axis=1)[f.symbols == "P"] for f in frames])
    log = np.log(norms)
    scale = 1.4826 * np.median(np.abs(log - np.median(log)))
    assert scale > 0.3
    assert found["value"] == pytest.approx((np.log(40.0) - np.median(log)) / scale)


def test_forces_that_do_not_add_up_to_zero_are_found():
    frames = frames_of(20)
    frames[5].arrays["REF_forces"][0, 2] += 0.07
    (found,) = findings(frames, "net_force")
    assert found["frame"] == 5 and found["value"] == pytest.approx(0.07)


def test_closest_contacts_are_those_of_a_search_over_all_images():
    rng = np.random.default_rng(4)
    frame = cell("Na3PO4", 2)
    frame.set_cell([[4.0, 0.0, 0.0], [1.5, 4.5, 0.0], [-0.7, 1.0, 5.0]])
    frame.positions = rng.uniform(-3, 8, (8, 3))
    best: dict[str, float] = {}
    for (i, j, _), distance in brute_force_pairs(frame, 1.3 * 3.29).items():
        pair = "-".join(sorted((frame.symbols[i], frame.symbols[j]), key=["Na", "P", "O"].index))
        best[pair] = min(best.get(pair, np.inf), distance)
    found = {contact.pair: contact for contact in contacts.closest(frame)}
    assert {pair: contact.distance_A for pair, contact in found.items()} == pytest.approx(best)
    assert len(found) == 6 and "P-P" in found, "P meets its own image"
    for pair, contact in found.items():
        assert contact.contact_A == contact_distance(*pair.split("-"))
        assert sorted(frame.symbols[list(contact.atoms)]) == sorted(pair.split("-"))


def test_atoms_inside_each_other_are_found():
    frames = frames_of(20)
    first, second = np.flatnonzero(frames[1].symbols == "O")[:2]
    frames[1].positions[second] = frames[1].positions[first] + [0.0, 0.0, 1.4]
    (found,) = findings(frames, "distance")
    assert found["frame"] == 1 and found["value"] == pytest.approx(1.4 / 2.8)
    assert f"O {first} and O {second} are 1.40 Å apart" in found["text"]


def test_near_copies_have_the_distance_they_were_moved_by():
    first = cell("Na3PO4", 1)
    rng = np.random.default_rng(5)
    turn = rng.normal(size=(8, 3))
    turn -= turn.mean(axis=0)
    turn *= 0.02 / np.sqrt((turn**2).sum(axis=1).mean())
    moved = first.copy()
    moved.positions += turn + [1.3, -0.4, 9.0]
    moved.wrap()
    strained, exchanged, charged, far = (first.copy() for _ in range(4))
    strained.set_cell(first.cell.array * 1.01, scale_atoms=True)
    exchanged.positions[[0, 1]] = exchanged.positions[[1, 0]]
    charged.info["multiplicity"] += 2
    far.positions += 2 * turn
    found = copies.near_copies([first, moved, strained, exchanged, charged, far], 0.03, 0.002)
    assert [(copy.frame, copy.of) for copy in found] == [(1, 0), (5, 1)]
    assert [copy.rms_A for copy in found] == pytest.approx([0.02, 0.02])
    assert [copy.frame for copy in copies.near_copies([first, strained], 0.03, 0.011)] == [1]


def test_near_copies_agree_with_a_search_that_sorts_out_nothing():
    rng = np.random.default_rng(6)
    start = cell("Na20P5O10", 3)
    frames = []
    for _ in range(30):
        frame = start.copy()
        frame.positions += rng.normal(scale=rng.choice([0.01, 0.03, 0.5]), size=frame.positions.shape)
        frames.append(frame)
    expected = {}
    for k, frame in enumerate(frames):
        for earlier in range(k):
            away = frame.positions - frames[earlier].positions
            rms = np.sqrt(((away - away.mean(axis=0)) ** 2).sum(axis=1).mean())
            if rms <= 0.06 and rms < expected.get(k, (0, 1))[1]:
                expected[k] = earlier, rms
    found = copies.near_copies(frames, 0.06, 0.002)
    assert {copy.frame: copy.of for copy in found} == {k: of for k, (of, _) in expected.items()}
    assert [copy.rms_A for copy in found] == pytest.approx([rms for _, rms in expected.values()])
    assert 3 < len(found) < 29


def test_a_near_copy_in_another_group_says_what_a_split_would_do():
    frames = frames_of(20)
    frames.append(frames[0].copy())
    assert "a different group" not in findings(frames, "near_copy")[0]["text"]
    frames[-1].info["group"] = "other"
    (found,) = findings(frames, "near_copy")
    assert found["value"] == 0.0 and "from frame 0, which is in a different group" in found["text"]


def with_moments(formula: str, values: dict[str, float], multiplicity: int):
    frame = cell(formula, 8, multiplicity=multiplicity)
    frame.set_array("REF_spin_mulliken", np.array([values[element] for element in frame.symbols]))
    return frame


def test_sites_that_are_other_ions_are_found_by_name():
    glass = cell("Na4V2P4O16", 8, multiplicity=3)
    glass.set_array("REF_spin", np.where(glass.symbols == "V", 1.0, 0.0))
    frames = [*frames_of(20), glass]
    assert not findings(frames, "sites")
    glass.arrays["REF_spin"][4:6] = [2.0, 0.0]
    (found,) = findings(frames, "sites")
    assert found["frame"] == 20 and found["text"].startswith("DISPROPORTIONATED: 1 V3+ and 1 V5+ by moment")
    assert (found["value"], found["unit"]) == (2.0, "sites")
    assert not findings(frames, "spin"), "the sum and the states of each site by itself are right"


@pytest.mark.parametrize(
    ("formula", "moments_muB", "multiplicity", "text"),
    [
        ("FePO4", {"Fe": 4.9, "P": 0.0, "O": 0.025}, 6, None),
        ("FePO4", {"Fe": 2.9, "P": 0.02, "O": 0.02}, 4, "moment +2.90 µB of Fe 0 is 1.10 µB off any high-spin state"),
        ("FePO4", {"Fe": 4.9, "P": 0.0, "O": 0.025}, 2, "moments are 4.00 µB off the sum for multiplicity 2"),
        ("NaO", {"Na": 0.05, "O": 0.95}, 2, "moment +0.95 µB of O 1 is 0.95 µB off any high-spin state"),
        ("V2O5", {"V": 1.0, "O": 0.0}, 3, None),
    ],
)
def test_moments_are_held_against_multiplicity_and_states(formula, moments_muB, multiplicity, text):
    frames = [*frames_of(20), with_moments(formula, moments_muB, multiplicity)]
    found = findings(frames, "spin")
    assert [f["text"] for f in found] == ([text] if text else [])


def test_moments_by_state():
    frames = [with_moments("Fe2PO4", {"Fe": moment, "P": 0.1, "O": -0.2}, 9) for moment in (3.8, -4.2, 4.7)]
    found = moments.table(frames)
    assert {name: entry["atoms"] for name, entry in found.items()} == {"Fe2+": 4, "Fe3+": 2, "O": 12, "P": 3}
    assert found["Fe2+"]["mean_muB"] == pytest.approx(4.0) and found["Fe2+"]["spread_muB"] == pytest.approx(0.2)
    assert found["O"]["smallest_muB"] == found["O"]["largest_muB"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("level", "words"),
    [("gfn1-xtb-h0a1b2c", "occupations from tight binding"), ("pbe-h0a1b2c", "Hirshfeld or the level's own")],
)
def test_what_the_moments_are_follows_from_the_level(level, words):
    frames = [with_moments("FePO4", {"Fe": 4.2, "P": 0.1, "O": 0.1}, 6), *frames_of(5)]
    for frame in frames:
        frame.info["level"] = level
    result, arrays = audit(frames, list("abcdef"), LIMITS)
    assert f"moments: {words}" in table_of(result).splitlines()
    assert f"{words[0].upper()}{words[1:]}. Transition metals" in html.unescape(audit_page("audit", result, arrays))


def spoilt():
    frames = frames_of()
    frames[7].info["REF_energy"] += 0.5 * len(frames[7])
    frames[9].arrays["REF_forces"][0] += [0.0, 0.0, 0.5]
    return Dataset(tuple(frames), {}, "made-h0a1b2c", 0)


@pytest.mark.parametrize(
    ("drop", "gone"),
    [(False, {}), (["energy"], {7: ["energy"]}), (True, {7: ["energy"], 9: ["net_force"]}), (["near_copy"], {})],
)
def test_only_what_was_named_is_dropped_and_listed(drop, gone):
    dataset = spoilt()
    kept, result, _ = audited(dataset, LIMITS, drop)
    assert result["counts"] == dict.fromkeys(CHECKS, 0) | {"energy": 1, "net_force": 1}
    assert result["dropped"] == [
        {"source": dataset.frames[k].info["source"], "checks": checks} for k, checks in gone.items()
    ]
    assert list(kept.frames) == [frame for k, frame in enumerate(dataset.frames) if k not in gone]


def test_an_audit_that_would_leave_nothing_is_refused():
    strict = replace(LIMITS, near_copy_A=0.0, max_net_force_eV_per_A=1e-30)
    with pytest.raises(InputError, match="drop_outliers leaves none of 2 frames"):
        audited(Dataset((cell("Na2O", 1), cell("Na2O", 2)), {}, "made-h0a1b2c", 0), strict, True)


def test_densities_and_energies_beyond_isolated_atoms():
    frame = cell("Na2O", 1)
    result, arrays = audit([frame], ["a"], LIMITS, {"Na": -1.0, "O": -2.0})
    mass_g = (2 * 22.98976928 + 15.999) * 1.66053906660e-24
    assert arrays["density_g_cm3"][0] == pytest.approx(mass_g / (frame.cell.volume * 1e-24))
    beyond = (frame.info["REF_energy"] + 4.0) / 3
    assert result["coverage"]["atomization_energy_eV_per_atom"]["median"] == pytest.approx(beyond)
    assert audit([frame], ["a"], LIMITS, {"Na": -1.0})[0]["coverage"]["atomization_energy_eV_per_atom"] is None


def test_the_verb_prints_a_table_and_writes_a_page(tmp_path, capsys):
    frames = list(spoilt().frames)
    frames[7].info["source"] = "<script>alert(1)</script>"
    frames.append(with_moments("FePO4", {"Fe": 4.9, "P": 0.0, "O": 0.025}, 6))
    path = tmp_path / "<b>set.extxyz"
    write_frames(path, frames)
    assert main(["audit", str(path), "-o", str(tmp_path / "out"), "--limit", "max_net_force_eV_per_A=0.6"]) == 0
    assert "set.extxyz: frame 7: E/N is +0.500 eV/atom off a fit" in capsys.readouterr().out
    result = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert result["counts"] == dict.fromkeys(CHECKS, 0) | {"energy": 1}
    assert result["limits"]["max_net_force_eV_per_A"] == 0.6
    page = (tmp_path / "out" / "audit.html").read_text()
    assert page.count("<img ") == 5 and page.count("data:image/svg+xml") == 5 and "<b>" not in page
    assert "&lt;b&gt;set.extxyz: frame 7" in page and "Nothing was dropped." in page


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("energy=3", "--limit energy=3: no such limit; choose from energy_z, forces_z"),
        ("energy_z=many", "--limit energy_z=many: 'many' is not a number"),
        ("energy_z=-1", "--limit energy_z=-1: Input should be greater than 0"),
    ],
)
def test_the_verb_refuses_a_bad_limit(tmp_path, capsys, limit, message):
    write_frames(tmp_path / "set.extxyz", [cell()])
    assert main(["audit", str(tmp_path / "set.extxyz"), "-o", str(tmp_path / "out"), "--limit", limit]) == 2
    assert capsys.readouterr().err.startswith(message)
    assert [path.name for path in tmp_path.iterdir()] == ["set.extxyz"]


def test_the_verb_refuses_mixed_levels(tmp_path, capsys):
    write_frames(tmp_path / "a.extxyz", [cell()])
    write_frames(tmp_path / "b.extxyz", [cell(level="made-h7777777")])
    assert main(["audit", str(tmp_path / "a.extxyz"), str(tmp_path / "b.extxyz")]) == 2
    assert "b.extxyz: frame 0: level made-h7777777" in capsys.readouterr().err


def strained_copies(count: int = 24, scale: float = 1.0):
    """Copies of one structure under a harmonic energy whose stress is known exactly, times `scale`."""
    rng = np.random.default_rng(5)
    start = cell("NaPO3", 1)
    stiff, volume = 0.5, start.cell.volume
    first = np.array([[-0.05, 0.01, 0.0], [0.01, 0.03, 0.02], [0.0, 0.02, -0.02]])
    frames = []
    for k in range(count):
        strain = rng.normal(scale=0.01, size=(3, 3))
        strain = (strain + strain.T) / 2
        frame = start.copy()
        frame.set_cell(start.cell.array @ (np.eye(3) + strain), scale_atoms=True)
        frame.arrays["REF_forces"] = np.zeros((len(frame), 3))
        frame.info |= {
            "REF_energy": -20.0 + volume * ((first * strain).sum() + stiff * (strain**2).sum() / 2),
            "REF_stress": scale * (first + stiff * strain), "source": f"made/{k}",
        }  # fmt: skip
        frames.append(frame)
    return frames


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        (1.0, None),
        (-1.0, "; the sign is that of a pressure or virial"),
        (160.2176634, "; GPa instead of eV/Å³"),
        (1602.176634, "; kbar instead of eV/Å³"),
        (-1602.176634, "; kbar instead of eV/Å³; the sign is that of a pressure or virial"),
        (5.0, "of the work of the stress"),
    ],
)
def test_the_work_of_the_stress_tells_its_unit_and_sign(tmp_path, capsys, scale, message):
    frames = strained_copies(scale=scale)
    ratio = stresses.work_ratio(frames)
    # the finite strain is taken at the middle, to second order
    assert ratio.median == pytest.approx(1 / scale, rel=0.03) and ratio.pairs == len(frames) - 1
    assert ratio.low < ratio.median < ratio.high
    found = findings(frames, "stress")
    assert len(found) == (0 if message is None else len(frames))
    assert all(message in one["text"] for one in found)
    write_frames(tmp_path / "a.xyz", frames)
    words = ["import-frames", str(tmp_path / "a.xyz"), "-o", str(tmp_path / "b.xyz"), "--level-name", "x"]
    assert main([*words, "--settings", "s", "--max-stress", "1e9"]) == 0
    said = capsys.readouterr().out
    assert "stress: over" not in said if message is None else message in said


def test_stresses_that_stand_out_are_found():
    frames = frames_of()
    rng = np.random.default_rng(2)
    for frame in frames:
        off = rng.normal(scale=0.02, size=(3, 3))
        frame.info["REF_stress"] = off + off.T
    assert not findings(frames, "stress")
    frames[7].info["REF_stress"] *= 1602.18
    frames[9].info["REF_stress"] *= 160.218
    frames[11].info["REF_stress"] = np.array([[0, 0.5, 0], [0, 0, 0], [0, 0, 0.0]])
    frames[13].info["REF_stress"] = np.diag([0.5, 0.5, 0.5])
    frames[15].info["REF_stress"] += 1e-6 * np.array([[0, 1, 0], [0, 0, 0], [0, 0, 0]])
    found = {one["frame"]: one["text"] for one in findings(frames, "stress")}
    assert sorted(found) == [7, 9, 11, 13], "rounding is no asymmetry"
    assert "GPa; the unit must be eV/Å³" in found[7] and "GPa; the unit must be eV/Å³" in found[9]
    assert "differ by 0.5 eV/Å³" in found[11]
    assert "a pressure of -80.11 GPa, while" in found[13]
    assert not findings(frames[:5] + frames[16:], "stress", replace(LIMITS, max_stress_GPa=1e6, stress_z=1e6))


def test_frames_without_a_stress_have_no_finding():
    frames = frames_of(8)
    frames[3].info["REF_stress"] = np.eye(3)
    assert [one["frame"] for one in findings(frames, "stress")] == [3]
    assert stresses.work_ratio(frames_of(8)) is None


def test_two_bad_stresses_do_not_condemn_the_others():
    frames = strained_copies()
    frames[7].info["REF_stress"] = frames[7].info["REF_stress"] * 1602.18
    frames[11].info["REF_stress"] = np.array([[0, 0.5, 0], [0, 0, 0], [0, 0, 0.0]])
    assert sorted(one["frame"] for one in findings(frames, "stress")) == [7, 11]
