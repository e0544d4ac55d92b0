"""input.yaml: every fault at once, with file, line, key and value."""

import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naglass_drv.config.load import expanded, load, load_study
from naglass_drv.config.schema import Input
from naglass_drv.errors import InputError
from naglass_drv.paths import data_file

GOOD = """\
name: good
system:
  composition: {Na: 4, V4+: 2, P: 4, O: 16}
  density_g_cm3: 2.75
"""


def write(folder, text):
    path = folder / "input.yaml"
    path.write_text(textwrap.dedent(text))
    return path


def faults(folder, text):
    with pytest.raises(InputError) as caught:
        load(write(folder, text))
    assert caught.value.exit_code == 2
    return str(caught.value).splitlines()


def test_every_fault_at_once(tmp_path):
    text = """\
        name: a b
        seed: 1
        seed: 2
        system:
          composition: {Na: 4, V4+: 2, P: 4, O: 17}
          density_g_cm3: 2.75 g
        glass:
          timestep_ps: 1.0
          replicas: 2.0
          quench_rate_K_per_ps: .inf
        reference:
          - name: xtb
            level: pbo
            strain_percent: [3, -2]
        dataset: {level: gfn1-xtb, include: [missing.xyz, ..]}
        train:
          batchsize: 3
          epochs: yes
        md:
          timestep_fs: -1
          temperatures_K: []
          gate: {min_P_coordination: 9}
        analysis:
          cutoffs_A: {PO: 2, Fe-O: 2}
        cutoffs_A: 3
        report:
        """
    assert faults(tmp_path, text) == [
        'input.yaml:1: name: must be letters, digits and _ . -, a letter or digit first, not "a b"',
        "input.yaml:3: seed: given twice, first on line 2",
        "input.yaml:5: system.composition: charges do not balance: +4 (4 Na+) +8 (2 V4+) +20 (4 P5+) "
        "-34 (17 O2-) = -2; neutral would be: Na 6 instead of 4, or O 16 instead of 17, or 2 V5+",
        'input.yaml:6: system.density_g_cm3: must be a valid number, not "2.75 g"; '
        "give the number without a unit, the unit is part of the key",
        "input.yaml:8: glass.timestep_ps: not a known key; did you mean 'timestep_fs'?",
        "input.yaml:9: glass.replicas: must be a valid integer, not 2.0",
        "input.yaml:10: glass.quench_rate_K_per_ps: '.inf': must be a finite number",
        "input.yaml:13: reference[0].level: must be 'gfn1-xtb', 'pbe', 'pbe+d3', 'pbe+u', 'pbe+u+d3', 'blyp', "
        "'blyp+d3', 'blyp+u', 'blyp+u+d3', 'template' or 'mlip', not \"pbo\"",
        "input.yaml:14: reference[0].strain_percent: [3, -2] must be an increasing range of strains "
        "above -50 and below 100 percent",
        f"input.yaml:15: dataset.include[0]: 'missing.xyz': no such file (looked for {tmp_path}/missing.xyz)",
        "input.yaml:15: dataset.include[1]: '..': is a folder, not a file",
        "input.yaml:17: train.batchsize: not a known key; did you mean 'batch_size'?",
        'input.yaml:18: train.epochs: must be a valid integer, not "yes"',
        "input.yaml:19: md: key 'time_ps' is missing",
        "input.yaml:20: md.timestep_fs: must be greater than 0, not -1",
        "input.yaml:21: md.temperatures_K: must not be empty",
        "input.yaml:22: md.gate.min_P_coordination: 9 is not below max_P_coordination, 4.5",
        "input.yaml:24: analysis.cutoffs_A.Fe-O: Fe is not in system.composition (Na, O, P, V)",
        "input.yaml:24: analysis.cutoffs_A.PO: must be a pair of elements like 'P-O'",
        "input.yaml:25: cutoffs_A: not a known key; it belongs to analysis",
        "input.yaml:26: report: is empty; write 'report: {}' for the defaults, or remove the key",
    ]


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (
            "glass: {}\nmd: {temperatures_K: 600, time_ps: 1}",
            "6: md.temperatures_K: must be a list, as in [600], not 600",
        ),
        (
            "glass: {}\nreference: {name: a}",
            '6: reference: must be a list, with a dash before each item, not {"name": "a"}',
        ),
        ("dataset: {level: pbe, include: a.xyz}", '5: dataset.include: must be a list, as in ["a.xyz"], not "a.xyz"'),
        (
            "dataset: {level: pbe, drop_outliers: energy}",
            '5: dataset.drop_outliers: must be true, false or a list, as in ["energy"], not "energy"',
        ),
        (
            "glass: {}\nreference: [{name: a, level: gfn1-xtb, strain_percent: 3}]",
            "6: reference[0].strain_percent: must be a list, not 3",
        ),
        (
            "glass: {}\nmd: {temperatures_K: [300], time_ps: 1, replicate: [1, 2]}",
            "6: md.replicate: value 3 of the list is missing",
        ),
        ("glass: 3", "5: glass: must be a mapping of keys and values, not 3"),
        ("glass: {}\nmd: {temperatures_K: [300], time_ps: 1, model: train}", "6: md.model: there is no train section"),
        ("md: {temperatures_K: [300], time_ps: 1}", "5: md.structures: there is no glass section"),
        ("reference: [{name: a, level: gfn1-xtb}]", "5: reference[0].structures: there is no glass section"),
        ("train: {epochs: 1}", "5: train: there is no dataset section"),
        ("analysis: {}", "5: analysis: there is neither an md nor a glass section"),
        ("dataset: {level: gfn1-xtb}", "5: dataset.level: no frames at 'gfn1-xtb': there is no reference set"),
        (
            "glass: {}\nreference: [{name: a, level: gfn1-xtb}]\ndataset:\n  level: pbe+u+d3",
            "8: dataset.level: no frames at 'pbe+u+d3': the reference sets are at gfn1-xtb",
        ),
        (
            "glass: {}\nreference:\n- {name: a, level: gfn1-xtb}\n- {name: a, level: pbe+u+d3}",
            "8: reference[1].name: 'a' is also the name of reference[0]",
        ),
        (
            "glass: {}\nreference: [{name: a, level: gfn1-xtb, multiplicity: 2}]",
            "6: reference[0].multiplicity: 2: 278 electrons (even, cell charge +0) need an odd multiplicity",
        ),
        (
            "glass: {}\nreference: [{name: a, level: gfn1-xtb, charge: 1}]",
            "6: reference[0].charge: 3: 277 electrons (odd",
        ),
        (
            "glass: {}\nreference: [{name: a, level: gfn1-xtb, multiplicity: 99}]",
            "6: reference[0].multiplicity: 99: means 98 unpaired electrons, but 2 V4+ can have at most 2",
        ),
        (
            "glass: {}\nreference: [{name: a, level: gfn1-xtb, multiplicity: 1, charge: 2}]",
            "6: reference[0].charge: +2: the glasses are neutral",
        ),
        (
            "glass: {}\nreference: [{name: a, level: pbe+u, spin: '+-+'}]",
            "6: reference[0].spin: '+-+' has 3 signs, but there are 2 magnetic ions",
        ),
        (
            "glass: {}\nreference: [{name: a, level: pbe+u, spin: {V3+: down}}]",
            "6: reference[0].spin: V3+: no such magnetic ion; available: V4+",
        ),
        (
            "glass: {}\nreference: [{name: a, level: pbe+u, spin: sampled, multiplicity: 1}]",
            "6: reference[0].multiplicity: 1: spin already determines the multiplicity",
        ),
        (
            "glass: {}\nreference: [{name: a, level: template}]",
            "6: reference[0].level: level 'template' needs a CP2K input of your own; set the key template",
        ),
        (
            "glass: {}\nreference: [{name: a, level: pbe, template: my.inp}]",
            "6: reference[0].template: the level is 'pbe'; to use a template, set level to 'template'",
        ),
        (
            "glass: {}\nreference: [{name: a, level: template, template: my.inp}]",
            "6: reference[0].template: 'my.inp': no such file",
        ),
        (
            "glass: {}\nreference: [{name: a, level: pbe, spin: up}]",
            "6: reference[0].spin: must be 'ferromagnetic', 'antiferromagnetic', 'sampled', signs such as ++--, or "
            'up or down for each ion, not "up"',
        ),
        ("glass: {final_temperature_K: 4000}", "5: glass.final_temperature_K: 4000 K is not below"),
        (
            "md:\n  temperatures_K: [300]\n  time_ps: 1\n  sample_every_fs: 2.5",
            "8: md.sample_every_fs: 2.5 fs is not a multiple of timestep_fs, 1 fs",
        ),
        ("md:\n  temperatures_K: [300]\n  time_ps: 0.001", "7: md.time_ps: 0.001 ps is shorter than sample_every_fs"),
        (
            "train: {epochs: 1, start_model: /nowhere/start.mace}",
            "5: train.start_model: '/nowhere/start.mace': no such file",
        ),
        (
            "md: {temperatures_K: [300], time_ps: 1, model: /dev/null}",
            "5: md.model: '/dev/null': is not a regular file",
        ),
    ],
)
def test_rules_between_sections(tmp_path, lines, fault):
    found = faults(tmp_path, GOOD + lines)
    assert any(line.startswith(f"input.yaml:{fault}") for line in found), found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [1", "input.yaml:1: not valid YAML: "),
        ("- a\n- b", "input.yaml:1: must be a mapping of keys and values"),
        ("", "input.yaml:1: must be a mapping of keys and values"),
        (
            "name: x\nseed: !!python/object:os.system 1\nsystem: 1",
            "input.yaml:2: seed: tag 'tag:yaml.org,2002:python/object:os.system'",
        ),
        ("a: &a [1]\nb: *a", "input.yaml:2: b: aliases (*name)"),
        ("{1: {2: 3}}: x", "input.yaml:1: a key must be plain text"),
        ("x: " + "[" * 300, "not valid YAML"),
        ("x: " + "[" * 50 + "]" * 50, "deep nesting"),
    ],
)
def test_text_that_is_no_input(tmp_path, text, message):
    found = faults(tmp_path, text)
    assert any(message in line for line in found), found


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "input.yaml"
    path.write_bytes(b"name: x\nseed: \xff\n")
    with pytest.raises(InputError, match=r"^input.yaml:2: not UTF-8 text \(byte 0xff\)$"):
        load(path)
    with pytest.raises(InputError, match="No such file"):
        load(tmp_path / "absent.yaml")
    path.write_bytes(b"#" * 200_001)
    with pytest.raises(InputError, match="input.yaml: is larger than 200000 bytes$"):
        load(path)
    with pytest.raises(InputError, match="/dev/zero: is not a regular file$"):
        load(Path("/dev/zero"))


