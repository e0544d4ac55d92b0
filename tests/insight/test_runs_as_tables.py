"""Run folders as rows: what their analyses measured, by system and trajectory."""

import pytest

from naglass_drv.errors import InputError
from naglass_drv.files import file_hash, write_json
from naglass_drv.insight.mapping import Map
from naglass_drv.insight.runs import is_run, read_run, table_of_runs
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
    assert set(table.columns) == {"Na", "P", "V", "structure.P-O.coordination", "network.Q2", "metals.V.valence.4"}
    assert table.blocks["redox"] == ("metals.V.valence.4",) and table.blocks["composition"] == ("Na", "P", "V")
    # a system without vanadium has none of it, which is a number
    assert sorted(set(table.features[:, table.columns.index("metals.V.valence.4")])) == [0.0, 0.2]


def test_what_a_run_lacks_is_named(run, tmp_path):
    frames = [read_run(run)]
    with pytest.raises(InputError, match="no run has the quantity 'transport.x'; some have .*transport.D"):
        table_of_runs(Map(target="transport.x"), frames)
    with pytest.raises(InputError, match="no target: name a quantity with --target, such as network.Q2"):
        table_of_runs(Map(), frames)
    (tmp_path / "empty" / "products").mkdir(parents=True)
    with pytest.raises(InputError, match="empty: no analysis of a glass or trajectory is finished"):
        read_run(tmp_path / "empty")
    manifest = next(run.rglob("manifest.json"))
    manifest.write_text("{")
    with pytest.raises(InputError, match=r"manifest.json: not a manifest"):
        read_run(run)
