"""The stages of an input that runs proposed compositions as the runs that they were learned from, or by default."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..insight.table import Table

_STAGES = ("glass", "md", "analysis")
# of a hold in which the diffusion of ions can be measured
_HOLD_PS = 50.0


def sections_of(table: "Table", sources: Sequence[Path]) -> str:
    """The sections from `glass` to `report` as YAML: those of the first run among the sources, whose glasses the next
    study is to hold too, or defaults written out.
    """
    import numpy as np

    from ..insight.leaks import is_of_the_motion
    from ..insight.runs import is_run

    runs = [path.resolve() for path in sources if is_run(path)]
    given: dict[str, Any] = _of_run(runs[0]) if runs else {}
    sections = {"glass": _default_glass(table), "analysis": {}} | given
    if runs:
        sections["insight"] = {"target": table.name, "runs": [str(path) for path in runs]}
    ordered = {name: sections[name] for name in (*_STAGES, "insight") if name in sections}
    text = "\n".join(_as_yaml({name: content}) for name, content in (*ordered.items(), ("report", {})))
    if "glass" in given or not is_of_the_motion(table.name) or np.isfinite(table.temperature).any():
        return text
    return f"# {table.name} is measured in the hold: choose a final_temperature_K at which the ions diffuse\n{text}"


def _of_run(folder: Path) -> dict[str, Any]:
    """The sections of the input of a run, with absolute paths; without MD that takes a model the run no longer has."""
    from ..config.source import parse
    from ..insight.runs import products_of
    from ..products import Model

    given = {name: dict(part) for name, part in parse(folder / "input.yaml").value.items() if name in _STAGES and part}
    source = _source(folder)
    for part in given.values():
        for key in ("model", "structures"):
            if isinstance(part.get(key), str) and (source / part[key]).is_file():
                part[key] = str((source / part[key]).resolve())
    if (md := given.get("md")) is not None and md.get("model", "train") == "train":
        archives = [p.files["archive"] for p in products_of(folder) if isinstance(p, Model) and "archive" in p.files]
        if archives:
            md["model"] = str(archives[0])
        else:
            del given["md"]
    return given


def _source(folder: Path) -> Path:
    """The folder of the input that a run was started from; paths in it are relative to that."""
    from ..runtime.job import PROVENANCE

    try:
        return Path(json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))["source"])
    except (OSError, ValueError, KeyError, TypeError):
        return folder.parent


def _default_glass(table: "Table") -> Mapping[str, Any]:
    """A melt-quench with its defaults written out, held where the motion of the target was measured."""
    import numpy as np

    from ..config.schema import Glass
    from ..insight.leaks import is_of_the_motion

    names = ("melt_temperature_K", "melt_ps", "quench_rate_K_per_ps", "final_temperature_K", "hold_ps", "timestep_fs")
    glass = {"replicas": 2} | {name: Glass.model_fields[name].default for name in names}
    known = table.temperature[np.isfinite(table.temperature)]
    if is_of_the_motion(table.name):
        glass["hold_ps"] = _HOLD_PS
        if len(known):
            glass["final_temperature_K"] = round(float(np.mean(known)), 1)
    return glass


def _as_yaml(content: Mapping[str, Any]) -> str:
    from ruamel.yaml import YAML

    yaml, text = YAML(typ="safe", pure=True), io.StringIO()
    yaml.default_flow_style, yaml.sort_base_mapping_type_on_output = False, False
    yaml.dump(dict(content), text)
    return text.getvalue()
