"""Run folders as rows: what their analyses measured, by system and trajectory."""

import numpy as np
import pytest

from naglass_drv.errors import InputError
from naglass_drv.files import file_hash, write_json
from naglass_drv.insight.mapping import Map
from naglass_drv.insight.oxides import glass_name, oxide_shares
from naglass_drv.insight.runs import Measured, is_run, read_run, rows_of, table_of_runs
from naglass_drv.products import Measurements, Quantity, as_manifest

ATOMS = ({"Na": 40, "P": 40, "O": 120}, {"Na": 60, "P": 40, "O": 130}, {"Na": 50, "P": 40, "V": 10, "O": 150})


def quantities(system, subject, kelvin):
    at = {"temperature_K": kelvin}
    yield Quantity(f"glance.{subject}.atoms", "atoms", 200, "1")
    yield Quantity(f"structure.{subject}.P-O.coordination", "P-O", 4.0 + 0.1 * system, "1", 0.01, conditions=at)
    yield Quantity(f"network.{subject}.Q2", "Q2", 0.5 + 0.01 * kelvin / 100 + 0.1 * system, "1", 0.02, conditions=at)
    if system == 2:
        yield Quantity(f"metals.{subject}.V.valence.4", "V4+", 0.2, "1", conditions=at)
    yield Quantity(f"transport.{subject}.msd.Na", "MSD", 3.0, "Å²", 0.1, conditions=at)
    key, value = ("D_upper", 1e-11) if system == 1 and kelvin == 600 else ("D", 1e-10 * (1 + system + kelvin / 100))
    yield Quantity(f"transport.{subject}.{key}", "D", value, "m²/s", value / 10, conditions=at)


@pytest.fixture
def run(tmp_path):
    """The products of a run of three systems with two trajectories each, and an analysis of labels alone."""
    folder = tmp_path / "run"
    for system, atoms in enumerate(ATOMS):
        place, files = folder / "products" / f"s{system}" / "analysis", {}
        for kelvin in (600, 1000):
            subject = f"g0-{kelvin}K"
            write_json(place / f"{subject}.json", {"composition": atoms})
            write_json(place / f"{subject}-q.json", [q.as_json() for q in quantities(system, subject, kelvin)])
            files[f"{subject}/numbers"] = place / f"{subject}.json"
            files[f"{subject}/quantities"] = place / f"{subject}-q.json"
        write_json(place / "labels.json", [])
        files["labels/quantities"] = place / "labels.json"
        product = Measurements(f"s{system}", "analysis", files)
        hashes = {role: file_hash(path) for role, path in files.items()}
        write_json(place / "manifest.json", as_manifest(product, folder, hashes))
    return folder


def test_a_run_becomes_rows(run):
    assert is_run(run) and not is_run(run.parent)
    table, _ = table_of_runs(Map(target="transport.D"), [read_run(run)])
    assert len(table) == 6 and len(table.names) == 3
    assert (table.unit, table.potential) == ("m^2/s", "machine-learned")
    assert sorted(table.temperature) == [600] * 3 + [1000] * 3
    assert table.censored.sum() == -1 and table.target[table.censored == -1] == pytest.approx([1e-11])
    assert table.error[table.censored == 0] == pytest.approx(table.target[table.censored == 0] / 10)
    # neither another measure of the motion nor the size of the cell is a feature
    assert set(table.columns) == {"P2O5", "V2O5", "structure.P-O.coordination", "network.Q2", "metals.V.valence.4"}
    assert table.blocks["redox"] == ("metals.V.valence.4",) and table.blocks["composition"] == ("P2O5", "V2O5")
    assert table.components == ("Na2O", "P2O5", "V2O5")
    assert table.names == ["50 Na2O · 50 P2O5", "60 Na2O · 40 P2O5", "50 Na2O · 40 P2O5 · 10 V2O5"]
    # a system without vanadium has none of it, which is a number
    assert sorted(set(table.features[:, table.columns.index("metals.V.valence.4")])) == [0.0, 0.2]


def test_what_a_run_lacks_is_named(run, tmp_path):
    frames = [read_run(run)]
    with pytest.raises(InputError, match=r"no run has the quantity 'transport.x'. .*run: it has transport.msd.Na, tra"):
        table_of_runs(Map(target="transport.x"), frames)
    own = frames[0].drop(columns=[c for c in frames[0] if c.startswith("transport.D")])
    glasses = own.assign(subject="glass")
    for target, frame, told in (
        ("transport.D", glasses, r"run: no trajectory was analyzed \(sections md and analysis\); it has "),
        ("hops.rate", own, r"run: of 6 trajectories none has an analysis of motion \(unstable, too short, "),
        ("transport.D", own, "run: it has transport.msd.Na$"),
    ):
        with pytest.raises(InputError, match=told):
            table_of_runs(Map(target=target), [frame])
    with pytest.raises(InputError, match="no target: name a quantity with --target, such as network.Q2"):
        table_of_runs(Map(), frames)
    (tmp_path / "empty" / "products").mkdir(parents=True)
    with pytest.raises(InputError, match="empty: no analysis of a glass or trajectory is finished"):
        read_run(tmp_path / "empty")
    manifest = next(run.rglob("manifest.json"))
    manifest.write_text("{")
    with pytest.raises(InputError, match=r"manifest.json: not a manifest"):
        read_run(run)


