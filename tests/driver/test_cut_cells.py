"""The verb cut-cells, and a model's descriptors of atoms."""

import shutil
from functools import partial

import numpy as np
import pytest

from naglass_drv.cli.main import main
from naglass_drv.dataset.candidates import of_file
from naglass_drv.dataset.frames import read_frames, write_frames
from naglass_drv.dataset.surroundings import median_distances
from naglass_drv.dataset.vary import Variation
from naglass_drv.engines.mace import descriptors
from naglass_drv.engines.mace.export import export_model
from naglass_drv.engines.mace.modelfile import default_dtype, load_model
from support.mace_models import build_model
from support.structures import DATA

START = DATA / "tight-binding"
SHORT = ["--radius", "3.2", "--max-atoms", "120", "--melt-ps", "0.1", "--quench-ps", "0.1", "--release-ps", "0.02"]


def phosphate():
    """480 atoms NaPO3."""
    return read_frames(DATA / "glasses" / "NaPO3_fast_quench.extxyz")[0].repeat(2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A glass, frames of it with deviations, and the quickstart's model as both kinds of file."""
    folder = tmp_path_factory.mktemp("cells")
    glass = phosphate()
    write_frames(folder / "glass.extxyz", [glass])
    del glass.arrays["ion"]
    near = glass.get_distances(17, range(len(glass)), mic=True)
    glass.set_array("deviation", np.exp(-near / 5))
    write_frames(folder / "uncertain.extxyz", [glass, glass])
    shutil.copy(START / "model.mace", folder / "m.mace")
    export_model(folder / "m.mace", folder / "m.naglass")
    return folder


@pytest.fixture
def cut(folder, monkeypatch, capsys):
    """Runs the verb there: exit code, what it printed, and what it said of failures."""

    def run(*words):
        monkeypatch.chdir(folder)
        code = main(["cut-cells", *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_cells_around_given_atoms(cut, folder):
    code, out, _ = cut("glass.extxyz", "--rigid-ions", "--centers", "17,130", *SHORT, "-o", "cells.extxyz")
    assert code == 0
    cells = read_frames(folder / "cells.extxyz")
    assert [cell.info["source"] for cell in cells] == ["glass-atom17", "glass-atom130"]
    assert {cell.info["group"] for cell in cells} == {phosphate().info["group"]}
    assert [cell.arrays["core"][0] for cell in cells] == [17, 130]
    candidates = of_file(folder / "cells.extxyz", 1, Variation(0.0, (0.0, 0.0)), 1, 0, None)
    assert {candidate.frame.info["group"] for candidate in candidates} == {phosphate().info["group"]}
    assert out.splitlines()[0].startswith("center 17 (P, 1 of 2): 120 atoms, 0.")
    assert out.splitlines()[-1] == "cells.extxyz: 2 cells"
    again = read_frames(folder / "cells.extxyz")
    assert cut("glass.extxyz", "--rigid-ions", "--centers", "17,130", *SHORT, "-o", "cells.extxyz")[0] == 0
    assert all((one.positions == other.positions).all() for one, other in zip(cells, again, strict=True))


def test_a_core_that_does_not_last_is_named_and_the_others_are_written(cut, folder):
    """An oxygen of P 17 is pulled out of its bond, and comes back when it is released."""
    glass = phosphate()
    oxygen = next(
        k for k in np.argsort(glass.get_distances(17, range(len(glass)), mic=True)) if glass.symbols[k] == "O"
    )
    glass.set_distance(17, oxygen, 2.1, fix=0, mic=True)
    write_frames(folder / "pulled.extxyz", [glass])
    words = ["pulled.extxyz", "--rigid-ions", "--centers", "17,320", *SHORT, "--release-ps", "0.2", "--tries", "1"]
    code, out, err = cut(*words, "-o", "pulled-cells.extxyz")
    assert code == 4 and "NOT_ACCEPTED: center 17: no cell accepted in 1 try: " in err
    (cell,) = read_frames(folder / "pulled-cells.extxyz")
    assert cell.info["source"] == "pulled-atom320" and out.splitlines()[-1] == "pulled-cells.extxyz: 1 cell"


@pytest.mark.slow
def test_cells_around_uncertain_atoms(cut, folder):
    words = ["uncertain.extxyz", "--frame", "1", "--model", "m.naglass", "--most-uncertain", "1", *SHORT]
    code, out, _ = cut(*words, "-o", "uncertain-cells.extxyz")
    assert code == 0
    (cell,) = read_frames(folder / "uncertain-cells.extxyz")
    assert cell.info["source"] == f"uncertain-1-atom{cell.arrays['core'][0]}"
    assert phosphate().get_distance(17, cell.arrays["core"][0], mic=True) < 4.0
    assert f"{cell.info['embed_core']:.2f} of the median distance for the core" in out


@pytest.mark.slow
def test_a_model_compares_by_its_own_features(cut, folder):
    words = ["glass.extxyz", "--model", "m.mace", "--centers", "200", *SHORT]
    assert cut(*words, "-o", "by-model.extxyz")[0] == 0
    (cell,) = read_frames(folder / "by-model.extxyz")
    glass = read_frames(folder / "glass.extxyz")[0]
    rows = descriptors.atom_descriptors(load_model(folder / "m.mace").double(), glass, [200])
    after = descriptors.atom_descriptors(load_model(folder / "m.mace").double(), cell, [0])
    assert cell.info["embed_distance"] == pytest.approx(np.linalg.norm(after - rows), rel=1e-4)
    assert cell.info["embed_distance"] < cell.info["embed_median"]


REFUSED = {
    "no atoms": (["--centers", "a"], "--centers a: must be numbers of atoms, from 0, as in 12,40"),
    "beyond": (["--centers", "480"], "glass.extxyz: center 480: the glass has atoms 0 to 479"),
    "no deviation": (["--most-uncertain", "2"], "glass.extxyz: no array 'deviation': a committee"),
    "few": (["--centers", "17", "--max-atoms", "15"], "glass.extxyz: max_atoms 15: the core alone has"),
    "all": (["--centers", "17", "--max-atoms", "480"], "glass.extxyz: the glass has 480 atoms, and cells may have 480"),
    "frame": (["--centers", "17", "--frame", "3"], "--frame 3: glass.extxyz has frames 0 to 0"),
}


@pytest.mark.parametrize(("words", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused_before_anything_runs(cut, folder, words, message):
    code, out, err = cut("glass.extxyz", "--rigid-ions", *SHORT, *words, "-o", "none.extxyz")
    assert code == 2 and out == "" and err.startswith(message)
    assert not (folder / "none.extxyz").exists()


def test_an_element_that_the_model_lacks_and_a_choice_of_frames(cut, folder):
    other = phosphate()
    other.symbols[other.symbols == "Na"] = "K"
    other.set_array("ion", np.where(other.symbols == "K", "K+", other.arrays["ion"]))
    write_frames(folder / "potassium.extxyz", [other])
    for words, message in (
        (["potassium.extxyz", "--model", "m.naglass"], "m.naglass: the model covers O Na P V, but not K in the glass"),
        (["potassium.extxyz", "--rigid-ions"], "potassium.extxyz: composition: no Pedone parameters for K+"),
        (["uncertain.extxyz", "--rigid-ions"], "uncertain.extxyz: has 2 frames; choose one with --frame"),
        (["glass.extxyz", "--model", "none.mace"], "none.mace: no such file"),
    ):
        code, _, err = cut(*words, "--centers", "1", *SHORT, "-o", "none.extxyz")
        assert code == 2 and err.startswith(message)


@pytest.mark.parametrize("neighbors", [False, True], ids=["apart", "together"])
def test_descriptors_of_atoms_need_only_what_is_in_reach(monkeypatch, neighbors):
    glass = phosphate()
    nearest = np.argsort(glass.get_distances(17, range(len(glass)), mic=True))[:3].tolist()
    atoms = nearest if neighbors else [17, 300]
    with default_dtype("float64"):
        model = build_model(hidden="4x0e+4x1o", layers=2, r_max=3.5)
    whole = descriptors.atom_descriptors(model, glass, atoms)
    monkeypatch.setattr(descriptors, "_WHOLE", 0)
    sizes = [len(part) for part, _, _ in descriptors._parts(glass, atoms, 7.0)]
    assert len(sizes) == (1 if neighbors else 2) and max(sizes) < len(glass)
    assert np.allclose(descriptors.atom_descriptors(model, glass, atoms), whole, atol=1e-10)
    medians = median_distances(partial(descriptors.atom_descriptors, model), glass, 1)
    assert set(medians) == {"Na", "P", "O"} and min(medians.values()) > 0
