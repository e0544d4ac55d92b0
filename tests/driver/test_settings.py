"""Typed settings: what enters the key of a task, and what a stage reads back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from importlib import import_module

import pytest

from naglass_drv.chemistry.level import Level
from naglass_drv.config.schema import Audit, Glass
from naglass_drv.stages import glass, labeling
from naglass_drv.stages.base import Task, common, dumped, read_settings
from naglass_drv.workflow.chain import ATOMS, ORDER, SERIES
from support.attempts import study


@dataclass(frozen=True)
class Settings:
    level: Level
    audit: Audit
    pairs: Sequence[tuple[str, int]]
    names: Mapping[str, float]
    later: int | None = None
    outputs: Sequence[str] = ()


FULL = Settings(Level.of("pbe+u", cutoff_Ry=400), Audit(energy_z=3.0), [("Na", 1)], {"V": 2.0}, 3, ("pdos",))


def task(settings) -> Task:
    return Task("s", "t", settings)


def test_settings_are_plain_and_come_back_typed():
    plain = dumped(FULL)
    assert plain == json.loads(json.dumps(plain))
    assert plain["level"] == {"name": "pbe+u", "cutoff_Ry": 400.0} and plain["audit"]["energy_z"] == 3.0
    again = read_settings(Settings, task(plain))
    assert again.level == FULL.level and again.audit == FULL.audit
    assert again.pairs == [["Na", 1]] and again.names == {"V": 2.0} and again.outputs == ["pdos"]
    assert dumped(again) == plain


def test_a_field_that_is_not_asked_for_is_not_in_the_key():
    asked = dumped(Settings(FULL.level, FULL.audit, [], {}))
    assert set(asked) == {"level", "audit", "pairs", "names"}
    assert read_settings(Settings, task(asked)).later is None


@pytest.mark.parametrize(
    ("change", "words"),
    [({"typo": 1}, "unexpected keyword argument 'typo'"), ({"names": None}, "missing 1 required .* 'names'")],
)
def test_a_key_that_is_unknown_or_missing_is_an_error(change, words):
    settings = dumped(FULL) | change
    with pytest.raises(TypeError, match=words):
        read_settings(Settings, task({key: value for key, value in settings.items() if value is not None}))


def test_common_fields_are_taken_from_a_section():
    taken = common(glass.Settings, Glass(melt_ps=3.0))
    assert taken["melt_ps"] == 3.0 and "replicas" not in taken and "ranks" not in taken and "seed" not in taken


@pytest.mark.parametrize("stage", [*ORDER, ATOMS, SERIES])
def test_every_stage_owns_its_settings(stage):
    module = import_module(f"naglass_drv.stages.{stage}")
    assert is_dataclass(module.Settings) and module.Settings.__dataclass_params__.frozen
    # a default that is a value would hide a change of it from the key
    defaults = {field.name: field.default for field in fields(module.Settings) if field.default is not MISSING}
    assert {name: value for name, value in defaults.items() if value} == {}


def test_planned_tasks_are_read_back(tmp_path):
    (planned,) = glass.plan(study(tmp_path, glass={"melt_ps": 3.0}))
    found = read_settings(glass.Settings, planned)
    assert found.melt_ps == 3.0 and found.ions[0] == ["Na", 1, 4] and dumped(found) == planned.settings
    assert labeling.Settings is import_module("naglass_drv.stages.reference").Settings
