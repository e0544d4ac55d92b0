"""What is said of a quenched glass and of the melt before it, on structures that are known exactly."""

import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from naglass_drv.analysis import quenched
from naglass_drv.analysis.melting import RENEWED, Memory, memory
from naglass_drv.chemistry import densities, nmr
from naglass_drv.chemistry.ions import species
from naglass_drv.config.load import load
from naglass_drv.errors import InputError
from naglass_drv.report import checks
from naglass_drv.report.dynamics import quench
from naglass_drv.report.glasses import made_blocks
from naglass_drv.report.material import Material
from naglass_drv.report.numbers import Figure, Table, leaves
from naglass_drv.report.overview import worth

CELL = 40.0


def ring(swap: int = 0) -> Atoms:
    """P3O9 of nothing but Q2, in the xy plane: P on a triangle, O between them, and two O at each P; the terminal
    oxygens of so many P change places with those of the next one.
    """
    angles = np.radians([90, 210, 330])
    corners = 1.7 * np.column_stack([np.cos(angles), np.sin(angles), 0 * angles])
    bridges = 0.8 * (corners + np.roll(corners, -1, axis=0))
    terminal = [corners * 1.4 + [0, 0, z] for z in (1.2, -1.2)]
    for kind in terminal:
        kind[: swap + 1] = np.roll(kind[: swap + 1], 1, axis=0)
    atoms = Atoms("P3O9", np.vstack([corners, bridges, *terminal]) + CELL / 2, cell=[CELL] * 3, pbc=True)
    return atoms


def test_what_a_melt_remembers():
    start = ring()
    unmoved = [start.copy() for _ in range(8)]
    for atoms in unmoved[1:]:
        # a drift of the whole is no motion
        atoms.positions += 3.0
    still = memory(unmoved)
    assert (still.slowest, still.renewed, still.change) == ("P", {"P-O": 0.0}, 0.0)
    assert still.msd_A2 == pytest.approx(0, abs=1e-12) and not still.lost
    assert still.neighbor_A == pytest.approx(1.7 * 3**0.5)
    # of 12 bonds 6 are to terminal oxygens, all of which have another P now
    swapped = memory([*unmoved, ring(swap=2)])
    assert swapped.renewed == {"P-O": 0.5}
    assert memory(unmoved[:7]) is None
    assert memory([Atoms("Na4", np.eye(4, 3), cell=[9] * 3, pbc=True)] * 9) is None


def test_a_melt_has_to_forget_all():
    lost = Memory("P", 10.0, 3.0, {"P-O": 0.7, "V-O": 0.9}, 1.0)
    assert lost.lost and lost.as_dict()["needed_msd_A2"] == 9.0
    assert 0.632 < RENEWED < 0.633
    assert not Memory("P", 8.0, 3.0, {"P-O": 0.7}, 1.0).lost
    assert not Memory("P", 10.0, 3.0, {"P-O": 0.7, "V-O": 0.6}, 1.0).lost
    assert not Memory("P", 10.0, 3.0, {"P-O": 0.7}, 4.0).lost
    assert Memory("V", 10.0, 3.0, {"V-O": 0.7}, None).lost


def test_shares_of_qn_that_change_are_seen():
    """Frames with three Q2, and in the last quarter three Q0."""
    open_ring = ring()
    open_ring.positions[3:6] += [0, 0, 15]
    frames = [ring()] * 12
    assert memory([*frames, *[open_ring] * 4]).change == pytest.approx(3 * 12**0.5), "all three, each known to a former"
    assert memory([*frames, *[ring()] * 4]).change == 0.0


def made(glass: Atoms, composition: dict[str, int], melt: Memory | None = None, hold=(), free=False):
    times = np.arange(40) * 0.1
    series = {
        "time_ps": times,
        "phase": ["melt"] * 10 + ["quench"] * 16 + ["hold"] * 14,
        "temperature_K": [*[1000.0] * 10, *np.linspace(1000, 300, 16), *[300.0, 301.0] * 7],
        "pressure_bar": [*[0.0] * 26, *[2e4, 3e4] * 7],
        "volume_A3": [glass.cell.volume] * 40,
        "potential_energy_eV_per_atom": [-5.0] * 40,
    }
    return quenched.Made("g0", species(composition), glass, series, hold, melt, free, 300.0)


def test_a_good_glass_has_no_flags():
    """Three Q2, as NMR finds them in NaPO3."""
    glass = ring() + Atoms("Na3", [[2, 2, 2], [35, 35, 5], [5, 35, 35]])
    lost = Memory("P", 10.0, 3.0, {"P-O": 0.7}, 0.5)
    good = made(glass, {"Na": 3, "P": 3, "O": 9}, lost)
    assert quenched.flags(good) == [] and quenched.state(good) == "glass"
    rows = {row.key: row for row in quenched.rows(good)}
    assert rows["glass.g0.pressure"].value == pytest.approx(2.5, abs=0.1) and rows["glass.g0.pressure"].error > 0
    assert rows["glass.g0.Q2"].value == rows["glass.g0.NMR.Q2"].value == 1.0
    assert rows["glass.g0.melt.msd"].value == 10.0
    curve = quenched.curve(good)
    # 700 K at four rows each
    assert len(curve["temperature_K"]) == 4 and curve["temperature_K"][0] > 900 > 400 > curve["temperature_K"][-1]
    free = {row.key: row for row in quenched.rows(made(glass, {"Na": 3, "P": 3, "O": 9}, free=True))}
    assert free["glass.g0.density"].value == pytest.approx(glass.get_masses().sum() * 1.66054 / CELL**3, rel=1e-4)


