"""The atoms of runs as rows: ions that leave, metals that are reduced, atoms that join a crystal."""

import numpy as np
import pytest

from naglass_drv.errors import InputError
from naglass_drv.files import write_json
from naglass_drv.insight.atom_rows import WORDS, is_of_atoms, read_atoms, table_of_atoms
from naglass_drv.insight.atoms import sites_of, study_atoms
from naglass_drv.insight.crystal_atoms import TARGET as JOINED
from naglass_drv.insight.ions import TARGET
from naglass_drv.insight.mapping import Map
from naglass_drv.insight.runs import measured_in
from naglass_drv.insight.sources import FILE
from support.insight_runs import BESIDE, CELLS, SUBJECT, made_run

GLASSES, REDUCED = 6, "metals.V.reduced"
LEVEL = "the moments of labels (pbe+u-1), V5+ being the highest"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return made_run(tmp_path_factory.mktemp("made"), GLASSES)


def atoms_of(folder, target):
    return read_atoms(target, measured_in(folder, WORDS), str(folder))


def important(folder, target):
    table = table_of_atoms(Map(target=target), [atoms_of(folder, target)])
    found = study_atoms(sites_of(table))
    return {verdict.block for verdict in found.verdicts if verdict.important}, found, table


def test_targets_of_atoms_are_known_by_their_names():
    assert all(map(is_of_atoms, (TARGET, JOINED, REDUCED, "metals.Fe.reduced")))
    assert not any(map(is_of_atoms, (None, "", "transport.D", "metals.P.reduced", "metals.V.reduced.x")))


def test_ions_have_what_surrounds_them(run):
    frame = atoms_of(run, TARGET)
    assert len(frame) == GLASSES * CELLS
    first = frame.iloc[1]
    assert (first["glass"], first["subject"], first["temperature (K)"]) == ("run/s0/g0", SUBJECT, "800")
    assert (first["coordination (1)"], first["linkage.formers (1)"], first["linkage.metals (1)"]) == ("1", "2", "0")
    assert float(first["bond_length (Å)"]) == pytest.approx(2.4, abs=1e-6)
    assert float(first["nonbridging (1)"]) == 1.0 and float(first["distance.ion (Å)"]) == pytest.approx(12, abs=0.1)
    mobile = frame[f"{TARGET} (1)"].astype(int).to_numpy().reshape(GLASSES, CELLS)
    # what hops and returns has not left
    assert (mobile[:, 2] == 0).all() and (mobile.sum(axis=1) == CELLS // 2).all()


def test_what_distinguishes_those_that_leave_is_found_across_glasses(run):
    blocks, found, _ = important(run, TARGET)
    assert "medium_range" in blocks and len(found.sites.names) == GLASSES
    assert np.nanmean(found.scores[0].area) > 0.75


def test_who_joins_the_crystal_is_told_by_the_distance_alone(run):
    frame = atoms_of(run, JOINED)
    assert len(frame) == GLASSES * BESIDE and "time (ps)" not in frame
    blocks, _, table = important(run, JOINED)
    assert blocks == {"crystal"} and set(table.blocks) == {"crystal", "free_volume"}


def test_reduced_metals_are_told_by_the_moments_of_labels(run):
    frame = atoms_of(run, REDUCED)
    assert len(frame) == GLASSES * CELLS and set(frame["told by"]) == {LEVEL}
    blocks, found, table = important(run, REDUCED)
    assert blocks == {"around"} and found.sites.names[0] == "s0-g0"
    assert f"oxidation states are told by {LEVEL}" in table.notes
    assert not {"state", "told by"} & set(table.columns)


def test_levels_are_not_mixed(run):
    """Labels of a cheap level beside the others, fewer of them, say nothing."""
    words = measured_in(run, WORDS)
    (path,) = words[0].files["admitted"].values()
    cheap = path.with_name("cheap.extxyz")
    cheap.write_text(path.read_text().replace("pbe+u-1", "gfn1-xtb-2"))
    words[0].files["admitted"]["cheap"] = cheap
    frame = read_atoms(REDUCED, words, "made")
    assert set(frame["told by"]) == {LEVEL} and len(frame) == GLASSES * CELLS


def test_glasses_of_two_runs_are_not_one(run):
    both = [atoms_of(run, TARGET).assign(**{FILE: name}) for name in ("a/run", "b/run")]
    assert len(table_of_atoms(Map(target=TARGET), both).names) == 2 * GLASSES


def test_states_by_bond_valence_do_not_explain_themselves(run, tmp_path):
    """Trajectories without moments; the bonds of a metal, from which its state follows, are no features."""
    words = measured_in(run, WORDS)
    for one in words:
        # the labels as a trajectory, without their moments
        (path,) = one.files["admitted"].values()
        bare = tmp_path / f"{one.system.replace('/', '-')}.extxyz"
        bare.write_text(path.read_text().replace("REF_spin", "other"))
        numbers = bare.with_suffix(".json")
        write_json(numbers, {"metal_states": {"V": {"by": "valence", "why": "no moments", "moments": ""}}})
        one.files["admitted"].clear()
        one.files["trajectory"][SUBJECT], one.files["numbers"][SUBJECT] = bare, numbers
    frame = read_atoms(REDUCED, words, "made")
    assert all(frame["told by"].str.startswith("bond valence, V")) and len(frame) == GLASSES * CELLS
    assert not [head for head in frame if head.startswith(("coordination", "bond_valence", "angle"))]
    assert "ions.Na (1)" in frame and "density (Å⁻³)" in frame
    with pytest.raises(InputError, match="states are told by bond valence, .* and the moments of labels .* apart"):
        table_of_atoms(Map(target=REDUCED), [frame, atoms_of(run, REDUCED)])


def test_what_a_run_lacks_is_named(tmp_path):
    (tmp_path / "products").mkdir()
    with pytest.raises(InputError, match="no atom with ions.mobile: no trajectory has an analysis of the hops"):
        atoms_of(tmp_path, TARGET)
    with pytest.raises(InputError, match="no atom with metals.V.reduced: no trajectory and no set of labels"):
        atoms_of(tmp_path, REDUCED)
    few = made_run(tmp_path, 1, joining=False)
    with pytest.raises(InputError, match=f"no atom with {JOINED}: {SUBJECT}: 3 atoms joined the crystal; fewer than"):
        atoms_of(few, JOINED)