def test_numbers_are_those_of_yaml_1_2(tmp_path):
    path = write(tmp_path, GOOD + "seed: 010\nglass: {timestep_fs: 1e-1, melt_ps: 1_0}\n")
    read = load(path)
    assert (read.seed, read.glass.timestep_fs, read.glass.melt_ps) == (10, 0.1, 10.0)


def test_relative_files_start_at_the_input(tmp_path):
    (tmp_path / "frames.xyz").touch()
    path = write(tmp_path, GOOD + "dataset: {level: gfn1-xtb, include: [frames.xyz]}")
    assert [str(item) for item in load(path).dataset.include] == ["frames.xyz"]


def test_expanded_copy_shows_every_default_and_reads_back(tmp_path):
    read = load(data_file("config", "example.yaml"))
    text = expanded(load_study(data_file("config", "example.yaml")))
    for key in ("max_coordination_change_TM: 1.5", "thermostat_fs: 100.0", "timeout_min: 60.0"):
        assert key in text
    assert load(write(tmp_path, text)) == read


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("glass")
_TREES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(sorted([*Input.model_fields, "systems", "series"])) | st.text(max_size=5), _TREES, max_size=6
    )
)
def test_no_mapping_breaks_the_reader(tmp_path_factory, tree):
    """Whatever is given, the answer is an InputError whose every line names the file."""
    import io

    from ruamel.yaml import YAML

    stream = io.StringIO()
    YAML(typ="safe", pure=True).dump(tree, stream)
    path = tmp_path_factory.mktemp("any") / "input.yaml"
    path.write_text(stream.getvalue(), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load(path)
    assert str(caught.value).startswith("input.yaml:")


def test_the_default_hop_window_may_be_too_long_for_a_run(tmp_path):
    """As the input leaves it, and as run.yaml states it; a window of one's own has to fit."""
    text = (
        "name: x\nsystem: {composition: {Na: 4, V4+: 2, P: 4, O: 16}, density_g_cm3: 2.75}\nglass: {}\n"
        "md: {temperatures_K: [300], time_ps: 1, model: m.mace}\n"
    )
    path = tmp_path / "input.yaml"
    (tmp_path / "m.mace").touch()
    for more in ("", "analysis: {hop_window_ps: 1.0}\n"):
        path.write_text(text + more)
        assert load(path).md.time_ps == 1
    path.write_text(text + "analysis: {hop_window_ps: 0.9}\n")
    with pytest.raises(InputError, match="hops need four windows"):
        load(path)
