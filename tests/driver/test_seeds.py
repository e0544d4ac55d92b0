"""Seeds in a glass: their size, growth and orientation where these are known, and what all of them say together."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from naglass_drv.analysis.crystallite_series import center_of, connection_A, environments_of, followed
from naglass_drv.analysis.nucleation import Estimate
from naglass_drv.analysis.seed_rows import seeds as rows
from naglass_drv.analysis.seed_rows import together
from naglass_drv.analysis.seeded import fault_of_start, seeded
from naglass_drv.analysis.seeding import Seeded, seeding
from naglass_drv.files import write_json
from naglass_drv.report.material import Material
from naglass_drv.report.numbers import Figure, Notice, Table
from naglass_drv.report.seeds import seeds as shown
from naglass_drv.stages.interface_seeds import barostat, build
from naglass_drv.stages.md_commands import runs_of

CRYSTAL = Path(__file__).parents[1] / "data" / "crystals" / "NVP_R-3c_Na3_ewald_ordered.cif"
GLASS = {"Na": 2, "V4+": 1, "P": 2, "O": 8}
MADE = {"shape": "sphere", "crystal_formula": "Na3V2P3O12", "crystal_units": 17, "glass_formula": "Na2VP2O8"}
GRAIN = {"radius_A": 10.0, "shape": "sphere", "direction": [0, 0, 1], "width_A": 42.0}


@pytest.fixture(scope="module")
def cell():
    """A seed of NASICON with 34 V in a packed melt, and the crystal as it is turned."""
    made, bulk = build(CRYSTAL, None, GRAIN, GLASS, 2.6, 3)
    return made.atoms, bulk


def frames_of(atoms, changes, *, interval=1.0, rattle=0.08):
    """One frame for each rotation about the middle of the cell, applied to the atoms of the seed, with vibrations."""
    rng, middle, made = np.random.default_rng(1), atoms.cell.sum(axis=0) / 2, []
    inside = atoms.arrays["phase"] == 1
    for number, turn in enumerate(changes):
        frame = atoms.copy()
        frame.positions[inside] = turn.apply(frame.positions[inside] - middle) + middle
        frame.positions += rng.normal(0, rattle, frame.positions.shape)
        frame.wrap()
        frame.info = {"time_ps": interval * number, "step": 100 * number}
        made.append(frame)
    return made


def series(atoms, bulk, turns):
    center = center_of(bulk, {"V", "P"})
    return followed(frames_of(atoms, turns), environments_of(bulk, center), connection_A(bulk, center))


def test_vanadium_of_nasicon_is_connected_within_its_first_shell(cell):
    """14 V between 4.5 and 6.4 Å, the next from 8.7 Å on."""
    assert center_of(cell[1], {"V", "P"}) == "V" and 6.5 < connection_A(cell[1], "V") < 8.6


def test_a_seed_that_turns_keeps_its_size_and_its_angle_is_known(cell):
    """By 3° a frame about an axis that is none of the crystal, up to 45°."""
    axis = np.array([1.0, 2.0, 0.5]) / np.linalg.norm([1.0, 2.0, 0.5])
    degrees = 3.0 * np.arange(16)
    found = series(*cell, [Rotation.from_rotvec(np.radians(angle) * axis) for angle in degrees])
    assert found.angle == pytest.approx(degrees, abs=1.0)
    assert found.sizes[0.6].min() > 0.7 * found.sizes[0.6].max() and found.similarity.min() > 0.8


def test_a_start_in_another_orientation_is_found_up_to_the_symmetry(cell):
    """25° about c is what it is; 110° about the threefold axis along z looks like 10°."""
    for turn, angle in ((25.0, 25.0), (110.0, 10.0)):
        found = series(*cell, [Rotation.from_euler("z", turn, degrees=True)] * 2)
        assert found.angle == pytest.approx([angle] * 2, abs=1.0)


def shrinking(atoms, radii, seed=2):
    """Atoms farther from the middle than a radius stand at random."""
    rng, middle, made = np.random.default_rng(seed), atoms.cell.sum(axis=0) / 2, []
    away = np.linalg.norm(atoms.positions - middle, axis=1)
    for number, radius in enumerate(radii):
        frame = atoms.copy()
        outer = away > radius
        frame.positions[outer] += rng.normal(0, 1.0, (outer.sum(), 3))
        frame.positions += rng.normal(0, 0.05, frame.positions.shape)
        frame.wrap()
        frame.info = {"time_ps": 2.0 * number, "step": 100 * number}
        made.append(frame)
    return made


def test_a_seed_that_shrinks_has_the_velocity_of_its_surface(cell):
    """From 15 to 11 Å in 118 ps: the crystallite's radius falls by 0.034 Å/ps, 3.4 m/s."""
    _, bulk = cell
    block = bulk.repeat((5, 5, 2))
    block.positions -= block.cell.sum(axis=0) / 2
    block.set_array("phase", np.ones(len(block), dtype=int))
    block.set_cell([60] * 3)
    block.positions += 30
    block = block[(np.abs(block.positions - 30) < 20).all(axis=1)]
    block.pbc = True
    numbers, _ = seeded(shrinking(block, np.linspace(15, 11, 60)), bulk, MADE, name="s0-r8-900K", glass="s0")
    assert numbers["grew"] is False and numbers["verdict"].startswith("melting")
    assert abs(numbers["u_m_per_s"] + 3.4) < 3 * numbers["u_m_per_s_err"] and numbers["u_m_per_s_err"] < 1.0
    assert {row.key for row in rows("s0-r8-900K", numbers)} >= {"growth.s0-r8-900K.u", "growth.s0-r8-900K.angle"}