def test_flags_say_what_is_wrong():
    sodium = Atoms("Na3", [[2, 2, 2], [35, 35, 5], [5, 35, 35]])
    broken = ring() + sodium
    broken.positions[3] += [0, 0, 15]
    kept = Memory("P", 1.0, 3.0, {"P-O": 0.1}, 5.0)
    (nmr_flag, defect, melt) = quenched.flags(made(broken, {"Na": 3, "P": 3, "O": 9}, kept))
    assert nmr_flag["text"].startswith("Q¹ 66.7, Q² 33.3 %, where NMR finds Q² 100 %")
    assert defect["text"] == "67 % of P have other than four O"
    assert (melt["topic"], melt["text"]) == (
        "Melt remembers its start",
        "after 0.9 ps the MSD of P is 1 Å² (needed: 9, the square of the distance to its next neighbor in the "
        "network), 10 % of P–O bonds are exchanged (needed: 63 %), shares of Qⁿ change by 5 standard errors",
    )
    hold = [ring() + sodium, ring(swap=2) + sodium]
    for time, atoms in enumerate(hold):
        atoms.info["time_ps"] = 2.0 * time
    melted = made(hold[0], {"Na": 3, "P": 3, "O": 9}, hold=hold)
    assert quenched.state(melted) == "supercooled melt"
    assert quenched.flags(melted) == [
        {"topic": "Supercooled melt", "text": "6 of 12 P–O bonds were exchanged within 2 ps"}
    ]


def test_the_page_tells_what_was_made(tmp_path):
    """A table with NMR beside Q^n and its source, the curve of the quench, and the flags on the first page."""
    sodium = Atoms("Na3", [[2, 2, 2], [35, 35, 5], [5, 35, 35]])
    broken = ring() + sodium
    broken.positions[3] += [0, 0, 15]
    one = made(broken, {"Na": 3, "P": 3, "O": 9}, Memory("P", 1.0, 3.0, {"P-O": 0.1}, 0.0))
    series = {key: np.array(values).tolist() for key, values in one.series.items()}
    content = {
        "protocol": "nvt-100 v1", "potential": "MACE model a.mace", "state": "glass", "melted_ps": 12.0,
        "flags": quenched.flags(one), "curve": quenched.curve(one),
        "quantities": [row.as_json() for row in quenched.rows(one)],
    }  # fmt: skip
    files = {"glass/g0/quench": tmp_path / "q.json", "glass/g0/made": tmp_path / "m.json"}
    for path, value in zip(files.values(), (series, content), strict=True):
        path.write_text(json.dumps(value))
    input = {"system": {"composition": {"Na": 3, "P": 3, "O": 9}}, "glass": {"final_temperature_K": 300.0}}
    material = Material(input, [], files)
    section = quench(material)
    names = {figure.name: figure for figure in leaves(section.blocks, Figure)}
    assert set(names) == {"quench", "quench-curve"}
    assert "with the MACE model a.mace at fixed density" in names["quench"].caption
    table = next(leaves(section.blocks, Table))
    cells = {row[0]: row[1] for row in table.rows}
    assert (cells["protocol"], cells["state"], cells["time in the melt"].value) == ("nvt-100 v1", "glass", 12.0)
    assert cells["share of Q²"].value == pytest.approx(1 / 3) and cells["NMR: Q²"].value == 1.0
    assert "StatMechGlass" not in cells["NMR: Q²"].note and cells["MSD of P in the melt"].value == 1.0
    ends = {row[0]: row[1] for row in list(leaves(section.blocks, Table))[-1].rows}
    assert "300 K asked for" in ends["temperature against the thermostat"]
    assert "42 degrees of freedom" in ends["temperature against the thermostat"]
    assert "StatMechGlass" in table.caption and cells["pressure"].error > 0
    whole = Material(
        {"system": {"composition": {"Na": 3, "P": 3, "O": 9}, "density_g_cm3": 0.02},
         "glass": {"quench_rate_K_per_ps": 100.0, "protocol": "nvt-100", "model": "a.mace"}}, [], files,
    )  # fmt: skip
    (words,) = (row[1] for block in worth(whole).blocks for row in block.rows if row[0] == "quench")
    assert words.startswith(
        "The melt was quenched at 1 × 10¹⁴ K/s, protocol nvt-100, with a MACE model a.mace, at the fixed density of "
        "0.02 g/cm³ given in the input file; in the laboratory"
    )
    told = {(found.topic, found.kind) for found in checks.findings(material)}
    assert {("Not the glass asked for", "bad"), ("Melt remembers its start", "note")} <= told


