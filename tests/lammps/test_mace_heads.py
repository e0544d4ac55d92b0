"""Several read-out heads in one archive, against mace-torch's calculator of each head and numpy."""

from functools import cache

import numpy as np
import pytest

from naglass_drv.engines.mace.export import export_module
from naglass_drv.engines.mace.modelfile import default_dtype
from naglass_drv.errors import InputError
from support.lammps_runs import messages, write_data
from support.mace_bench import Bench, assert_close, deviations, mace_pair, script
from support.mace_models import ELEMENTS, SMALLEST, build_model, structures

pytestmark = pytest.mark.mpi

HEADS = ["low", "mid", "high"]
STRUCTURES = {name: structures()[name] for name in ("triclinic", "corner", "core")}
# scale, shift and isolated atoms differ from head to head, and so does the repulsion, which the scale multiplies
MODELS = {
    "residual": dict(hidden="8x0e+8x1o", max_ell=2, heads=HEADS),
    "zbl": dict(hidden="12x0e", max_ell=3, heads=HEADS, pair_repulsion=True, distance_transform="Agnesi"),
    "density": dict(
        hidden="8x0e+8x1o",
        layers=3,
        first="RealAgnosticDensityInteractionBlock",
        other="RealAgnosticDensityResidualInteractionBlock",
        apply_cutoff=False,
        heads=HEADS,
    ),
    "gated": dict(
        hidden="8x0e+8x1o",
        first="RealAgnosticResidualNonLinearInteractionBlock",
        other="RealAgnosticResidualNonLinearInteractionBlock",
        heads=HEADS,
    ),
    "single": dict(hidden="8x0e", max_ell=2, r_max=3.0),
}
COMPUTES = "compute deviation all mace/atom deviation\ncompute energy_deviation all mace/atom energy_deviation"
# (model, structure, newton, ranks, options): every kind on two ranks, what stands apart on one
CASES = [
    *((model, "triclinic", "on", 2, "") for model in MODELS if model != "single"),
    ("zbl", "core", "on", 1, ""),
    ("density", "corner", "off", 2, ""),
    ("gated", "corner", "on", 1, ""),
    ("residual", "triclinic", "on", 1, "dtype float32"),
    ("density", "triclinic", "on", 2, "dtype float32"),
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    folder = tmp_path_factory.mktemp("heads")
    kept = {name: HEADS for name, settings in MODELS.items() if "heads" in settings}
    made = Bench(folder, MODELS, STRUCTURES, kept)
    for head in HEADS:
        export_module(made.models["residual"], folder / f"residual-{head}.naglass", head=head)
    return made


@pytest.fixture(scope="module")
def references(bench):
    """Energy, forces, stress and node energies of each head, as arrays over the heads."""

    @cache
    def of(model: str, structure: str) -> dict[str, np.ndarray]:
        found = []
        for head in HEADS if "heads" in MODELS[model] else ["Default"]:
            bench.heads[model] = head
            found.append(bench.reference(model, STRUCTURES[structure]))
        return {key: np.array([one[key] for one in found]) for key in found[0]}

    return of


@pytest.fixture(scope="module")
def results(bench):
    @cache
    def of(ranks: int) -> dict:
        cases = {}
        for model, structure, newton, number, options in CASES:
            if number == ranks:
                name = f"{model} {structure} {options}"
                pair, grid = mace_pair(model, options=options), f"{ranks} 1 1"
                cases[name + " each"] = script(structure, pair, newton, grid, after=COMPUTES)
                cases[name + " mean"] = script(structure, pair, newton, grid)
        return bench.run(cases, ranks)

    return of


@pytest.mark.parametrize(("model", "structure", "newton", "ranks", "options"), CASES)
def test_mean_and_deviations_are_those_of_the_heads(results, references, model, structure, newton, ranks, options):
    expected = references(model, structure)
    looser = 1e5 if options else 1.0
    spread = deviations(expected["f"])
    assert spread.max() > 0.01 * np.abs(expected["f"]).max()
    for kind in ("each", "mean"):
        found = results(ranks)[f"{model} {structure} {options} {kind}"]
        assert "error" not in found, found["error"]
        assert_close(found["energy"], expected["energy"].mean(), 1e-12 * looser)
        assert_close(found["c_energy"][:, 0], expected["energies"].mean(axis=0), 1e-12 * looser)
        assert_close(found["f"], expected["f"].mean(axis=0), 1e-9 * looser)
        assert_close(found["stress"], expected["stress"].mean(axis=0), 1e-9 * looser)
    each = results(ranks)[f"{model} {structure} {options} each"]
    assert_close(each["c_deviation"][:, 0], spread, 1e-9 * looser)
    assert_close(each["c_energy_deviation"][:, 0], expected["energies"].std(axis=0), 1e-10 * looser)


def test_heads_beside_models(bench, references):
    """Every head and every model counts once; three archives of one head each are the same as one of three."""
    single = "residual-low.naglass residual-mid.naglass residual-high.naglass"
    many = mace_pair("residual").replace("residual.naglass", f"{single} single.naglass")
    one = mace_pair("residual").replace("residual.naglass", "residual.naglass single.naglass")
    found = bench.run({n: script("triclinic", pair, after=COMPUTES) for n, pair in {"many": many, "one": one}.items()})
    parts = references("residual", "triclinic"), references("single", "triclinic")
    forces, energies = (np.concatenate([part[key] for part in parts]) for key in ("f", "energies"))
    for case in found.values():
        assert "error" not in case, case["error"]
        assert_close(case["f"], forces.mean(axis=0), 1e-9)
        assert_close(case["c_deviation"][:, 0], deviations(forces), 1e-9)
        assert_close(case["c_energy_deviation"][:, 0], energies.std(axis=0), 1e-10)


@pytest.mark.parametrize(
    ("models", "last", "first"),
    [
        ("residual residual-mid", "residual-mid", "residual"),
        ("residual-low single residual", "residual", "residual-low"),
        ("residual residual-single", "residual-single", "residual"),
    ],
)
def test_a_head_twice_is_refused(bench, models, last, first):
    """Also from another archive, and from one in single precision."""
    single = bench.folder / "residual-single.naglass"
    if not single.exists():
        export_module(bench.models["residual"], single, head=["high"], dtype="float32")
    pair = mace_pair(models.replace(" ", ".naglass "), options="dtype float32")
    said = str(bench.run({"one": script("triclinic", pair)})["one"]["error"])
    assert f"{last}.naglass is the same model as {first}.naglass (head " in said


def test_heads_write_the_deviation_file(bench):
    """The file of several heads is that of as many archives."""
    lines = []
    for models in ("residual", "residual-low.naglass residual-mid.naglass residual-high"):
        pair = mace_pair(models, options="out_file devi.out out_freq 1")
        assert "error" not in bench.run({"one": script("triclinic", pair)}, ranks=2)["one"]
        lines.append([float(word) for word in (bench.folder / "devi.out").read_text().splitlines()[1].split()])
    assert lines[0] == pytest.approx(lines[1], rel=1e-5) and lines[0][4] > 0.01


@pytest.fixture(scope="module")
def several():
    with default_dtype("float64"):
        return build_model(**SMALLEST, heads=HEADS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(), "the model has several heads; choose from low, mid, high"),
        (dict(head="best"), "head 'best': must be one of low, mid, high"),
        (dict(head=["low", "high", "low"]), "head 'low': given twice"),
        (dict(head=HEADS, with_torch=True), "several heads in one archive: only naglass's own kernels evaluate them"),
    ],
)
def test_what_is_refused(several, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        export_module(several, tmp_path / "m.naglass", **options)
    assert not list(tmp_path.iterdir())


def test_one_head_alone_is_no_committee(several, tmp_path):
    export_module(several, tmp_path / "m.naglass", head="mid")
    write_data(tmp_path / "glass.data", STRUCTURES["triclinic"], ELEMENTS)
    setup = "units metal\nread_data glass.data\n"
    pair = "pair_style mace\npair_coeff * * m.naglass O Na P V\n"
    scripts = {
        "file": pair.replace("mace\n", "mace out_file d.out out_freq 1\n"),
        "compute": pair + "compute c all mace/atom energy_deviation\nrun 0\n",
    }
    told = messages(tmp_path, setup, scripts)
    assert "out_file needs a committee: two or more models in pair_coeff, or one with several heads" in told["file"]
    assert "no quantity 'energy_deviation'; it has energy" in told["compute"]