def test_a_stable_seed_has_a_bound(cell):
    atoms, bulk = cell
    still = frames_of(atoms, [Rotation.identity()] * 40, interval=2.0)
    numbers, curves = seeded(still, bulk, MADE, name="s0-r8-900K", glass="s0")
    assert numbers["grew"] is None and numbers["verdict"].startswith("no growth observed, u <")
    assert numbers["u_upper_m_per_s"] < 1.0 and numbers["angle_deg"]["value"] < 2.0
    assert 0.6 * 34 <= numbers["start"]["0.6"] <= 34
    assert len(curves["crystallite_size/0.6"]) == 40
    # the seed has 4 P per 2 V more than the melt has
    composition = numbers["composition"]
    assert composition["inside"]["V"]["value"] >= numbers["start"]["0.6"] - 1
    assert composition["taken_in"]["V"]["value"] > 0 > composition["taken_in"]["Na"]["value"] - 20
    keys = [row.key for row in rows("s0-r8-900K", numbers)]
    assert "growth.s0-r8-900K.u_upper" in keys and "growth.s0-r8-900K.expelled.Na" in keys
    short, _ = seeded(still[:5], bulk, MADE, name="s0-r8-900K", glass="s0")
    assert short["grew"] is None and "too few to tell growth" in short["verdict"]


def test_a_seed_that_is_below_the_threshold_when_it_is_made_is_named(cell):
    atoms, bulk = cell
    assert fault_of_start(atoms, bulk, MADE) is None
    (broken,) = frames_of(atoms, [Rotation.identity()], rattle=0.6)
    found = fault_of_start(broken, bulk, MADE)
    assert found is not None and " of 34 V of the seed are in a crystallite above the threshold of similarity" in found


CRITICAL, ZELDOVICH, ATTACHMENT = 100.0, 0.012, 20.0