@pytest.mark.parametrize(
    ("protocol", "lost", "note"),
    [
        (None, True, "set"),
        ("nvt-100 v1", True, "until it forgot its start"),
        ("nvt-100 v1", False, "the longest of its protocol"),
        ("nvt-100 v1", None, "the longest of its protocol"),
    ],
)
def test_the_page_tells_what_ended_the_melt(tmp_path, protocol, lost, note):
    """A protocol that was set to 10 ps may melt for 15: that is no setting."""
    content = {"protocol": protocol, "state": "glass", "melted_ps": 15.0, "quantities": []}
    content |= {"melt": lost if lost is None else {"lost": lost}, "potential": "", "flags": []}
    file = tmp_path / "made.json"
    file.write_text(json.dumps(content | {"curve": {"temperature_K": []}}))
    (table,) = made_blocks(Material({}, [], {"glass/g0/made": file}))
    cells = {row[0]: row[1] for row in table.rows}
    assert (cells["time in the melt"].value, cells["time in the melt"].note) == (15.0, note)


def test_nmr_is_interpolated_within_its_range():
    assert nmr.measured_qn(species({"Na": 1, "P": 1, "O": 3})) == {0: 0.0, 1: 0.0, 2: 1.0, 3: 0.0}
    # 30 mol% of the table, and halfway to 35
    assert nmr.measured_qn(species({"Na": 6, "P": 14, "O": 38}))[3] == pytest.approx(0.58)
    assert nmr.measured_qn(species({"Na": 13, "P": 27, "O": 74}))[2] == pytest.approx((0.42 + 0.57) / 2)
    assert nmr.measured_qn(species({"Na": 4, "P": 2, "O": 7})) is None, "67 mol%"
    assert nmr.measured_qn(species({"Na": 4, "V4+": 2, "P": 4, "O": 16})) is None


def test_known_densities():
    assert densities.known_density(species({"Na": 1, "Fe2+": 1, "P": 1, "O": 4}))[0] == 3.069
    # its own coefficients at 25 mol%, and what NaSi glasses weigh
    density, source = densities.known_density(species({"Na": 2, "Si": 3, "O": 7}))
    assert density == pytest.approx(2.4345, abs=1e-3) and "Fluegel" in source
    for composition in ({"Na": 6, "V3+": 4, "P": 6, "O": 24}, {"Na": 4, "V5+": 8, "O": 22}, {"Na": 1, "F": 1}):
        with pytest.raises(InputError, match="no source is known here|no density is known"):
            densities.known_density(species(composition))


@pytest.mark.parametrize(
    ("composition", "measured"),
    [
        # SciGlass: the median of 50 Na2O, 50 P2O5, and a glass of 20 Na2O, 60 V2O5, 20 P2O5
        ({"Na": 1, "P": 1, "O": 3}, 2.51),
        ({"Na": 4, "V5+": 12, "P": 4, "O": 42}, 2.95),
    ],
)
def test_densities_of_phosphates(composition, measured):
    density, source = densities.known_density(species(composition))
    assert density == pytest.approx(measured, rel=0.025) and "SciGlass" in source and "2.5 %" in source


def test_an_input_without_a_density(tmp_path):
    path = tmp_path / "input.yaml"
    path.write_text("name: a\nsystem:\n  composition: {Na: 1, Fe2+: 1, P: 1, O: 4}\n")
    known = load(path).system
    assert known.density_g_cm3 == 3.069 and "NaFePO4_potential" in known.density_source
    path.write_text("name: a\nsystem:\n  composition: {Na: 2, V3+: 2, P: 2, O: 9}\n")
    with pytest.raises(InputError, match=r"input.yaml:2: system: no source is known here for the density of 33.3 Na₂O"):
        load(path)
    path.write_text("name: a\nsystems:\n- name: b\n  mol_percent: {Na2O: 40, V2O3: 20, P2O5: rest}\n")
    with pytest.raises(InputError, match=r"4: systems\[0\].mol_percent: no source is known .*state density_g_cm3"):
        load(path)


def test_the_oxide_that_a_density_is_not_known_for_is_named():
    """With its limit; the page of the glass states all of them."""
    cases = (
        ({"Na": 8, "P": 2, "O": 9}, "have Na₂O of at most 70 mol %;"),
        ({"Fe2+": 3, "P": 2, "O": 8}, "have FeO of at most 55 mol %;"),
        ({"Zn": 1, "P": 2, "O": 6}, "have no ZnO;"),
    )
    for composition, said in cases:
        with pytest.raises(InputError) as raised:
            densities.known_density(species(composition))
        assert said in str(raised.value)
    page = (Path(__file__).parents[2] / "docs/stages/glass.md").read_text(encoding="utf-8")
    assert all(f"{oxide} {most}" in page.replace("\n", " ") for oxide, most in densities.MOST.items())
