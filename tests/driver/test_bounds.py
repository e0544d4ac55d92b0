"""What is possible in itself or not, what fits together, and what it costs: all of it said before anything is run."""

import random
import textwrap
from typing import Annotated

import pytest
from ase.data import atomic_masses, atomic_numbers

from naglass_drv.chemistry.masses import MASSES, volume
from naglass_drv.cli.checks import Checks
from naglass_drv.config import cost
from naglass_drv.config.load import load
from naglass_drv.config.schema import Input
from naglass_drv.errors import InputError
from naglass_drv.paths import data_file
from support.jobs import naglass

GOOD = """\
name: good
system:
  composition: {Na: 4, V4+: 2, P: 4, O: 16}
  density_g_cm3: 2.75
"""
FRAME = """\
3
Lattice="6 0 0 0 6 0 0 0 6" Properties=species:S:1:pos:R:3 pbc="T T T" multiplicity=1
Na 0 0 0
Na 0 3 3
O 3 3 0
"""


def errors_of(folder, text):
    path = folder / "input.yaml"
    path.write_text(textwrap.dedent(text))
    with pytest.raises(InputError) as caught:
        load(path, checks=[Checks()])
    return str(caught.value).splitlines()


def test_masses_are_those_of_ase():
    for element, mass in MASSES.items():
        assert mass == pytest.approx(atomic_masses[atomic_numbers[element]], rel=1e-5)


OUTSIDE = {
    "seed": (0, 2**31, 2**70),
    "system.formula_units": (0, 10**20),
    "system.density_g_cm3": (0.001, 30, 1e300),
    "glass.replicas": (10**8,),
    "glass.melt_temperature_K": (0.5, 1e5, 1e300),
    "glass.final_temperature_K": (1e-3,),
    "glass.melt_ps": (1e-9, 1e9),
    "glass.hold_ps": (1e-9, 1e300),
    "glass.quench_rate_K_per_ps": (1e-9, 1e9),
    "glass.timestep_fs": (1e-6, 20, 1e300),
    "glass.ranks": (10**7,),
    "reference.frames_per_structure": (10**9,),
    "reference.melt_frames_per_structure": (-1, 10**9),
    "reference.rattle_A": (-0.1, 5, 1e300),
    "reference.strain_percent": ([-60, 3], [0, 1e300]),
    "reference.charge": (10**6,),
    "reference.cutoff_Ry": (1, 1e300),
    "reference.rel_cutoff_Ry": (1, 1e6),
    "reference.u_eV": ({"V": 100}, {"V": -1}),
    "reference.smearing_K": (0, 1e9),
    "reference.max_net_force_eV_per_A": (0, 1e-12, 1e6),
    "reference.timeout_min": (1e-6, 1e300),
    "reference.ranks": (10**7,),
    "reference.outputs": (["pdos", "pdos"],),
    "dataset.test_fraction": (0, 1, -0.1, 1.5),
    "dataset.max_force_eV_per_A": (0, 1e300),
    "dataset.max_frames": (0, 10**12),
    "dataset.frames_per_file": (0, 10**12),
    "dataset.drop_outliers": (["energy", "energy"],),
    "train.channels": (0, 10**6),
    "train.layers": (0, 100),
    "train.r_max_A": (0.1, 240),
    "train.epochs": (0, 10**12),
    "train.learning_rate": (0, 10, 1e-300),
    "train.batch_size": (0, 10**9),
    "train.threads": (0, 10**9),
    "train.stress_weight": (-1, 1e300),
    "md.temperatures_K": ([0], [-300], [1e5], [300, 1e300]),
    "md.time_ps": (0, 1e-9, 1e300),
    "md.timestep_fs": (0, 100),
    "md.thermostat_fs": (1e-6, 1e300),
    "md.pressure_bar": (1e12, -1e12),
    "md.replicate": ([0, 1, 1], [1, 1, 10**6]),
    "md.checkpoint_ps": (1e-9, 1e300),
    "md.candidates": (-1, 10**9),
    "md.gpus": (-1, 10**6),
    "analysis.r_max_A": (0.1, 240),
    "analysis.q_max_per_A": (0.01, 1e4),
    "analysis.skip_ps": (-1, 1e300),
    "analysis.hop_window_ps": (0, 1e-9, 1e300),
    "analysis.hop_threshold_A2": (0, 1e300),
    "analysis.ring_max_formers": (2, 100),
    "analysis.cutoffs_A": ({"P-O": 240}, {"P-O": 0.01}, {"P-O": -2}),
    "report.title": ("x" * 1000,),
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in OUTSIDE.items() for value in values])
def test_every_number_has_bounds(tmp_path, key, value):
    """A number that no stage could use is one error at its own line, and nothing else is wrong."""
    import json

    sections = {
        "seed": "1", "glass": {}, "report": {}, "analysis": {},
        "system": {"composition": {"Na": 4, "V4+": 2, "P": 4, "O": 16}, "density_g_cm3": 2.75},
        "reference": {"name": "a", "level": "pbe+u+d3"}, "dataset": {"level": "pbe+u+d3"},
        "train": {"epochs": 5}, "md": {"temperatures_K": [300], "time_ps": 10},
    }  # fmt: skip
    section, _, name = key.partition(".")
    if name:
        sections[section][name] = value
    else:
        sections[section] = value
    lines = ["name: x"]
    for number, (part, content) in enumerate(sections.items()):
        shown = json.dumps(content) if part != "seed" else str(content)
        lines.append(f"{part}: [{shown}]" if part == "reference" else f"{part}: {shown}")
        if part == section:
            line = number + 2
    found = errors_of(tmp_path, "\n".join(lines) + "\n")
    place = key.replace("reference", "reference[0]")
    assert all(text.startswith(f"input.yaml:{line}: {place}") for text in found), found