def drawn(glasses=3, draws=16, seed=5, shape="sphere", glass_formula="Na2Fe2P2O8"):
    """Seeds of 60 to 140 atoms that grow with the probability on a barrier, and spread as on top of one."""
    from scipy.stats import norm

    rng, runs = np.random.default_rng(seed), []
    for glass in range(glasses):
        for size in (60, 80, 100, 120, 140):
            for draw in range(draws):
                grew = bool(rng.random() < norm.cdf(np.sqrt(2 * np.pi) * ZELDOVICH * (size - CRITICAL)))
                time = 0.05 * np.arange(40)
                walk = size + np.concatenate([[0], np.cumsum(rng.normal(0, np.sqrt(2 * ATTACHMENT * 0.05), 39))])
                shift = {0.5: 12.0, 0.6: 0.0, 0.7: -12.0}
                numbers = {
                    "glass": f"s{glass}", "grew": grew, "start": {f"{t:g}": size + d for t, d in shift.items()},
                    "shape": shape, "crystal_formula": "NaFePO4", "glass_formula": glass_formula,
                    "atoms_per_center": 1.0, "volume_A3": 60.0, "glass_density_per_A3": 0.015,
                }  # fmt: skip
                name = f"s{glass}-r{size}"
                runs.append(Seeded(f"{name}-{draw}", name, numbers, time, {t: walk + d for t, d in shift.items()}))
    return runs


def test_seeds_of_three_glasses_give_the_theory():
    found = seeding(drawn(), 900.0, Estimate(1200, 10), Estimate(0.2, 0.01))
    assert abs(found.size.value - CRITICAL) < 3 * found.size.err and found.size.err < 8
    theory = found.found
    force = 0.2 * (1 - 900 / 1200)
    assert theory.barrier.value == pytest.approx(found.size.value * force / 2)
    assert abs(theory.attachment.value - ATTACHMENT) < 3 * theory.attachment.err
    assert found.thresholds["size"] == pytest.approx(12, abs=1)
    keys = {row.key.rpartition(".")[2] for row in together("seeds-900K", found)}
    assert {"size", "gamma", "log10_rate", "threshold", "grew", "undecided"} <= keys


@pytest.mark.parametrize(
    "runs, melting, said",
    [
        (drawn(glasses=2), True, "needs 3 or more, since growth depends on how one was made"),
        (drawn(draws=1), True, "has 5 runs; needs 10 or more"),
        (drawn(draws=4), True, "no attachment rate: 4 draws of one cell; needs md.draws: 10"),
        (drawn(), False, "interface.seed.melting"),
        (
            drawn(glass_formula="NaPO3"),
            True,
            "the glass, NaPO3, has another composition than the crystal, NaFePO4: the "
            "driving force is not the heat of melting",
        ),
        (drawn(shape="cylinder"), True, "those of a sphere, and the seeds are cylinders"),
    ],
)
def test_what_is_missing_is_said(runs, melting, said):
    known = (Estimate(1200, 10), Estimate(0.2, 0.01)) if melting else (None, None)
    found = seeding(runs, 900.0, *known)
    assert said in found.reason and found.found is None
    assert [row.key for row in together("x", found)][:3] == [
        f"nucleation.x.{w}" for w in ("grew", "shrank", "undecided")
    ]


def test_undecided_seeds_are_counted_and_left_out():
    runs = drawn()
    for run in runs[::7]:
        run.numbers["grew"] = None
    found = seeding(runs, 900.0)
    assert found.undecided == len(runs[::7]) and found.size.runs == len(runs) - found.undecided
    for run in runs:
        run.numbers["grew"] = None
    assert "no seed grew or shrank beyond its error" in seeding(runs, 900.0).reason


def test_seeds_that_are_not_found_are_counted_apart():
    runs = drawn(draws=10)
    for run in runs[::5]:
        run.numbers["start"], run.numbers["grew"] = dict.fromkeys(run.numbers["start"], 0.0), None
    found = seeding(runs, 900.0)
    assert (found.absent, found.undecided) == (30, 0) and found.size.runs == 120
    alone = seeding(runs[::5], 900.0)
    assert alone.reason == "no critical size: no seed was there to grow or shrink" and alone.absent == 30
    assert "nucleation.x.absent" in [row.key for row in together("x", found)]


