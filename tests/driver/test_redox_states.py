"""States of metals by the moments of a trajectory where the model is known to tell them apart, else by bond valence."""

import json
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from test_interface_analysis import cell, trajectory  # noqa: F401
from test_moments_page import moments
from test_topology import CUTOFFS, INTERVAL_PS, moving

from naglass_drv.analysis import interfaces
from naglass_drv.analysis.hopping import hopping
from naglass_drv.analysis.layer_values import layer_values
from naglass_drv.analysis.measure import measure
from naglass_drv.analysis.quantities import quantities
from naglass_drv.analysis.redox import Readout, by_moment, how_told, metal_states, told_apart
from naglass_drv.analysis.surroundings import surroundings, text
from naglass_drv.chemistry.level import OCCUPATIONS
from naglass_drv.config.schema import Analysis
from naglass_drv.core import Trajectory
from naglass_drv.report.figures_interface import profiles
from naglass_drv.report.moments import states_told
from naglass_drv.stages import analysis
from naglass_drv.stages.base import read_settings
from support.report_bench import FULL, Bench, add_glass
from support.structures import crystal

NVP = crystal("NVP_R-3c_Na3_ewald_ordered")
BONDS = {"V-O": 2.5, "P-O": 2.0}
APART = Readout({"V": ""}, "|moments|")


def with_moments(atoms: Atoms, values) -> Atoms:
    """The same atoms with these moments (µB) of V, in their order, and small ones elsewhere."""
    made = atoms.copy()
    array = np.full(len(made), 0.02)
    array[np.array(made.get_chemical_symbols()) == "V"] = values
    made.set_array("moment", array)
    return made


@pytest.mark.parametrize(
    ("frames", "readout", "by", "why"),
    [
        ([NVP], APART, "valence", "the model gives no moments"),
        ([with_moments(NVP, 2.0), NVP], APART, "valence", "the model gives no moments"),
        ([with_moments(NVP, 2.0)], None, "valence", "nothing is known of how well"),
        ([with_moments(NVP, 2.0)], Readout({"Fe": ""}), "valence", "undetermined: no held-out groups"),
        (
            [with_moments(NVP, 2.0)],
            Readout({"V": "20 % of V5+ are recognized"}),
            "valence",
            "undetermined: 20 % of V5+",
        ),
        ([with_moments(NVP, 2.0)], APART, "moment", ""),
    ],
)
def test_moments_tell_states_only_where_they_are_known_to(frames, readout, by, why):
    told = how_told(frames, readout)
    assert (
        list(told) == ["V"]
        and told["V"]["by"] == by
        and why in told["V"]["why"]
        and bool(told["V"]["why"]) is bool(why)
    )
    assert by_moment(told) == ({"V"} if by == "moment" else set())


def test_states_follow_the_moments_against_the_bonds():
    """By bond valence all V of NVP are V³⁺, whatever their moments."""
    number = int((np.array(NVP.get_chemical_symbols()) == "V").sum())
    values = np.resize([2.02, 0.95, 0.1, 1.6], number)
    atoms = with_moments(NVP, values)
    v = np.array(atoms.get_chemical_symbols()) == "V"
    assert set(metal_states(atoms, "V", BONDS)[v]) == {3}
    assert metal_states(atoms, "V", BONDS, {"V"})[v].tolist() == np.resize([3, 4, 5, 3], number).tolist()
    assert not metal_states(atoms, "V", BONDS, {"V"})[~v].any()
    found = layer_values(atoms, BONDS, of_moment={"V"})
    assert np.nanmean(found["redox_V"]) == pytest.approx(np.resize([3, 4, 5, 3], number).mean())
    assert np.nanmean(found["state_V"]) == 3 and np.nanmean(found["moment_V"]) == pytest.approx(values.mean())
    assert np.isnan(found["redox_V"][~v]).all() and np.isnan(found["moment_V"][~v]).all()
    undetermined = layer_values(atoms, BONDS)
    assert "redox_V" not in undetermined and "moment_V" in undetermined and "moment_V" not in layer_values(NVP, BONDS)


