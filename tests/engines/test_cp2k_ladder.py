"""The ladder of the SCF, deaths and hangs, with a stand-in for CP2K; tests/long has a hard cell."""

import signal

import ase.io
import numpy as np
import pytest
from ase import Atoms

from naglass_drv.config.site import load_site
from naglass_drv.engines.cp2k import tree
from naglass_drv.engines.cp2k.failures import FAILURES, REJECTIONS, Refused
from naglass_drv.engines.cp2k.run import judge
from naglass_drv.engines.cp2k.run.label import Program, label
from naglass_drv.engines.cp2k.run.runaway import RunawayWatch
from naglass_drv.engines.cp2k.theory.levels import level
from naglass_drv.engines.cp2k.write import scf
from naglass_drv.errors import TaskFailed
from naglass_drv.runtime.launch import run_child
from support import cp2k_stand_in
from support.structures import DATA, cp2k_output

pytestmark = pytest.mark.cp2k

XTB = level("gfn1-xtb")
PBE = level("pbe+u+d3", cutoff_Ry=400)
SECOND = "MINIMIZER CG"
THIRD = "SCF_GUESS RESTART"
GOOD = {"replay": cp2k_output("xtb_label")}
UNCONVERGED = {"replay": cp2k_output("e_unconv")}


def box():
    return ase.io.read(DATA / "structures" / "mol8s.extxyz")


def attempt(folder, *rules, chosen=XTB, **options):
    """A label by a stand-in with these rules: the frame or the failure, and the calls."""
    program = cp2k_stand_in.install(folder / "bin", *rules)
    using = Program(program, load_site().cp2k_data)
    options = {"multiplicity": 2, "max_net_force_eV_per_A": 1.0} | options
    try:
        found = label(box(), chosen, folder, program=using, charge=0, child=run_child, **options)
    except TaskFailed as failure:
        found = failure
    return found, cp2k_stand_in.calls(program)


def test_first_path_alone_when_it_converges(tmp_path):
    frame, calls = attempt(tmp_path, GOOD)
    assert frame.info["scf_path"] == "as in the template" and len(calls) == 1


@pytest.mark.parametrize("rung", [2, 3])
def test_the_ladder_is_climbed_to_the_rung_that_converges(tmp_path, rung):
    good = GOOD | {"when": [SECOND] if rung == 2 else [THIRD]}
    frame, calls = attempt(tmp_path, good, UNCONVERGED)
    assert len(calls) == rung and len({call["folder"] for call in calls}) == rung
    assert frame.info["scf_path"] == [r.name for r in scf.ladder(tree.parse(calls[0]["input"]))][rung - 1]
    assert not list(tmp_path.rglob("*.wfn*")), "orbitals are of no use once there is a label"


def test_every_rung_keeps_the_level(tmp_path):
    """All that differs between the inputs is how the SCF gets there."""
    for name, chosen in (("xtb", XTB), ("pbe", PBE)):
        (tmp_path / name).mkdir()
        failure, calls = attempt(tmp_path / name, UNCONVERGED, chosen=chosen)
        assert failure.failure == "SCF_NOT_CONVERGED" and len(calls) == 3
        seen = set()
        for call in calls:
            root = tree.parse(call["input"])
            found = root.at(scf.SCF)
            assert found.values("EPS_SCF") == found.at("OUTER_SCF").values("EPS_SCF") == ["1.0E-06"]
            assert not found.sections("SMEAR") and not found.values("ADDED_MOS")
            root.at("FORCE_EVAL/DFT").remove("SCF")
            root.at("FORCE_EVAL/DFT").remove("WFN_RESTART_FILE_NAME")
            seen.add(str(root))
        assert len(seen) == 1


def test_rungs_follow_the_kind_of_the_scf():
    """Tight binding keeps its preconditioner and functionals their gap; with smearing there is no OT to change."""

    def second(extra: str) -> tree.Section:
        root = tree.parse(f"&FORCE_EVAL\n&DFT\n&QS\nMETHOD {extra}\n&END\n&END\n&END\n")
        root.at(scf.SCF).set("EPS_SCF", "1.0E-6")
        return root

    tight, grid = second("XTB"), second("GPW")
    grid.at(f"{scf.SCF}/OT").set("ENERGY_GAP", 0.07)
    for root in (tight, grid):
        scf.ladder(root)[1].change(root.at(scf.SCF))
    assert tight.at(f"{scf.SCF}/OT").values("PRECONDITIONER") == ["FULL_SINGLE_INVERSE"]
    assert grid.at(f"{scf.SCF}/OT").values("ENERGY_GAP") == ["0.07"]
    for parameter, name in (("ON", "Broyden mixing with small steps"), ("OFF", "OT with conjugate gradients")):
        root = second("GPW")
        root.at(f"{scf.SCF}/SMEAR").parameter = parameter
        assert scf.ladder(root)[1].name == name


