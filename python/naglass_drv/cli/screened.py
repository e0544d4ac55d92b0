"""What an input asks to screen: potentials that can be opened, labeled frames, periodic crystals."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, SetupError

if TYPE_CHECKING:
    from ..config.partial import Partial
    from ..config.source import Document, Where


def check_screen(top: "Partial", document: "Document", source: Path) -> None:
    """Add to `document` what is wrong with the potentials and files of the section `screen`."""
    from ..config.partial import rule
    from ..stages.screen import labeled, periodic

    if top.screen is None:
        return
    with rule():
        trust = top.screen.known("trust") or False
        for index, text in enumerate(top.screen.potentials):
            told(document, ("screen", "potentials", index), _check_potential, text, source, trust)
    with rule():
        if isinstance(top.screen.labels, Path):
            told(document, ("screen", "labels"), labeled, source / top.screen.labels)
    with rule():
        shift = top.screen.known("shift")
        if isinstance(shift, Path):
            level = top.dataset.level if top.dataset is not None else None
            told(document, ("screen", "shift"), _check_shift, source, shift, top.screen.known("labels"), level)
    with rule():
        for index, path in enumerate(top.screen.crystals):
            told(document, ("screen", "crystals", index), periodic, source / path)


def told(document: "Document", where: "Where", check: Any, *arguments: Any) -> None:
    """Record the error of a check, unless the place has one."""
    if where not in document.faulty:
        try:
            check(*arguments)
        except (InputError, SetupError) as error:
            document.fault(where, str(error))


def _check_potential(text: str, source: Path, trust: bool) -> None:
    from ..engines.mace.facts import potential_facts
    from ..engines.mace.filekind import PICKLED, kind_of
    from ..engines.mlip.potential import Potential

    if text == "train":
        return
    potential = Potential.of(text, source)
    if potential.family != "mace" or potential.file is None:
        return
    if kind_of(potential.file) != PICKLED:
        potential_facts(potential.file)
    elif not trust:
        raise InputError(
            f"{text!r}: a pickled model, which can run code when it is loaded; if you trust its author, add "
            "'trust: true' to this section"
        )


def _check_shift(source: Path, shift: Path, labels: Any, level: str | None) -> None:
    from ..dataset.frames import level_name
    from ..stages.screen import labeled, levels_of, shifted

    if not isinstance(labels, Path):
        (own,) = levels_of(labeled(source / shift))
        if level is not None and level_name(own) != level:
            raise InputError(f"{source / shift}: of the level {own}, but the labels of this run are of {level}")
    elif not shifted(source / shift, labeled(source / labels)):
        raise InputError(f"{source / shift}: no frames but those that share structure or group with the labels")
