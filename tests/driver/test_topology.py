"""What the driver makes of rings, linkage, fingerprints and hops: crystals and motions of which the answer is known."""

import numpy as np
import pytest
from ase import Atoms

from naglass_drv import core
from naglass_drv.analysis.fingerprints import MOMENTS, fingerprints
from naglass_drv.analysis.hopping import hopping
from naglass_drv.analysis.topology import topology
from support.structures import crystal

CUTOFFS = {"P-O": 2.0, "V-O": 2.5}
NASICON = "NVP_R-3c_Na3_ewald_ordered"


def test_nasicon():
    """Only V-O-P corners, six of each V; every V in one lantern; the rings of its framework."""
    atoms = crystal(NASICON)
    found = topology([atoms, atoms], CUTOFFS, "Na", ring_size=8)
    metals, formers = (atoms.symbols == "V").sum(), np.isin(atoms.symbols, ["V", "P"]).sum()
    ((link, per_former),) = found.linkage.items()
    assert sorted(link.split()[0].split("-")) == ["P", "V"] and link.endswith(" corner")
    assert per_former.mean * formers == pytest.approx(6 * metals)
    # distinct primitive rings per 30 formers: 36 of four, 72 of six, 18 of eight
    assert 30 * found.rings.mean == pytest.approx([0, 0, 0, 0, 36, 0, 72, 0, 18])
    assert found.lanterns.mean == 1.0
    assert 2.5 < found.ion_spacing.mean < 5.0


def test_what_is_not_there_is_not_measured():
    assert topology([crystal("V2O5_alpha_Pmmn")], CUTOFFS, None, ring_size=6) is None, "no glass former"
    found = topology([crystal("VOPO4_alphaII_P4n")], CUTOFFS, None, ring_size=6)
    assert found.lanterns.mean == 0.0 and found.ion_spacing is None


def test_states_of_crystals_by_valence():
    """Vanadium is 3+ in NASICON, 4+ in NaVOPO4, 5+ in VOPO4; sums by the parameters of Hu and Zhou."""
    for name, state, total in (
        (NASICON, "3", 3.06),
        ("NaVOPO4_alpha_P21c_DLSmodel", "4", 4.15),
        ("VOPO4_alphaII_P4n", "5", 5.16),
    ):
        found = fingerprints([crystal(name)], CUTOFFS)["V"]
        assert found["states"]["valence"] == {state: 1.0}
        assert found["bond_valence"] == pytest.approx(total, abs=0.01)
        assert found["bond_valence_err"] is None and found["confusion"] is None and found["links"] is None


def test_the_shares_of_the_bond_families_add_up_to_one():
    """However many families a strongly disordered structure has."""
    frames = [crystal(NASICON).repeat(2) for _ in range(2)]
    for k, atoms in enumerate(frames):
        atoms.rattle(0.3, seed=k)
    found = fingerprints(frames, CUTOFFS, independent=True)["V"]
    assert len(found["label_share"]) > 6 and sum(found["label_share"].values()) == pytest.approx(1.0)


def test_moments_of_labels_meet_the_bond_valence():
    """One V of NASICON given the moment of V4+: it disagrees with its bonds, and its links are mixed."""
    atoms = crystal(NASICON)
    vanadium = np.flatnonzero(atoms.symbols == "V")
    moments = np.where(atoms.symbols == "V", 2.0, 0.0)
    moments[vanadium[0]] = -1.0
    atoms.set_array(MOMENTS, moments)
    found = fingerprints([atoms], CUTOFFS)["V"]
    v = len(vanadium)
    assert found["states"]["moment"] == {"3": pytest.approx(1 - 1 / v), "4": pytest.approx(1 / v)}
    assert found["confusion"] == {"states": [3, 4], "counts": [[v - 1, 0], [1, 0]], "agreement": (v - 1) / v}
    assert found["flagged_share"] == pytest.approx(1 / v)
    links = found["links"]["mediated"]
    assert links["antiparallel"] == links["mixed states"] > 0
    assert links["parallel"] + links["antiparallel"] == links["pairs"]


