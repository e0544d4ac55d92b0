"""States of atoms: an archive in which V has two against one in which the second is an element of its own.

Both come from one model of five elements, of which Cr has the weights of V but for its initial features.
"""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from naglass_drv.engines.mace.body import adapted
from naglass_drv.engines.mace.export import export_module
from naglass_drv.engines.mace.facts import potential_facts
from naglass_drv.engines.mace.modelfile import default_dtype
from naglass_drv.errors import InputError
from support.lammps_runs import messages, write_data
from support.mace_bench import Bench, assert_close, mace_pair, script
from support.mace_models import NUMBERS, build_model, packing

pytestmark = pytest.mark.mpi

FIVE, ELEMENTS = ["O", "Na", "P", "V", "Cr"], "O Na P V"
GATED = "RealAgnosticResidualNonLinearInteractionBlock"
KINDS = {"residual": dict(hidden="8x0e+8x1o", max_ell=2), "gated": dict(hidden="8x0e+8x1o", first=GATED, other=GATED)}
PROPERTY = "fix states all property/atom i_state"


def twins(**settings):
    """A model of five elements, the last of which differs from the one before in its initial features alone."""
    import torch

    from naglass_drv.engines.mace import body

    own = dict(
        num_elements=5, atomic_numbers=[*NUMBERS, 24], atomic_energies=np.array([-433.3, -0.1, -0.2, -0.3, -0.3])
    )
    model = build_model(**settings, **own)
    state = model.state_dict()
    for name, value in state.items():
        owner, _, kind = name.rpartition(".")
        if body._CONTRACTION.fullmatch(name) and len(value) == 5:
            value[4] = value[3]
        elif kind == "weight" and not owner.startswith("node_embedding"):
            axes = body._axes(owner, model, torch.arange(5), torch.arange(1))
            axes = {axis: indices for axis, indices in axes.items() if len(indices) == 5}
            for axis in axes:
                (instruction,) = {i.path_shape: i for i in model.get_submodule(owner).instructions}.values()
                shaped = value.view(instruction.path_shape).movedim(axis, 0)
                shaped[4] = shaped[3]
    model.load_state_dict(state)
    return model


def with_states(one: Path, five: Path, target: Path, counts=(1, 1, 1, 2)) -> None:
    """The archive `one` with the initial features of `five`: those of its last element are the second state of V."""
    with zipfile.ZipFile(one) as old, zipfile.ZipFile(five) as other, zipfile.ZipFile(target, "w") as new:
        facts, more = (json.loads(file.read("metadata.json")) for file in (old, other))
        weights, extra = old.read("weights.bin"), other.read("weights.bin")
        for number, row in enumerate(facts["weights"]):
            if row["name"] not in ("layers.0.up", "layers.0.skip", "layers.0.residual"):
                continue
            (wider,) = (each for each in more["weights"] if each["name"] == row["name"])
            assert wider["shape"][0] == 5 and row["shape"][0] == 4
            size = int(np.prod(wider["shape"])) * np.dtype(wider["dtype"]).itemsize
            facts["weights"][number] = wider | {"offset": len(weights)}
            weights += extra[wider["offset"] : wider["offset"] + size]
        facts |= {"states": list(counts)}
        for name in old.namelist():
            data = {"metadata.json": json.dumps(facts), "weights.bin": weights}.get(name, old.read(name))
            new.writestr(name, data)


@pytest.fixture(scope="module")
def atoms():
    """A packing in which every other V is in state 1."""
    cell = packing(52, 14.0, tilt=True, seed=1)
    vanadium = np.flatnonzero(cell.symbols == "V")
    cell.set_array("state", np.isin(np.arange(len(cell)), vanadium[::2]).astype(int))
    return cell


@pytest.fixture(scope="module")
def bench(tmp_path_factory, atoms) -> Bench:
    folder = tmp_path_factory.mktemp("states")
    made = Bench(folder, {}, {})
    with default_dtype("float64"):
        for kind, settings in KINDS.items():
            five = twins(**settings)
            for name, model in ((f"{kind}-five", five), (f"{kind}-one", adapted(five, NUMBERS, [("Default",) * 2]))):
                export_module(model, folder / f"{name}.naglass")
            with_states(*(folder / f"{kind}-{name}.naglass" for name in ("one", "five", "two")))
    other = atoms.copy()
    other.symbols[atoms.arrays["state"] == 1] = "Cr"
    write_data(folder / "five.data", other, FIVE)
    write_data(folder / "four.data", atoms, ELEMENTS.split())
    return made