def test_schema_leaves_no_number_without_an_upper_bound():
    """A new key has to be bounded too."""

    def numbers(schema, definitions, path):
        if "$ref" in schema:
            schema = definitions[schema["$ref"].rpartition("/")[2]]
        for part in schema.get("anyOf", ()):
            yield from numbers(part, definitions, path)
        for name, value in schema.get("properties", {}).items():
            yield from numbers(value, definitions, f"{path}.{name}".lstrip("."))
        for key in ("items", "additionalProperties"):
            if isinstance(schema.get(key), dict):
                yield from numbers(schema[key], definitions, path)
        for part in schema.get("prefixItems", ()):
            yield from numbers(part, definitions, path)
        if schema.get("type") in ("number", "integer"):
            yield path

    schema = Input.model_json_schema()
    paths = set(numbers(schema, schema["$defs"], ""))
    assert len(paths) > 80
    # bounded by what they are compared with
    for path in sorted(paths - {"reference.multiplicity", "reference.strain_percent"}):
        assert not _takes(path.split("."), 1e300) and not _takes(path.split("."), 10**200), path
    assert _takes(["reference", "multiplicity"], 10**200), "the test sees a number without a bound"


def _takes(path, value) -> bool:
    """Whether the key at `path` takes a huge value, in any shape that the key may have."""
    from pydantic import TypeAdapter, ValidationError

    from naglass_drv.config.validation import models_in

    model = Input
    for part in path[:-1]:
        model = next(models_in(model.model_fields[part].annotation))
    field = model.model_fields[path[-1]]
    adapter = TypeAdapter(Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation)
    for shape in (value, [value], [value] * 3, {"V": value}):
        try:
            adapter.validate_python(shape)
        except ValidationError:
            continue
        return True
    return False


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("glass: {}", None),
        ("glass: {melt_temperature_K: 5000}", None),
        ("glass: {melt_temperature_K: 3000, quench_rate_K_per_ps: 1e5, timestep_fs: 0.01}", None),
        ("glass: {melt_ps: 0.0005}", "5: glass.melt_ps: 0.0005 ps is shorter than timestep_fs, 1 fs"),
        ("glass: {hold_ps: 0.0005}", "5: glass.hold_ps: 0.0005 ps is shorter than timestep_fs, 1 fs"),
        (
            "glass: {melt_temperature_K: 310, quench_rate_K_per_ps: 1e5}",
            "5: glass.quench_rate_K_per_ps: 100000 K/ps quenches within a single time step",
        ),
        ("glass: {melt_ps: 1e6, timestep_fs: 0.05}", "5: glass.melt_ps: 2e+10 time steps; the maximum is 1e+10"),
        (
            "glass: {replicas: 100000}\nmd: {temperatures_K: [300, 400], time_ps: 1}\ntrain: {epochs: 1}",
            "6: md: 200000 tasks; the maximum per stage is 100000",
        ),
        (
            "glass: {replicas: 1000}\nreference: [{name: a, level: gfn1-xtb, frames_per_structure: 1000}]",
            "6: reference[0]: 1002000 tasks; the maximum per stage is 100000",
        ),
        (
            "glass: {}\nmd: {temperatures_K: [300], time_ps: 1, replicate: [100, 100, 100]}",
            "6: md.replicate: 1000000 copies of 26 atoms are 26000000 atoms; the maximum is 1000000",
        ),
        (
            "glass: {}\nmd: {temperatures_K: [300], time_ps: 1e6, sample_every_fs: 1, replicate: [20, 20, 20]}",
            "6: md: about 52000 TB of memory for one task would be needed; the maximum is 4 TB",
        ),
        (
            "glass: {}\nmd:\n  temperatures_K: [300, 300.00001]\n  time_ps: 1",
            "7: md.temperatures_K[1]: 300.00001 K is the same as 300.0 K to six digits",
        ),
        (
            "glass: {}\nmd:\n  temperatures_K: [300, 600, 300]\n  time_ps: 1",
            "7: md.temperatures_K[2]: 300.0 K is the same as 300.0 K to six digits",
        ),
        (
            "glass: {}\nmd: {temperatures_K: [300], time_ps: 1, thermostat_fs: 0.5}",
            "6: md.thermostat_fs: 0.5 fs is shorter than timestep_fs, 1 fs",
        ),
        (
            "glass: {}\nanalysis:\n  cutoffs_A: {V-O: 2.5, O-V: 2.4}",
            "7: analysis.cutoffs_A.O-V: is the same pair as V-O; keep one of them",
        ),
        (
            "glass: {}\nmd: {temperatures_K: [300], time_ps: 1}\nanalysis: {skip_ps: 1}",
            "7: analysis.skip_ps: 1 ps leaves nothing of md.time_ps, 1 ps",
        ),
        (
            "glass: {}\nmd: {temperatures_K: [300], time_ps: 1}\nanalysis: {hop_window_ps: 0.3}",
            "7: analysis.hop_window_ps: 0.3 ps: hops need four windows, but there are only 1 ps of trajectory",
        ),
        (
            "glass: {}\nreference: [{name: a, level: pbe+u, u_eV: {Fe: 4}}]",
            "6: reference[0].u_eV: Fe: this element is not one of Na, O, P, V",
        ),
        (
            "glass: {}\nreference: [{name: a, level: pbe+u, spin: '+++'}]",
            "6: reference[0].spin: '+++' has 3 signs, but there are 2 magnetic ions",
        ),
        (
            "glass: {}\nreference: [{name: a, level: pbe+u, spin: {Fe3+: down}}]",
            "6: reference[0].spin: Fe3+: no such magnetic ion; available: V4+",
        ),
        (
            "glass: {}\nreference:\n- {name: a, level: gfn1-xtb}\n- {name: a-relaxed, level: gfn1-xtb}",
            "8: reference[1].name: 'a-relaxed': this name is used for the relaxed structures of 'a'",
        ),
        (
            "glass: {}\nreference: [{name: a, level: pbe, aimd: {segments: [{temperature_K: 300, time_ps: 0.01}]}}]",
            "6: reference[0].aimd.segments[0]: 0.01 ps is shorter than every_fs, 20 fs",
        ),
        (
            "glass: {}\nreference: [{name: a, level: gfn1-xtb, aimd: {segments: "
            "[{temperature_K: 300, to_temperature_K: 300, rate_K_per_ps: 5}]}}]",
            "6: reference[0].aimd.segments[0].rate_K_per_ps: a ramp from 300 K to 300 K takes no time",
        ),
    ],
)
def test_what_a_later_stage_would_refuse(tmp_path, lines, expected):
    text = GOOD + lines
    if expected is None:
        (tmp_path / "input.yaml").write_text(text)
        assert load(tmp_path / "input.yaml", checks=[Checks()]).glass is not None
        return
    found = errors_of(tmp_path, text)
    assert f"input.yaml:{expected}" in [line for line in found if "there is no" not in line or line.endswith(expected)]