def beside_vanadium(change):
    """An Na that hops at 4 ps beside a V in a square of O, whose moment changes from 1 to 0.05 µB at `change` (ps)."""
    frames = moving(4.0)
    square = np.array([3.0, 6.0, 1.4]) + [[0, 0, 0], [1.95, 0, 0], [-1.95, 0, 0], [0, 0, 1.95], [0, 0, -1.95]]
    for k, atoms in enumerate(frames):
        atoms += Atoms("VO4", square)
        moment = np.where(atoms.symbols == "V", 1.0 if k * INTERVAL_PS < change else 0.05, 0.0)
        atoms.set_array("moment", moment)
    return frames


def test_a_hop_has_the_state_that_the_moment_of_its_metal_has_then():
    """The hop at 4 ps sees V⁴⁺ before the moment changes and V⁵⁺ after that, whatever the bonds are."""
    options = {"window_ps": 0.5, "threshold_A2": 1.0, "return_ps": 20.0}
    for change, state in ((2.0, 5), (6.0, 4)):
        frames = beside_vanadium(change)
        own = hopping(frames, "Na", CUTOFFS, **options, of_moment={"V"})
        assert own.columns["hop_metal_state"].tolist() == [state]
        bonds = hopping(frames, "Na", CUTOFFS, **options)
        assert bonds.columns["hop_metal_state"].tolist() not in ([4], [5])


def test_a_trajectory_with_moments_is_measured_by_them():
    """From the frames to the rows: which state the hop is beside, and by what."""
    wanted = Analysis(cutoffs_A={"V-O": 2.5, "Na-O": 3.1}, hop_window_ps=0.5, q_max_per_A=3.0, r_max_A=4.0)
    frames = beside_vanadium(6.0)[::4]
    for readout, by, label in (
        (Readout({"V": ""}, OCCUPATIONS), "moment", "hops whose nearest metal is V⁴⁺ by occupation"),
        (APART, "moment", "hops whose nearest metal is V⁴⁺ by moment"),
        (Readout({"V": "20 % of V5+"}), "valence", "by bond valence"),
    ):
        numbers, curves = measure(frames, wanted, readout=readout)
        assert numbers["metal_states"]["V"]["by"] == by and numbers["hops"]["count"] == 1
        labels = [row.label for row in quantities("g0", numbers, curves) if ".beside." in row.key]
        assert len(labels) == 1 and labels[0].endswith(label)


def test_sites_have_classes_of_one_kind():
    atoms = with_moments(NVP, 1.0)
    path = Trajectory(atoms.positions[None], 0.1, tuple(atoms.get_chemical_symbols()), atoms.cell.array, False)
    sites = atoms.positions[atoms.symbols == "Na"]
    found = surroundings(path, [atoms], [0], sites, BONDS, {"V"})
    assert set(found["nearest_metal_by_moment"][0]) == {"V4+"} and "nearest_metal" not in found
    assert text("nearest_metal_by_moment") == "nearest metal by moment"
    mixed = atoms.copy()
    mixed.symbols[np.flatnonzero(mixed.symbols == "V")[0]] = "Fe"
    path = replace(path, symbols=tuple(mixed.get_chemical_symbols()))
    found = surroundings(path, [mixed], [0], sites, BONDS | {"Fe-O": 2.75}, {"V"})
    assert "nearest_metal" in found and "nearest_metal_by_moment" not in found


def test_the_page_says_how_states_are_told_and_claims_no_dynamics():
    told = how_told([with_moments(NVP, 2.0)], APART)
    sentence = states_told(told)
    assert sentence.startswith("States of V are told by the moments that the model predicts.")
    assert "nothing here is a claim about how they exchange in time" in sentence
    cheap = states_told(how_told([with_moments(NVP, 2.0)], Readout({"V": ""}, OCCUPATIONS)))
    assert cheap.startswith("States of V are told by the occupations from tight binding that the model predicts.")
    bonds = states_told(how_told([NVP], None))
    assert bonds.startswith("States of V are told by bond valence: the model gives no moments.") and "in time" in bonds
    assert states_told({}) == ""


