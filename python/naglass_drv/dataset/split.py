"""Training, validation and held-out frames, split between groups and never within one."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from ..wording import counted


@dataclass(frozen=True)
class Split:
    """Indices of training and held-out frames, and a note on the quality of the split."""

    train: tuple[int, ...]
    test: tuple[int, ...]
    note: str


def split_by_group(
    groups: Sequence[str], test_fraction: float, seed: int, known: Collection[str] = (), held_out: Collection[str] = ()
) -> Split:
    """Hold out whole groups, about `test_fraction` of the new frames; the same input always gives the same split.

    `groups` names the group of each frame. Groups are taken in an order shuffled by `seed`, as long as they
    bring the number of held-out frames nearer to the wish; at least one group is held out and at least one is
    left. Frames of one group are near-copies of each other, so a cut through a group would make held-out
    errors too good. `known` groups are always trained on: a start model may have seen them. Groups `held_out` before
    stay so, besides those of the new ones. With a single group, or none that is new, nothing can be held out: `test` is
    empty and `note` says so.
    """
    sizes = Counter(groups)
    held = (set(held_out) & set(sizes)) - set(known)
    new = sorted(set(sizes) - set(known) - held)
    if len(sizes) < 2 or not (new or held):
        why = "only one group" if len(sizes) < 2 else "no new group"
        return Split(tuple(range(len(groups))), (), f"{why}: nothing is held out, errors are those of training frames")
    order = [new[i] for i in np.random.default_rng(seed).permutation(len(new))]
    wanted = test_fraction * sum(sizes[group] for group in new)
    # the smallest group of the shuffled order is a fallback: some group has to be held out
    count = 0
    for group in order:
        if abs(count + sizes[group] - wanted) < abs(count - wanted) and len(held) < len(sizes) - 1:
            held.add(group)
            count += sizes[group]
    if not held:
        held.add(min(order, key=sizes.__getitem__))
    test = tuple(i for i, group in enumerate(groups) if group in held)
    train = tuple(i for i, group in enumerate(groups) if group not in held)
    all_groups, all_frames = counted(len(sizes), "group"), counted(len(groups), "frame")
    note = f"{len(held)} of {all_groups} held out: {len(test)} of {all_frames}"
    return Split(train, test, note)


def split_in_three(
    groups: Sequence[str], valid_fraction: float, test_fraction: float, seed: int
) -> dict[str, tuple[int, ...]]:
    """Indices of "train", "valid" and "test" frames, cut between groups; fractions are of all frames.

    Validation frames may steer a training (when to stop, which epoch to keep), test frames may not: hence both. A
    fraction of 0 leaves a part empty, and so do too few groups; see `split_by_group`.
    """
    every = tuple(range(len(groups)))
    first = split_by_group(groups, test_fraction, seed) if test_fraction else Split(every, (), "")
    left = [groups[i] for i in first.train]
    if not valid_fraction or len(set(left)) < 2:
        return {"train": first.train, "valid": (), "test": first.test}
    second = split_by_group(left, min(valid_fraction * len(groups) / len(left), 0.9), seed + 1)
    train, valid = (tuple(first.train[i] for i in part) for part in (second.train, second.test))
    return {"train": train, "valid": valid, "test": first.test}