@pytest.mark.parametrize("label", ["Zr", "Zr4+", "Si", "Co2+", "Co", "Al", "Cs", "B", "Mn3+", "Ti3+"])
def test_ion_without_potential(tmp_path, label):
    charge = {"Zr": 4, "Si": 4, "Co": 2, "Al": 3, "Cs": 1, "B": 3, "Mn": 3, "Ti": 3}[label.rstrip("+234")]
    text = GOOD.replace("Na: 4, V4+: 2, P: 4, O: 16", f"{label}: 2, P: 2, O: {5 + charge}")
    (found,) = errors_of(tmp_path, text + "glass: {}\n")
    assert found.startswith(
        f"input.yaml:3: system.composition.{label}: the glass section has no Pedone parameters for "
    )
    # without a melt-quench the ion is as good as any other
    (tmp_path / "input.yaml").write_text(text)
    load(tmp_path / "input.yaml", checks=[Checks()])


def test_every_ion_without_potential_is_named_at_its_line(tmp_path):
    text = """\
        name: x
        system:
          composition:
            Zr: 1
            Si: 1
            Co2+: 1
            O: 5
          density_g_cm3: 4
        glass: {}
        """
    assert [line.split(":")[1] for line in errors_of(tmp_path, text)] == ["4", "5", "6"]
    fluoride = GOOD.replace("Na: 4, V4+: 2, P: 4, O: 16", "Na: 1, F: 1")
    assert any("F-" in line for line in errors_of(tmp_path, fluoride + "glass: {}\n"))


