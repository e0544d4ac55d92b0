"""The mobile ions of trajectories as rows: which have left their site, and what was around them at the start."""

import numpy as np
import pytest
from ase import Atoms

from naglass_drv.dataset.frames import write_frames
from naglass_drv.errors import InputError
from naglass_drv.files import file_hash, write_json
from naglass_drv.insight.atoms import sites_of, study_atoms
from naglass_drv.insight.build import build_table
from naglass_drv.insight.ions import TARGET, map_of_ions, read_ions
from naglass_drv.insight.mapping import Map
from naglass_drv.products import Measurements, Trajectories, as_manifest

GLASSES, CELLS = 6, 12


def glass(rng):
    """Na in separate surroundings 12 Å apart: an O at 2.4 Å, and in every other one a second P within 4 Å."""
    symbols, positions = [], []
    for k in range(CELLS):
        at = 12.0 * np.array([k % 3, k // 3 % 2, k // 6]) + rng.normal(0, 0.01, 3)
        symbols += ["Na", "O", "P"]
        positions += [at, at + (2.4, 0, 0), at + (3.8, 0, 0)]
        if k % 2:
            symbols.append("P")
            positions.append(at - (3.6, 0, 0))
    return Atoms(symbols, positions, cell=[36, 24, 24], pbc=True)


@pytest.fixture
def run(tmp_path):
    """Ions with two P around them leave, with one exception in each glass; one of the others hops and returns."""
    rng = np.random.default_rng(2)
    folder = tmp_path / "run"
    for number in range(GLASSES):
        atoms = glass(rng)
        ions = np.flatnonzero(atoms.symbols == "Na")
        left = [*ions[1::2][1:], ions[0]]
        place = folder / "products" / f"s{number}"
        for step in ("md", "analysis"):
            (place / step).mkdir(parents=True)
        write_frames(place / "md" / "t.extxyz", [atoms, atoms])
        hops = {"hop_atom": np.array([*left, ions[2]]), "hop_returned": np.array([0] * len(left) + [1])}
        np.savez(place / "analysis" / "c.npz", **hops)
        write_json(place / "analysis" / "n.json", {})
        for product in (
            Trajectories(f"s{number}", "md", {"g0-800K/trajectory": place / "md" / "t.extxyz"}),
            Measurements(f"s{number}", "analysis", {"g0-800K/curves": place / "analysis" / "c.npz"}),
        ):
            hashes = {role: file_hash(path) for role, path in product.files.items()}
            write_json(place / product.step / "manifest.json", as_manifest(product, folder, hashes))
    return folder


def test_ions_have_what_surrounds_them(run):
    frame = read_ions(run)
    assert len(frame) == GLASSES * CELLS
    first = frame.iloc[1]
    assert (first["glass"], first["subject"], first["temperature (K)"]) == ("s0/g0", "g0-800K", "800")
    assert (first["coordination (1)"], first["linkage.formers (1)"], first["linkage.metals (1)"]) == ("1", "2", "0")
    assert float(first["bond_length (Å)"]) == pytest.approx(2.4, abs=1e-6)
    assert float(first["nonbridging (1)"]) == 1.0 and float(first["distance.ion (Å)"]) == pytest.approx(12, abs=0.1)
    mobile = frame[f"{TARGET} (1)"].astype(int).to_numpy().reshape(GLASSES, CELLS)
    # what hops and returns has not left
    assert (mobile[:, 2] == 0).all() and (mobile.sum(axis=1) == CELLS // 2).all()


def test_what_distinguishes_those_that_leave_is_found_across_glasses(run):
    given = map_of_ions(Map(target=TARGET))
    found = study_atoms(sites_of(build_table([read_ions(run)], given)))
    important = {verdict.block for verdict in found.verdicts if verdict.important}
    assert "medium_range" in important and len(found.sites.names) == GLASSES
    assert np.nanmean(found.scores[0].area) > 0.75


def test_a_run_without_hops_is_named(tmp_path):
    (tmp_path / "products").mkdir()
    with pytest.raises(InputError, match="no trajectory with an analysis of the hops"):
        read_ions(tmp_path)