def test_a_failed_ladder_names_every_path(tmp_path):
    failure, _calls = attempt(tmp_path, UNCONVERGED)
    assert "3 SCF paths failed (as in the template: the SCF did not converge; OT with conjugate gradients: " in str(
        failure
    )
    assert FAILURES["SCF_NOT_CONVERGED"].advice in str(failure)
    assert failure.log == tmp_path / "scf-3" / "label.out" and failure.log.exists()


# as the first rung went on a cell whose basis set is nearly linearly dependent (Na q1, edges of 4.8 Å)
AWAY = {"replay": cp2k_output("runaway"), "signal": "hang"}


def test_an_scf_that_runs_away_is_ended_and_its_orbitals_are_not_used(tmp_path):
    frame, calls = attempt(tmp_path, GOOD | {"when": [SECOND]}, AWAY)
    assert len(calls) == 2 and frame.info["scf_path"] == "OT with conjugate gradients"
    (tmp_path / "all").mkdir()
    failure, calls = attempt(tmp_path / "all", AWAY | {"orbitals": True})
    assert failure.failure == "SCF_NOT_CONVERGED" and len(calls) == 2
    assert "the SCF ran away: -185.51 Ha in outer loop 3, but -158.43 Ha in the first" in str(failure)


def test_a_lone_atom_has_run_away_after_less(tmp_path):
    """The outer loops of an oxygen atom at PBE+U with nn10, which conjugate gradients then converged at -15.845 Ha."""
    loops = (-15.8449162959, -15.8449225173, -15.8449262643, -15.8450773789, -16.2382617068)
    rows = [
        f"  outer SCF iter = {number:4d} RMS gradient =   0.16E-02 energy = {energy:21.10f}\n"
        for number, energy in enumerate(loops, 1)
    ]
    (tmp_path / "four.out").write_text("".join(rows[:4]))
    (tmp_path / "five.out").write_text("".join(rows))
    RunawayWatch(tmp_path / "four.out", 1).look()
    RunawayWatch(tmp_path / "five.out", 8).look()
    with pytest.raises(Refused, match="ran away: -16.24 Ha in outer loop 5, but -15.84 Ha in the first"):
        RunawayWatch(tmp_path / "five.out", 1).look()


@pytest.mark.parametrize("run", ["a_scratch", "e_unconv", "xtb_label", "late_scratch", "o_fm"])
def test_no_other_run_is_taken_for_one_that_runs_away(run):
    RunawayWatch(cp2k_output(run), 8).look()


def test_without_orbitals_there_is_nothing_to_go_on_from(tmp_path):
    failure, calls = attempt(tmp_path, UNCONVERGED | {"orbitals": False})
    assert failure.failure == "SCF_NOT_CONVERGED" and len(calls) == 2


def test_orbitals_that_cp2k_did_not_read_are_noticed(tmp_path):
    """CP2K starts from atoms without a word when it finds no file."""
    ignored = GOOD | {"when": [THIRD], "replay": tmp_path / "atomic.out"}
    text = cp2k_output("xtb_label").read_text()
    assert "Density guess:                                    ATOMIC" in text
    (tmp_path / "atomic.out").write_text(text.replace("Density guess:", "Density  guess:"))
    failure, _ = attempt(tmp_path, ignored, UNCONVERGED)
    assert failure.failure == "INCOMPLETE" and "but RESTART was requested" in str(failure)


def test_hopeless_aborts_are_not_tried_again(tmp_path):
    """Of the input, or of what comes after an SCF that converged (2025.1 in the search for Wannier centers)."""
    for name in ("e_mult", "e_basis", "late_localize"):
        (tmp_path / name).mkdir()
        failure, calls = attempt(tmp_path / name, {"replay": cp2k_output(name), "status": 1})
        assert failure.failure == "ABORT" and len(calls) == 1


def test_an_abort_within_the_scf_is_one_of_the_scf(tmp_path):
    """As GFN1-xTB ended on a distorted glass with another preconditioner."""
    aborted = {"replay": cp2k_output("e_cholesky"), "status": 1}
    frame, calls = attempt(tmp_path, GOOD | {"when": [SECOND]}, aborted)
    assert len(calls) == 2 and frame.info["scf_path"] == "OT with conjugate gradients"
    (tmp_path / "all").mkdir()
    failure, _ = attempt(tmp_path / "all", aborted)
    assert failure.failure == "SCF_NOT_CONVERGED" and "Cholesky decomposition failed" in str(failure)