@pytest.mark.parametrize(("density", "possible"), [(0.2, True), (2.75, True), (4.5, True), (6.0, False), (20.0, False)])
def test_density_is_held_against_the_composition(tmp_path, density, possible):
    path = tmp_path / "input.yaml"
    path.write_text(GOOD.replace("2.75", str(density)))
    if possible:
        assert load(path).system.density_g_cm3 == density
    else:
        (found,) = errors_of(tmp_path, path.read_text())
        assert found.startswith(f"input.yaml:4: system.density_g_cm3: {density:g} g/cm3 gives each atom")


def test_a_density_that_passes_can_be_packed():
    """At the densest that is let through, ions still find their places."""
    from naglass_drv.chemistry.ions import species
    from naglass_drv.config.sizes import _VOLUME_A3
    from naglass_drv.glass.packing import pack

    for composition in ({"Na": 4, "V4+": 2, "P": 4, "O": 16}, {"Na": 2, "O": 1}, {"Na": 1, "P": 1, "O": 3}):
        ions = species(composition, 2)
        count = sum(ion.count for ion in ions)
        densest = volume(ions, 1.0) / count / _VOLUME_A3[0]
        assert pack(ions, densest, 1).cell.volume / count == pytest.approx(_VOLUME_A3[0], rel=1e-4)


