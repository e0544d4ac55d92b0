"""Moments end to end: readout in the archive, compute mace/atom spin, compute naglass/fingerprint on the fly."""

import numpy as np
import pytest

from naglass_drv import core
from naglass_drv.engines.mace import spin
from naglass_drv.engines.mace.export import export_module
from naglass_drv.engines.mace.modelfile import default_dtype
from support.lammps_runs import read_dump, run_lammps, write_data
from support.mace_models import ELEMENTS, build_model, give_moments, packing

pytestmark = pytest.mark.mpi

ATOMS = packing(52, 14.0, tilt=True, seed=2)
SCRIPT = """
units metal
newton {newton}
read_data glass.data
pair_style {style}
pair_coeff * * {mace}{models} O Na P V
{more}
compute moment all mace/atom {quantities}
{after}
dump atoms all custom 1 out.dump id x y z {columns}
dump_modify atoms sort id format float %.15g
run {steps}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two models with readouts that give V moments between 0 and 3 µB, one of them also without."""
    folder = tmp_path_factory.mktemp("spin")
    frames = [packing(26, 14.0, seed=k) for k in range(10)]
    for k, frame in enumerate(frames):
        frame.info["group"] = f"g{k}"
    models, readouts = [], []
    with default_dtype("float64"):
        for name, hidden, seed in (("a", 0, 7), ("b", 8, 8)):
            model = build_model(hidden="8x0e+8x1o", r_max=3.5, max_ell=2, seed=seed)
            give_moments(model, frames)
            readout = spin.fit_readout(model, frames, hidden=hidden)
            export_module(model, folder / f"{name}.naglass", spin=readout)
            models.append(model)
            readouts.append(readout)
        export_module(models[0], folder / "plain.naglass")
    write_data(folder / "glass.data", ATOMS, ELEMENTS)
    return folder, models, readouts


def run(
    folder,
    ranks=1,
    style="mace",
    models="a.naglass",
    quantities="spin",
    columns="c_moment",
    more="",
    newton="on",
    after="",
    steps=0,
):
    mace = "mace " if "hybrid" in style else ""
    script = SCRIPT.format(
        style=style,
        mace=mace,
        models=models,
        quantities=quantities,
        columns=columns,
        more=more,
        newton=newton,
        after=after,
        steps=steps,
    )
    return run_lammps(folder, script, ranks)


@pytest.mark.parametrize(
    ("ranks", "more"),
    [
        (1, {}),
        (2, {"newton": "off"}),
        pytest.param(4, {}, marks=pytest.mark.long),
        (1, {"style": "hybrid/overlay mace zero 3.0", "more": "pair_coeff * * zero"}),
        (2, {"style": "mace dtype float32"}),
    ],
)
def test_moments_are_those_of_python(made, ranks, more):
    folder, models, readouts = made
    done = run(folder, ranks, **more)
    assert done.returncode == 0, done.stdout[-1500:]
    expected = spin.predict(models[0], readouts[0], [ATOMS])[0]
    assert expected[np.array(ATOMS.symbols) == "V"].std() > 0.01
    tolerance = 1e-3 if "float32" in str(more) else 1e-9
    assert read_dump(folder / "out.dump")[0][1][:, 4] == pytest.approx(expected, abs=tolerance)


def test_committee_gives_the_mean(made):
    folder, models, readouts = made
    done = run(folder, 2, models="a.naglass b.naglass", quantities="deviation spin", columns="c_moment[*]")
    assert done.returncode == 0, done.stdout[-1500:]
    mean = np.mean([spin.predict(m, r, [ATOMS])[0] for m, r in zip(models, readouts)], axis=0)
    assert read_dump(folder / "out.dump")[0][1][:, 5] == pytest.approx(mean, abs=1e-9)


def test_fingerprint_on_the_fly(made):
    """Redox classes in LAMMPS from the model's moments equal those of Python from the same moments."""
    folder, models, readouts = made
    fingerprint = (
        "compute states all naglass/fingerprint elements O Na P V center V ligand O cutoff V O 2.5 spin c_moment\n"
        "fix mean all ave/time 2 1 2 c_states[1] file states.txt\nfix nve all nve\nvelocity all create 300 1\n"
    )
    done = run(folder, 2, more="", columns="c_states[14] c_states[15]", after=fingerprint, steps=4)
    assert done.returncode == 0, done.stdout[-1500:]
    table = read_dump(folder / "out.dump")[0][1]
    moments = spin.predict(models[0], readouts[0], [ATOMS])[0]
    found = core.fingerprint(ATOMS, center="V", cutoffs={("V", "O"): 2.5}, spins=moments)
    vanadium = np.array(ATOMS.symbols) == "V"
    assert table[vanadium, 4] == pytest.approx(moments[vanadium], abs=1e-9)
    assert table[vanadium, 5].astype(int).tolist() == found.by_moment.tolist()
    assert len(np.loadtxt(folder / "states.txt")) == 3


def test_messages(made):
    folder, _, _ = made
    done = run(folder, models="plain.naglass")
    assert "Compute mace/atom: the pair style has no quantity 'spin'; it has energy" in done.stdout
    done = run(folder, models="b.naglass plain.naglass")
    assert "has no quantity 'spin'; it has deviation energy" in done.stdout