@pytest.mark.parametrize(
    ("rule", "failure"),
    [
        ({"cut": 0.6, "signal": signal.SIGKILL}, "KILLED"),
        ({"cut": 0.6, "status": 137}, "KILLED"),
        ({"cut": 0.6}, "INCOMPLETE"),
        ({"cut": 0.95, "status": 1}, "INCOMPLETE"),
    ],
)
def test_an_end_for_no_reason_of_its_own_is_tried_once_more(tmp_path, rule, failure):
    for name, times, rest in (("once", 1, 1), ("twice", 2, 0)):
        (tmp_path / name).mkdir()
        found, calls = attempt(tmp_path / name, GOOD | rule | {"times": times}, GOOD)
        assert len(calls) == 2
        assert found.info["scf_path"] == "as in the template" if rest else found.failure == failure


def test_a_hang_is_ended_at_the_time_limit(tmp_path):
    failure, calls = attempt(tmp_path, GOOD | {"cut": 0.5, "signal": "hang"}, timeout_s=0.5)
    assert failure.failure == "TIMEOUT" and len(calls) == 1


def test_the_time_limit_is_for_the_whole_ladder(tmp_path):
    failure, calls = attempt(
        tmp_path, GOOD | {"when": [SECOND], "cut": 0.5, "signal": "hang"}, UNCONVERGED, timeout_s=3.0
    )
    assert failure.failure == "TIMEOUT" and len(calls) == 2


@pytest.mark.parametrize(
    ("recorded", "gate", "failure"),
    [("f_400", 0.05, "CUTOFF_LOW"), ("f_400", 0.1, "NET_FORCE"), ("f_200", 1.0, "CUTOFF_LOW")],
)
def test_a_net_force_is_the_frames_or_the_cutoffs(tmp_path, recorded, gate, failure):
    found, calls = attempt(tmp_path, {"replay": cp2k_output(recorded)}, chosen=PBE, max_net_force_eV_per_A=gate)
    assert found.failure == failure and len(calls) == 1


def test_numbers_that_are_none(tmp_path):
    text = cp2k_output("xtb_label").read_text()
    at = text.index("ENERGY|")
    line = text[at : text.index("\n", at)]
    for value in ("NaN", "*" * 20, "-Infinity"):
        (tmp_path / value[:3]).mkdir()
        spoiled = tmp_path / value[:3] / "nan.out"
        spoiled.write_text(text.replace(line, f"{line.rpartition(' ')[0]} {value}"))
        found, calls = attempt(tmp_path / value[:3], {"replay": spoiled})
        assert found.failure == "NAN" and len(calls) >= 2, "another path may lead elsewhere"


def test_walltime_has_its_name(tmp_path):
    found, calls = attempt(tmp_path, {"replay": cp2k_output("e_wall")})
    assert found.failure == "WALLTIME" and len(calls) == 1


def test_moments_against_those_asked_for(tmp_path):
    """Two vanadium atoms that ended parallel, asked for as such and as an antiferromagnet."""
    atoms = Atoms("Na2V2P2O10", cell=[9.0, 9.0, 9.0], pbc=True)
    atoms.positions = 3.0 * np.array(list(np.ndindex(3, 3, 3)))[: len(atoms)]
    program = cp2k_stand_in.install(tmp_path / "bin", {"replay": cp2k_output("o_fm")})

    def label_from(folder, *start):
        (tmp_path / folder).mkdir()
        atoms.set_array("start_moment", np.array([0.0, 0.0, *start] + [0.0] * 12))
        return label(
            atoms,
            PBE,
            tmp_path / folder,
            program=Program(program, load_site().cp2k_data),
            charge=0,
            multiplicity=3,
            child=run_child,
            max_net_force_eV_per_A=1000.0,
        )

    moments = label_from("fm", 1.0, 1.0).arrays["REF_spin"][2:4]
    assert moments.min() > 0.5
    with pytest.raises(TaskFailed, match=rf"atom 3 has \{moments[1]:+.2f} \(started from -1\)") as caught:
        label_from("afm", 1.0, -1.0)
    assert caught.value.failure == "SPIN_MISMATCH"


@pytest.mark.parametrize(
    ("moments", "asked", "against"),
    [
        ([1.1, -1.0, 0.1], [1, -1, 0], []),
        ([-1.1, 1.0, 0.0], [1, -1, 0], []),
        ([1.1, 1.0, -2.1], [1, -1, -1], [1]),
        ([0.3, -0.3, 2.0], [1, 1, 0], []),
        ([0.0, 0.0, 0.0], [1, -1, 0], []),
    ],
)
def test_a_pattern_is_kept_up_to_a_turn_of_all(moments, asked, against):
    assert judge.turned(np.array(moments), np.array(asked)).tolist() == against


def test_rejections_are_failures_of_frames():
    assert set(REJECTIONS) == {
        "SCF_NOT_CONVERGED",
        "NAN",
        "NET_FORCE",
        "CUTOFF_LOW",
        "SPIN_MISMATCH",
        "TIMEOUT",
        "NOT_RELAXED",
    }