def test_glasses_of_the_same_oxides_are_told_apart_by_the_states_of_their_metal(run):
    """V2O5 with a quarter of V4+ has an eighth of an oxygen less per V, and is another glass."""
    for numbers in (run / "products" / "s1" / "analysis").glob("g0-*K.json"):
        write_json(numbers, {"composition": {"Na": 400, "P": 320, "V": 80, "O": 1190}})
    table, _ = table_of_runs(Map(target="transport.D"), [read_run(run)])
    assert table.names[1:] == ["48.8 Na2O · 39 P2O5 · 4.9 VO2 · 7.3 V2O5", "50 Na2O · 40 P2O5 · 10 V2O5"]
    assert table.components == ("Na2O", "P2O5", "V2O5")


@pytest.mark.parametrize(
    ("counts", "features", "name"),
    [
        ({"Na": 2, "Fe": 2, "P": 2, "O": 8}, ["Na2O", "FeO", "P2O5"], "25 Na2O · 50 FeO · 25 P2O5"),
        ({"Na": 3, "Fe": 2, "P": 3, "O": 12}, ["Na2O", "Fe2O3", "P2O5"], "37.5 Na2O · 25 Fe2O3 · 37.5 P2O5"),
        ({"Na": 12, "V": 6, "P": 12, "O": 48}, ["Na2O", "VO2", "P2O5"], "33.3 Na2O · 33.3 VO2 · 33.3 P2O5"),
        ({"Na": 2, "Fe": 1, "V": 1, "O": 4}, ["Na2O", "Fe2O3", "V2O5"], "50 Na2O · 25 Fe2O3 · 25 V2O5, 1 e⁻ per metal"),
    ],
)
def test_a_glass_is_written_with_the_states_that_its_charges_leave(counts, features, name):
    """As in the input and on the page of the glass; with two metals the charges leave their states open."""
    atoms, elements = np.array([list(counts.values())], dtype=float), list(counts)
    shares, names = oxide_shares(atoms, elements)
    assert names == features and shares.sum() == pytest.approx(100)
    assert glass_name(atoms[0], elements) == name


def test_oxides_of_several_states_are_written_as_the_usual_one():
    """Composition columns of a table have one oxide of an element; a fluoride has none."""
    shares, names = oxide_shares(np.array([[40.0, 20.0, 50.0], [40.0, 20.0, 40.0]]), ["Na", "Fe", "O"])
    assert names == ["Na2O", "Fe2O3"] and shares[1] == pytest.approx([200 / 3, 100 / 3])
    assert oxide_shares(np.array([[40.0, 20.0, 20.0]]), ["Na", "F", "O"]) is None


def test_other_forms_of_the_target_are_no_features(run):
    """The mean n follows from the shares of Q^n, and tells nothing of what they depend on."""
    table, _ = table_of_runs(Map(target="network.Q2"), [read_run(run)])
    assert not [name for name in table.columns if name.startswith("network.")]
    table, _ = table_of_runs(Map(target="structure.P-O.coordination"), [read_run(run)])
    assert "network.Q2" in table.columns and not [c for c in table.columns if c.startswith("structure.P-O")]


def test_what_was_measured_while_a_glass_was_made_is_its_own(tmp_path):
    """Replicas have a D each, features in common, and no state that an analysis reads into rigid ions."""
    place = tmp_path / "run" / "products" / "s" / "analysis"
    rows = [
        Quantity("network.glass.Q2", "Q2", 0.5, "1"), Quantity("glance.glass.density", "d", 2.1, "g/cm³", note="set"),
        Quantity("metals.glass.Ti.valence.3", "Ti3+", 0.2, "1"), Quantity("metals.glass.Ti.baur", "Baur", 0.1, "1"),
        Quantity("structure.glass.V-O.bond_length", "V-O", 1.9, "Å"),
    ]  # fmt: skip
    write_json(place / "glass.json", {"composition": {"Na": 2, "Ti": 1, "O": 3}})
    write_json(place / "q.json", [row.as_json() for row in rows])
    roles = [("glass/numbers", place / "glass.json"), ("glass/quantities", place / "q.json")]
    for k in range(2):
        at = {"temperature_K": 1200.0}
        found = [Quantity(f"glass.g{k}.D", "D", (1 + k) * 1e-9, "m²/s", 1e-10, conditions=at)]
        found += [Quantity(f"glass.g{k}.energy", "E", -5.0 - k, "eV/atom"), Quantity(f"glass.g{k}.Q2", "Q2", 0.4, "1")]
        made = {"potential": "rigid-ion potential", "quantities": [row.as_json() for row in found]}
        write_json(place / f"g{k}.json", made)
        roles.append((f"g{k}/made", place / f"g{k}.json"))
    frame = rows_of([Measured.of("s", roles)], "this run")
    assert list(frame["subject"]) == ["g0", "g1"] and set(frame["potential"]) == {"rigid-ion"}
    other = rows_of([Measured.of("t", roles)], "that run").replace("s", "t")
    other["Na (mol%)"], other["Ti (mol%)"], other["network.Q2 (1)"] = 40.0, 10.0, 0.6
    other["metals.Ti.baur (1)"] = 0.3
    table, given = table_of_runs(Map(target="glass.D"), [frame, other])
    assert table.target == pytest.approx([1e-9, 2e-9] * 2) and table.error == pytest.approx(1e-10)
    assert set(table.temperature) == {1200.0} and table.potential == "rigid-ion"
    assert set(table.columns) == {"TiO2", "network.Q2", "metals.Ti.baur"}
    assert any("states of rigid ions are set" in note for note in table.notes)
    assert any("V–O lengths wrongly; no features: structure.V-O.bond_length" in note for note in table.notes)
    assert {"glass.energy", "metals.Ti.valence.3"} <= set(given.ignore)