def test_frames_without_the_metal_do_not_count():
    plain = Atoms("NaO", positions=[[0, 0, 0], [2.3, 0, 0]], cell=[8, 8, 8], pbc=True)
    alone = fingerprints([crystal(NASICON)], CUTOFFS)
    assert fingerprints([plain, crystal(NASICON)], CUTOFFS) == alone
    assert fingerprints([plain], CUTOFFS) == {}


INTERVAL_PS, STEPS = 0.01, 10


def moving(hop_at: float | None, frames: int = 801) -> list[Atoms]:
    """An Na in its cage of O rattles; at `hop_at` (ps) it moves on by 2.8 Å for good."""
    rng = np.random.default_rng(3)
    host = [[x, y, z] for x in (0, 2.8, 5.6, 8.4) for y in (0, 2.8) for z in (0, 2.8)]
    made = []
    for k in range(frames):
        away = 2.8 if hop_at is not None and k * INTERVAL_PS >= hop_at else 0.0
        ion = np.array([1.4 + away, 1.4, 1.4]) + rng.normal(0, 0.1, 3)
        made.append(Atoms("O" * len(host) + "Na", [*host, ion], cell=[11.2, 9, 9], pbc=True))
        made[-1].info = {"time_ps": k * INTERVAL_PS, "step": k * STEPS}
    return made


def found(frames, **options):
    return hopping(frames, "Na", CUTOFFS, window_ps=0.5, threshold_A2=1.0, return_ps=20.0, **options)


def test_a_hop_is_found_at_its_time_and_changes_the_cage():
    hops = found(moving(4.0))
    assert hops.count == 1 and hops.window_ps == pytest.approx(0.5)
    assert hops.columns["hop_time_ps"] == pytest.approx([4.0], abs=0.051)
    assert hops.mean_length[0] == pytest.approx(2.8, abs=0.15)
    assert hops.changed_cage == 1.0 and hops.agreement is None
    low, high = hops.rate_interval_per_ps
    assert 0 < low < hops.rate_per_ps[0] < high and hops.returned_interval[1] < 1
    none = found(moving(None))
    assert none.count == 0 and none.rate_interval_per_ps[0] == 0 < none.rate_interval_per_ps[1]


def test_the_metal_beside_a_hop_is_told():
    """A V in a square of O 1.75 Å away, and another 1.95 Å: sums of 4.5 and 2.4, of which the first is nearer."""
    frames = moving(4.0)
    for atoms in frames:
        for x, bond in ((3.0, 1.75), (9.0, 1.95)):
            center = np.array([x, 6.0, 1.4])
            square = [center + bond * np.array(way) for way in ([1, 0, 0], [-1, 0, 0], [0, 0, 1], [0, 0, -1])]
            atoms += Atoms("VO4", [center, *square])
    hops = found(frames)
    assert frames[0].positions[hops.columns["hop_nearest_metal"]] == pytest.approx(np.array([[3.0, 6.0, 1.4]]))
    expected = core.fingerprint(frames[400], center="V").by_valence
    assert hops.columns["hop_metal_state"].tolist() == [expected[0]] and expected[0] != expected[1]


def test_a_trajectory_shorter_than_two_windows_tells_nothing():
    # two windows of 1 ps, sampled every 0.05 ps: 40 samples
    assert found(moving(None, frames=190)) is None
    assert found(moving(None, frames=201)) is not None


def test_hops_written_during_the_run_are_compared(tmp_path):
    hops = found(moving(4.0))
    (step,) = np.round(hops.columns["hop_time_ps"] / INTERVAL_PS * STEPS).astype(int)
    row = "17 4.2 1.4 1.4 1.4 1.4 1.4 7.8 nan -1 0"
    for name, lines, agreement in (
        ("same", [f"{step} {row}"], 1.0),
        ("other", [f"{step + 50} {row}"], 0.0),
        ("none", [], 0.0),
    ):
        (tmp_path / name).write_text("\n".join(["# naglass/hops", *lines]) + "\n")
        assert found(moving(4.0), on_the_fly=tmp_path / name).agreement == agreement
