"""The result of an audit as lines for a terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from ...chemistry.level import moments_by
from ...wording import counted
from .audit import ADVICE
from .moments import LABELS

_SHOWN = 3


def table_of(result: Mapping[str, Any]) -> str:
    """Each check with its count, worst findings and advice; then the coverage."""
    return "\n".join(_lines(result))


def _lines(result: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"{counted(result['frames'], 'frame')}, {counted(result['atoms'], 'atom')}, "
        f"{counted(len(result['compositions']), 'composition')}, {counted(result['groups'], 'group')}, "
        f"level {', '.join(result['levels'])}"
    )
    for check, count in result["counts"].items():
        yield f"{check:10s} {count:5d}" + (f"  {ADVICE[check]}" if count else "")
        own = [finding for finding in result["findings"] if finding["check"] == check]
        yield from (f"{'':16s}  {f['source']}: {f['text']} ({f['value']:.3g} {f['unit']})" for f in own[:_SHOWN])
        if count > _SHOWN:
            yield f"{'':16s}  {count - _SHOWN} more"
    yield from (f"not checked: {line}" for line in result["unchecked"])
    if result["moments"]:
        yield f"moments: {moments_by(result['levels'], LABELS['REF_spin'])}"
    for key, found in result["coverage"].items():
        if found is not None:
            yield f"{key:32s} {found['smallest']:12.4g} to {found['largest']:.4g}, median {found['median']:.4g}"