def states_of(atoms) -> str:
    ids = " ".join(str(k + 1) for k in np.flatnonzero(atoms.arrays["state"]))
    return f"{PROPERTY}\ngroup second id {ids}\nset group second i_state 1"


@pytest.mark.parametrize(("kind", "ranks", "newton", "options"), [
    ("residual", 1, "on", ""),
    ("residual", 2, "on", ""),
    ("residual", 2, "off", ""),
    ("residual", 1, "on", "single_rank"),
    ("residual", 2, "on", "dtype float32"),
    ("gated", 1, "on", ""),
    ("gated", 2, "on", ""),
])  # fmt: skip
def test_a_state_is_as_an_element_of_its_own(bench, atoms, kind, ranks, newton, options):
    before = "atom_modify map yes" if options == "single_rank" else ""
    pair = mace_pair(f"{kind}-two", ELEMENTS, options)
    cases = {
        "own": script("five", mace_pair(f"{kind}-five", " ".join(FIVE), options), newton, before=before),
        "state": script("four", f"{pair}\n{states_of(atoms)}", newton, before=before),
        "none": script("four", pair, newton, before=before),
        "one": script("four", mace_pair(f"{kind}-one", ELEMENTS, options), newton, before=before),
    }
    found = bench.run(cases, ranks)
    for case, expected, tolerance in (("state", "own", 1e-12), ("none", "one", 1e-12)):
        for quantity, value in found[expected].items():
            assert_close(found[case][quantity], value, 2e-6 if "float32" in options else tolerance)
    with pytest.raises(InputError, match="V has several states, which a run does not set"):
        potential_facts(bench.folder / f"{kind}-two.naglass")
    assert np.abs(found["own"]["f"] - found["one"]["f"]).max() > 1e-3, "the state matters"


def test_a_model_with_one_state_gives_the_same_bits_as_before_there_were_states(bench, atoms):
    source = bench.folder / "residual-one.naglass"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(bench.folder / "before.naglass", "w") as new:
        facts = json.loads(old.read("metadata.json"))
        assert facts["format_version"] == 6 and facts.pop("states") == [1, 1, 1, 1]
        for name in old.namelist():
            data = json.dumps(facts | {"format_version": 5}) if name == "metadata.json" else old.read(name)
            new.writestr(name, data)
    assert potential_facts(bench.folder / "before.naglass").elements == ELEMENTS.split()
    cases = {name: script("four", mace_pair(name, ELEMENTS)) for name in ("before", "residual-one")}
    cases["given"] = script("four", f"{mace_pair('residual-one', ELEMENTS)}\n{states_of(atoms)}")
    found = bench.run(cases)
    for name in ("residual-one", "given"):
        for quantity, value in found["before"].items():
            assert (found[name][quantity] == value).all(), (name, quantity)


def test_states_may_change_between_steps(bench, atoms):
    pair = f"{mace_pair('residual-two', ELEMENTS)}\n{states_of(atoms)}"
    changes = ["", "set group second i_state 0", "set group second i_state 1"]
    found = bench.run({"case": script("four", pair) | {"changes": changes}}, 2)["case"]["energies"]
    assert found[0] == pytest.approx(found[2], rel=1e-13) and abs(found[0] - found[1]) > 1e-3


def test_bad_states(bench, atoms):
    folder = bench.folder
    sources = [folder / f"residual-{name}.naglass" for name in ("one", "five")]
    with_states(*sources, folder / "many.naglass", (1, 1, 1, 17))
    with_states(*sources, folder / "short.naglass", (1, 1, 2))
    first = 1 + int(np.flatnonzero(atoms.symbols == "V")[0])
    state = f"{PROPERTY}\nset group all i_state 0\nset atom {first} i_state"

    def case(model, more=""):
        return f"{mace_pair(model, ELEMENTS)}\n{more}\nrun 0"

    scripts = {
        "V has 17 states, but this pair style is built for at most 16": case("many"),
        "its states are not a number for each element": case("short"),
        f"i_state of atom {first} is 2, but V has states 0 to 1": case("residual-two", f"{state} 2"),
        f"i_state of atom {first} is -1, but V has states 0 to 1": case("residual-two", f"{state} -1"),
        "d_state is not i_state": case("residual-two", "fix states all property/atom d_state"),
        "atom type 4 has 1 states, and 2 in the first model": case("residual-two residual-one").replace(
            "residual-two residual-one.naglass", "residual-two.naglass gated-one.naglass"
        ),
    }
    found = messages(folder, "units metal\nread_data four.data", scripts)
    for text, message in found.items():
        assert text in message, message