def test_the_counts_stay_beside_a_reason(tmp_path):
    found = seeding(drawn(glass_formula="NaPO3"), 900.0)
    write_json(tmp_path / "all.json", found.as_json())
    facts = {"direction": [0, 0, 1], "along_z": "uvw", "length_A": 20.0, "crystal_units": 1, "glass_units": 1} | {
        "crystal_formula": "a", "glass_formula": "b", "shape": "cylinder", "radius_A": 9.9, "route": "",
        "width_A": 42.0, "checks": {"faults": []},
    }  # fmt: skip
    write_json(tmp_path / "facts.json", facts)
    files = {"interface/s0-r10/facts": tmp_path / "facts.json", "analysis/seeds-900K/nucleation": tmp_path / "all.json"}
    (told,) = [part.text for part in shown(Material({}, [], files)).blocks if isinstance(part, Notice)]
    assert told.startswith(
        f"{found.grew} seeds grew, {found.shrank} shrank, 0 did neither; no critical size: the glass,"
    )


def test_the_page_tells_what_became_of_seeds(cell, tmp_path):
    atoms, bulk = cell
    numbers, curves = seeded(frames_of(atoms, [Rotation.identity()] * 30), bulk, MADE, name="s0-r10-900K", glass="s0")
    facts = {
        "direction": [0, 0, 1], "along_z": "normal of hkl", "length_A": None, "crystal_units": 17, "glass_units": 380,
        "crystal_formula": "Na3V2P3O12", "glass_formula": "Na2VP2O8", "shape": "sphere", "radius_A": 9.9,
        "route": "seed in melt", "width_A": 42.0, "checks": {"faults": ["1 P of the crystal with 3 O"]},
    }  # fmt: skip
    found = seeding(drawn(), 900.0, Estimate(1200, 10), Estimate(0.2, 0.01))
    write_json(tmp_path / "facts.json", facts)
    write_json(tmp_path / "numbers.json", {"seed": numbers, "fingerprints": {}})
    np.savez(tmp_path / "curves.npz", **curves)
    write_json(tmp_path / "all.json", found.as_json())
    own, all_rows = tmp_path / "own.json", tmp_path / "rows.json"
    write_json(own, [row.as_json() for row in rows("s0-r10-900K", numbers)])
    write_json(all_rows, [row.as_json() for row in together("seeds-900K", found)])
    files = {
        "interface/s0-r10/facts": tmp_path / "facts.json",
        "analysis/s0-r10-900K/numbers": tmp_path / "numbers.json",
        "analysis/s0-r10-900K/curves": tmp_path / "curves.npz",
        "analysis/s0-r10-900K/quantities": own,
        "analysis/seeds-900K/nucleation": tmp_path / "all.json",
        "analysis/seeds-900K/quantities": all_rows,
    }
    section = shown(Material({}, [], files))
    told = [f"{part.head} {part.text}" for part in section.blocks if isinstance(part, Notice)]
    assert told[0] == "s0-r10 1 P of the crystal with 3 O." and "seeds grew" in told[-1]
    tables = {part.caption: part for part in section.blocks if isinstance(part, Table)}
    assert any("no growth observed" in str(row) for row in tables["The largest crystallite, by the similarity of V to "
               "the crystal"].rows)  # fmt: skip
    assert [row[0] for row in list(tables.values())[-1].rows][:3] == [
        "critical size N*", "interface energy γ", "barrier ΔG*",
    ]  # fmt: skip
    assert [part.name for part in section.blocks if isinstance(part, Figure)] == ["seeds-900K"]


def test_draws_have_names_of_their_own():
    section = SimpleNamespace(temperatures_K=[600, 900], draws=2)
    names = [f"s0-r8-{word}" for word in ("600K", "600K-v2", "900K", "900K-v2")]
    assert list(runs_of(section, "s0-r8")) == list(zip([600, 600, 900, 900], names, strict=True))


def test_a_cylinder_keeps_its_length():
    assert barostat("xy", 1.0, 2.0) == "x 1.0 1.0 2.0 y 1.0 1.0 2.0 couple xy"
    assert barostat("z", 0.0, 1.0) == "z 0.0 0.0 1.0" and barostat(None, 0.0, 1.0) == "iso 0.0 0.0 1.0"