def test_files_that_are_not_what_they_are_named_for(tmp_path):
    (tmp_path / "three.xyz").write_text(FRAME)
    (tmp_path / "words.xyz").write_text("no frames\n")
    (tmp_path / "close.xyz").write_text(FRAME.replace("Na 0 3 3", "Na 0 0 0.1"))
    text = """\
        glass: {}
        reference:
        - {name: a, level: gfn1-xtb, structures: words.xyz}
        - {name: b, level: gfn1-xtb, structures: three.xyz, charge: 1}
        - {name: c, level: gfn1-xtb, structures: close.xyz}
        - {name: d, level: pbe, structures: three.xyz, spin: '+-'}
        dataset: {level: gfn1-xtb, include: [three.xyz]}
        train: {epochs: 1, start_model: words.xyz}
        md: {temperatures_K: [300], time_ps: 1, model: three.xyz, structures: words.xyz}
        """
    found = errors_of(tmp_path, GOOD + textwrap.dedent(text))
    expected = [
        "7: reference[0].structures: ", "8: reference[1]: three.xyz: frame 0: multiplicity 1: 29 electrons",
        "9: reference[2]: close.xyz: frame 0: atoms 0 and 1 are 0.100 Å apart", "10: reference[3].spin: ",
        "11: dataset.include[0]: ", "12: train.start_model: ", "13: md.model: ", "13: md.structures: ",
    ]  # fmt: skip
    assert len(found) == len(expected), found
    for line, start in zip(found, expected):
        assert line.startswith(f"input.yaml:{start}"), line


def test_cost_of_the_example():
    """Counted by hand: 2 replicas; each 1 varied set of 8 and 2 melt frames; 1 temperature; 500 frames of 26 atoms."""
    found = {item.where: item for item in cost.costs(load(data_file("config", "example.yaml")))}
    assert {where: item.tasks for where, item in found.items()} == {("glass",): 2, ("reference", 0): 20, ("md",): 2}
    assert "26 atoms, 40 ps (40000 steps)" in found[("glass",)].text
    assert "500 frames each" in found[("md",)].text


def test_validate_says_what_it_would_cost(tmp_path):
    (tmp_path / "three.xyz").write_text(FRAME + FRAME)
    text = GOOD.replace("density", "formula_units: 30000\n  density") + "glass: {replicas: 3}\n"
    text += "reference: [{name: a, level: gfn1-xtb, structures: three.xyz, ranks: 4}]\n"
    (tmp_path / "input.yaml").write_text(text)
    done = naglass("validate", "input.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "3 melt-quenches of 780000 atoms, 40 ps (40000 steps); about 1.7 GB of memory each, 4.5 GB" in lines[1]
    assert "2 labels gfn1-xtb, up to 3 atoms" in lines[2]
    assert lines[3] == "  start it with mpirun -n 4 or higher"


def test_random_numbers_never_break_the_checks(tmp_path):
    """Every key of the example in turn gets an odd value: either it is good, or each error names the file."""
    import re

    text = data_file("config", "example.yaml").read_text()
    chance = random.Random(3)
    odd = [
        "0",
        "-1",
        "1e-300",
        "1e300",
        "123456789012345678901234567890",
        ".inf",
        "x",
        "[]",
        "{}",
        "[1, 1]",
        "true",
        "~",
    ]
    places = list(re.finditer(r"(?m)^ *(?:- )?[A-Za-z_]+: ([^ #\n{[][^#\n]*?) *(?:#.*)?$", text))
    assert len(places) > 30
    path = tmp_path / "input.yaml"
    for place in places:
        value = chance.choice(odd)
        path.write_text(text[: place.start(1)] + value + text[place.end(1) :])
        try:
            load(path, checks=[Checks()])
        except InputError as error:
            assert all(line.startswith("input.yaml:") for line in str(error).splitlines()), error