def test_an_interface_has_profiles_of_states_by_moment(cell):  # noqa: F811
    """V³⁺ in the crystal and V⁴⁺ in the glass, by their moments."""
    made, bulk = cell
    frames = []
    for frame in trajectory(made.atoms, 12):
        phase = frame.arrays["phase"][np.array(frame.get_chemical_symbols()) == "V"]
        moved = with_moments(frame, np.where(phase == 1, 2.0, 1.0))
        moved.info = frame.info
        frames.append(moved)
    numbers, curves = interfaces.interface(
        frames, bulk, Analysis(), name="i0-800K", readout=Readout({"V": ""}, OCCUPATIONS)
    )
    assert numbers["metal_states"]["V"]["by"] == "moment"
    distance, state = curves["distance_A"], curves["profile/redox_V"]
    assert np.nanmean(state[distance < -4]) == pytest.approx(3.0) and np.nanmean(state[distance > 4]) == pytest.approx(
        4.0
    )
    svg = profiles(curves, "flat", "occupation").decode()
    assert "oxidation state by occupation" in svg and "|occupation|" in svg and "by moment" not in svg
    assert "instantaneous/redox_V" in curves
    plain, without = interfaces.interface(frames, bulk, Analysis(), name="i0-800K")
    assert plain["metal_states"]["V"]["by"] == "valence" and "profile/redox_V" not in without
    assert np.nanmean(without["profile/moment_V"][distance < -4]) == pytest.approx(2.0)


def test_errors_that_say_nothing_of_states_leave_them_open():
    errors = moments(True)["errors_muB"]["test"] | {"Na": {"atoms": 4}}
    assert told_apart(errors) == {"V": ""} and told_apart(None) == {} and told_apart(["V"]) == {}
    assert told_apart(moments(False)["errors_muB"]["test"])["V"].startswith("20 % of V5+")
    assert told_apart({"V": {"separates": False}}) == {"V": "they are not told apart"}


@pytest.mark.parametrize(
    ("file", "content", "readout", "are"),
    [
        (None, None, None, ""),
        (
            "m.spin.json",
            {"moments_by": OCCUPATIONS, "errors": {"held out": {"V": {"separates": True}}}},
            {"V": ""},
            OCCUPATIONS,
        ),
        ("m.spin.json", {"moments_by": "hirshfeld labels", "errors": {"fitted": {"V": {"separates": True}}}}, None, ""),
        ("m.json", {"level": "pbe+u+d3", "moments": moments(True)}, {"V": ""}, "|moments|"),
        ("m.json", {"level": "gfn1-xtb", "moments": moments(True)}, {"V": ""}, OCCUPATIONS),
        ("m.json", ["other"], None, ""),
        ("m.json", "{", None, ""),
    ],
)
def test_what_is_known_of_a_readout_is_taken_from_beside_the_archive(tmp_path, file, content, readout, are):
    bench = Bench(tmp_path, _input("m.naglass"))
    if file is not None:
        (tmp_path / file).write_text(content if isinstance(content, str) else json.dumps(content))
    assert _settings(bench) == (readout, are)


def test_what_is_known_of_a_trained_readout_is_in_its_summary(tmp_path):
    bench = Bench(tmp_path, FULL)
    bench.product("model/model.json", {"level": "pbe+u+d3", "moments": moments(False)})
    readout, are = _settings(bench)
    assert readout["V"].startswith("20 % of V5+") and are == "|moments|"


def _input(model):
    content = {key: part for key, part in FULL.items() if key not in ("reference", "dataset", "train")}
    return content | {"md": FULL["md"] | {"model": model}}


def _settings(bench):
    add_glass(bench)
    summary = {"frames": 3, "reached_ps": 1.0, "stable": True, "structure": "g0", "atoms": 26}
    folder = bench.done("md", "g0-600K", summary, {})
    (folder / "trajectory.extxyz").write_text("")
    task = next(each for each in analysis.plan(bench.run) if each.name == "g0-600K")
    settings = read_settings(analysis.Settings, task)
    return settings.readout, settings.moments
