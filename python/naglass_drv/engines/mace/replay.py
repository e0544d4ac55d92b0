"""The frames that a fine-tuned model replays, so that it does not forget what its start model knows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...dataset.selection import farthest_points, pair_descriptors
from ...dataset.split import split_by_group
from ...errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

#: Name of the head that is trained on replayed frames, as mace-torch calls it.
HEAD = "pt_head"
_HELD_OUT = 0.1
_PART = "replay_part"


@dataclass(frozen=True)
class Replay:
    """Frames to train on and to hold out, and the number of those `left_out` because of their elements."""

    train: list["Atoms"]
    test: list["Atoms"]
    left_out: int = 0


def of_file(frames: Sequence["Atoms"], elements: Iterable[str], count: int | None, seed: int, where: str) -> Replay:
    """Of the frames of `elements` alone, a tenth held out, by groups if they have any, and `count` of the others.

    Frames that were replayed before (`marked`) stay in their parts. Raises InputError, beginning with `where`, if no
    frame is of these elements.
    """
    usable = of_elements(frames, elements, where)
    if all(_PART in frame.info for frame in usable):
        return Replay(*([frame for frame in usable if frame.info[_PART] == part] for part in ("train", "test")))
    split = split_by_group([str(frame.info.get("group", k)) for k, frame in enumerate(usable)], _HELD_OUT, seed)
    train = spread([usable[i] for i in split.train], count)
    return Replay(train, [usable[i] for i in split.test], len(frames) - len(usable))


def marked(replayed: Replay) -> list["Atoms"]:
    """All frames, with the part that they belong to, for the next round."""
    frames = []
    for part in ("train", "test"):
        for frame in getattr(replayed, part):
            copy = frame.copy()
            copy.info[_PART] = part
            frames.append(copy)
    return frames


def of_elements(frames: Sequence["Atoms"], elements: Iterable[str], where: str) -> list["Atoms"]:
    """The frames without any other element, and of more than one atom. InputError if there is none."""
    known = set(elements)
    usable = [frame for frame in frames if len(frame) > 1 and set(frame.symbols) <= known]
    if not usable:
        raise InputError(f"{where}: no frame has only {', '.join(sorted(known))}, the elements of the dataset")
    return usable


def spread(frames: Sequence["Atoms"], count: int | None) -> list["Atoms"]:
    """At most `count` frames, the most diverse ones, in their order."""
    if count is None or len(frames) <= count:
        return list(frames)
    elements = sorted({element for frame in frames for element in frame.symbols})
    return [frames[i] for i in sorted(farthest_points(pair_descriptors(frames, elements), count).chosen)]
