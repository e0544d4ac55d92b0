"""Levels of theory: names, options, and hashes that follow what decides a label and nothing else."""

import shutil

import pytest

from naglass_drv.chemistry.level import NAMES, POTENTIAL, Level
from naglass_drv.engines.cp2k.theory import kinds, levels
from naglass_drv.engines.cp2k.theory.levels import DFT, kinds_of, label_of, level
from naglass_drv.errors import InputError

PBE = level("pbe+u+d3")


def test_hashes_of_the_shipped_frames():
    """Frames on disk carry these: a change here makes them another level."""
    assert label_of(level("gfn1-xtb")) == "gfn1-xtb-hacc5a8c"
    assert label_of(PBE) == "pbe+u+d3-h07e0659"
    assert kinds_of(PBE, ["Na", "O", "P", "V", "O"]) == "Na-hfabf23a O-hd6c5174 P-h1b310c5 V-h87adead"
    assert kinds_of(PBE, ["Fe", "Mn", "Ti"]) == "Fe-hb1376c8 Mn-h60e34e7 Ti-hf0e140d"
    assert label_of(level("pbe+u+d3", cutoff_Ry=600)) == "pbe+u+d3-h1fcae79"


def test_every_name_is_that_of_its_method():
    computed = [name for name in NAMES if name != POTENTIAL]
    assert len(computed) > 9 and [level(name).name for name in computed] == computed


def test_a_level_has_the_defaults_of_its_name():
    full = Level.of("pbe+u+d3")
    assert (full.functional, full.d3, full.plus_u, full.cutoff_Ry) == ("PBE", True, "mulliken", 800)
    assert Level.of("blyp").plus_u is None and Level.of("blyp").sodium == "q9"
    bare = Level.of("gfn1-xtb").model_dump(exclude_none=True)
    assert bare == {"name": "gfn1-xtb"} == Level.of("gfn1-xtb").stated()


def test_what_a_level_states_is_what_differs_from_its_defaults():
    """It enters keys of tasks: a default that is written out, or an option that comes later, must not change them."""
    written_out = Level.of("pbe+u+d3", cutoff_Ry=800, sodium="q9", plus_u="mulliken")
    assert written_out.stated() == {"name": "pbe+u+d3"} and written_out == Level.of("pbe+u+d3")
    chosen = Level.of("pbe+u", cutoff_Ry=400, u_eV={"V": 4}, smearing_K=300)
    assert chosen.stated() == {"name": "pbe+u", "cutoff_Ry": 400.0, "u_eV": {"V": 4.0}, "smearing_K": 300.0}
    assert Level.of(**chosen.stated()) == chosen
    assert chosen.changed(cutoff_Ry=800).stated() == {"name": "pbe+u", "u_eV": {"V": 4.0}, "smearing_K": 300.0}


def test_options_are_those_of_the_level():
    assert level("pbe+u+d3", cutoff_Ry=400, sodium=None) == DFT(Level.of("pbe+u+d3", cutoff_Ry=400.0))
    for name, options, words in (
        ("pbe+x", {}, "level 'pbe.x': not a known level; choose from gfn1-xtb, pbe,"),
        ("gfn1-xtb", {"cutoff_Ry": 400}, "cutoff_Ry 400: the level gfn1-xtb has no plane-wave cutoff"),
        ("pbe+d3", {"u_eV": {"V": 3}}, "the level pbe.d3 has no .U"),
        ("pbe", {"plus_u": "lowdin"}, "plus_u lowdin: the level pbe has no .U"),
        ("pbe", {"cutoff_Ry": 10}, "cutoff_Ry 10: must be from 50 to 5000"),
        ("pbe", {"cutof_Ry": 400}, "cutof_Ry 400: .* not permitted"),
        ("pbe", {"sodium": "q3"}, "sodium q3: must be 'q9' or 'q1'"),
        ("blyp", {"sodium": "q1"}, "sodium q1: .* for PBE only"),
        ("template", {"text": "", "cutoff_Ry": 400}, "cutoff_Ry 400: the level is that of the template"),
    ):
        with pytest.raises(InputError, match=words):
            level(name, **options)


def test_every_setting_that_changes_a_label_changes_a_hash():
    changed = [
        {"cutoff_Ry": 400},
        {"rel_cutoff_Ry": 50},
        {"plus_u": "lowdin"},
        {"xc_smoothing": "nn10"},
        {"smearing_K": 300},
        {"smearing_K": 600},
    ]
    told = {key for options in changed for key in options} | {"u_eV", "sodium"}
    assert told == Level.model_fields.keys() - {"name", "template", "family", "model", "dispersion"}, (
        "a new option belongs here, or below"
    )
    labels = {label_of(level("pbe+u+d3", **options)) for options in [{}, *changed]}
    assert len(labels) == 1 + len(changed)
    defaults = {"cutoff_Ry": 800, "rel_cutoff_Ry": 60, "plus_u": "mulliken", "xc_smoothing": "none", "sodium": "q9"}
    assert label_of(level("pbe+u+d3", **defaults)) == label_of(PBE)

    def differing(**options):
        own, plain = (kinds_of(found, ["Na", "O", "V"]).split() for found in (level("pbe+u+d3", **options), PBE))
        return [a.split("-h")[0] for a, b in zip(own, plain, strict=True) if a != b]

    assert differing(u_eV={"V": 4}) == ["V"] and differing(u_eV={"V": 3.25}) == []
    assert differing(u_eV={"O-2p": 2}) == ["O"] and differing(sodium="q1") == ["Na"]


def test_what_is_said_of_risky_choices():
    assert levels.warnings_of(Level.of("pbe+u+d3")) == []
    (warning,) = levels.warnings_of(Level.of("pbe+u", plus_u="lowdin"))
    assert "experimental" in warning


def test_hash_of_a_level_follows_what_decides_a_label(tmp_path, monkeypatch):
    assert label_of(level("pbe+u+d3", cutoff_Ry=400)) != label_of(PBE)
    templates = levels.data_file("cp2k_templates")
    shutil.copytree(templates, tmp_path / "cp2k_templates")
    for module in (levels, kinds):
        monkeypatch.setattr(module, "data_file", lambda *parts: tmp_path.joinpath(*parts))
    here = tmp_path / "cp2k_templates"
    elements = ["Na", "V", "O", "V"]
    before = label_of(PBE), kinds_of(PBE, elements)
    assert [word.partition("-h")[0] for word in before[1].split()] == ["Na", "O", "V"]
    assert kinds_of(level("gfn1-xtb"), elements) is None

    def after(name, old, new):
        text = (here / name).read_text()
        assert old in text
        (here / name).write_text(text.replace(old, new))
        found = label_of(PBE), kinds_of(PBE, elements)
        (here / name).write_text(text)
        return found

    assert after("energy_gpw.inp", "MINIMIZER DIIS", "MINIMIZER CG") == before
    assert after("energy_gpw.inp", "# GPW single point", "# One") == before
    assert after("energy_gpw.inp", "NGRIDS 5", "NGRIDS 4")[0] != before[0]
    label, own = after("kinds/V.inp", "3.25", "4.00")
    assert label == before[0] and own.split()[:2] == before[1].split()[:2] and own != before[1]
    assert after("kinds/Fe.inp", "L 2", "L 1") == before
