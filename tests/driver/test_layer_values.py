"""Numbers per atom for profiles of structure: exact in crystals, and flat in a profile of a crystal."""

import re
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import read

from naglass_drv import core
from naglass_drv.analysis import crossings, layers
from naglass_drv.analysis.layer_values import layer_values
from naglass_drv.errors import InputError
from support.structures import crystal

NVP = crystal("NVP_R-3c_Na3_ewald_ordered")
CUTOFFS = {"P-O": 2.0, "V-O": 2.5}


def mean(values) -> dict[str, float]:
    return {name: float(np.nanmean(value)) for name, value in values.items()}


def test_nasicon():
    """V–O–P corners alone, V³⁺ in octahedra without V=O; 36 rings of 4, 72 of 6 and 18 of 8 in 30 formers."""
    found = mean(layer_values(NVP, CUTOFFS, reference=core.environments(NVP, "V", ("O", "P"), 3.8)))
    known = {"n_P": 0, "CN_V": 6, "vanadyl_V": 0, "state_V": 3, "edges_V": 0, "edges_P": 0, "O_BO_PV": 1, "O_V=O": 0}
    assert {name: found[name] for name in known} == known
    assert found["rings_P"] * 18 + found["rings_V"] * 12 == pytest.approx(36 * 4 + 72 * 6 + 18 * 8)
    assert found["similarity"] == pytest.approx(1.0, abs=1e-3)


def test_vanadyl_phosphate():
    """Each V of α-VOPO4 has one V=O, each fifth oxygen is one."""
    found = mean(layer_values(crystal("VOPO4_alphaII_P4n"), CUTOFFS))
    assert (found["vanadyl_V"], found["state_V"], found["O_V=O"]) == (1, 5, pytest.approx(0.2))


def test_there_are_no_classes_of_what_a_frame_lacks():
    """No V=O of iron, and no metal in a phosphate of sodium."""
    maricite = read(Path(__file__).parents[1] / "data" / "NaFePO4_maricite.extxyz")
    assert not [name for name in layer_values(maricite, CUTOFFS) if "=O" in name or "vanadyl" in name]
    phosphate = maricite[np.array(maricite.get_chemical_symbols()) != "Fe"]
    assert {name for name in layer_values(phosphate, CUTOFFS) if name.startswith("O_")} == {
        "O_free", "O_NBO_P", "O_BO_PP", "O_tri",
    }  # fmt: skip


def test_every_value_is_flat_in_a_crystal():
    cell = NVP * (1, 1, 3)
    repeat = NVP.cell[2, 2]
    values = layer_values(cell, CUTOFFS)
    found = core.profile(cell, lambda _: values, width=repeat)
    for name, value in values.items():
        assert found[name].value == pytest.approx(np.nanmean(value)), name


def test_a_frame_without_network_is_refused():
    with pytest.raises(InputError, match="need oxygen and a glass former"):
        layer_values(Atoms("NaCl", cell=[5, 5, 5], pbc=True), CUTOFFS)


def test_the_examples_of_the_page_run(tmp_path, monkeypatch):
    """NASICON between disordered layers that rattle; the file is one that the fix would write."""
    monkeypatch.chdir(tmp_path)
    row = "{0} {1} {2} 1 {1} 2 90.0 3 99.0\n"
    rows = "".join(row.format(100, surface, distance) for surface in (0, 1) for distance in (-0.5, 0.5))
    Path("crystal.profile").write_text("# step surface distance samples position width volume n_Na mass\n" + rows)
    rng, cell = np.random.default_rng(1), NVP * (2, 2, 4)
    middle = np.abs(cell.get_scaled_positions()[:, 2] - 0.5) < 0.25
    places = cell.positions + rng.normal(size=(len(cell), 3)) * np.where(middle, 0.0, 0.6)[:, None]
    frames = []
    for k in range(50):
        frames.append(cell.copy())
        frames[-1].positions = places + 0.05 * rng.normal(size=places.shape)
        frames[-1].info["time_ps"] = float(k)
    page = (Path(__file__).parents[2] / "docs" / "observables" / "profile.md").read_text(encoding="utf-8")
    names = {"np": np, "nvp": NVP, "frames": frames, "ions": np.flatnonzero(cell.symbols == "Na"), "area": 300.0}
    names |= {"layers": layers, "crossings": crossings, "order": middle.astype(float)}
    for example in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(example, names)
    assert np.abs(names["profile"].position.mean(axis=0) / cell.cell[2, 2] - [0.25, 0.75]).max() < 0.02
    assert names["exchange"].inward.events == 0 and len(names["mobility"].parallel) == 6
