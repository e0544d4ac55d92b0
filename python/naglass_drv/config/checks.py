"""Checks between the sections of an input: references, files, charges, spins, orders of magnitude.

Each rule sees the values that are valid on their own. A rule that touches any other value is skipped: that
value already has its own error.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..glass import protocols
from ..paths import holds_code, inside_package
from . import cells, insights, interfaces, sizes
from .elements import Elements, Named, report_absent, union
from .partial import Partial, rule
from .rounds import RoundView
from .source import Document, Where

if TYPE_CHECKING:
    from ..chemistry.ions import Species

_PAIR = re.compile(r"([A-Z][a-z]?)-([A-Z][a-z]?)")
#: What can be done about a model that is fine-tuned without isolated-atom energies.
WITHOUT_E0 = (
    "a fine-tuned model needs isolated-atom energies; add 'E0: dataset' for those of the dataset's level (its isolated "
    "atoms), or 'E0: start_model' if the dataset is at the level of the start model"
)
_SIGN = re.compile(r"[1-9]?[+-]$")
_NEUTRAL = "the glasses are neutral; for a charged cell, use a structure file"


def cross_check(top: Partial, document: Document, source: Path) -> None:
    """Add to `document` every error that shows up only between sections or on disk."""
    rules = (_check_needs, _check_species, _check_dataset, _check_glass, _check_start, _check_md)
    for check in (*rules, cells.check, interfaces.check, insights.check, *sizes.RULES):
        with rule():
            check(top, document)
    with rule():
        for index, item in enumerate(top.reference):
            for check_item in (_check_strain, _check_template, _check_potential, _check_spin, _check_moves):
                with rule():
                    check_item(item, index, document)
    for name in ("glass", "md"):
        with rule():
            _check_archive(name, getattr(top, name), document, source)
    for where, path in _named_files(top):
        _check_file(document, where, source, path)


def _check_needs(top: Partial, document: Document) -> None:
    for where, section, key in _structure_keys(top):
        with rule():
            if getattr(section, key) == "glass" and top.glass is None:
                document.fault((*where, key), "there is no glass section; add one, or name a structure file")
    if top.train is not None and top.dataset is None:
        document.fault(("train",), "there is no dataset section to train on")
    with rule():
        if top.train is not None:
            _check_committee(top.train, document)
    with rule():
        if top.glass is not None and top.glass.model is None and protocols.of(top.glass).first is not None:
            message = f"{top.glass.protocol!r} melts the glass again with a MACE model; name its file as model"
            document.fault(("glass", "protocol"), message)
    if top.analysis is not None and top.md is None and top.glass is None:
        document.fault(("analysis",), "there is neither an md nor a glass section to analyze")
    if top.md is not None and top.md.model == "train" and top.train is None:
        document.fault(("md", "model"), "there is no train section; add one, or name a model file")
    if top.screen is not None:
        _check_screen(top, document)


def _check_committee(train: Partial, document: Document) -> None:
    if train.committee_of == "heads" and train.committee < 2:
        reason = "there is no committee; set train.committee to the number of heads"
        document.fault(("train", "committee_of"), f"heads: {reason}")
    if train.committee_of == "models" and train.committee > 1 and isinstance(train.start_model, Path):
        reason = (
            "the members of a committee would start as copies of one model; train them from scratch, or its heads with "
            "committee_of: heads"
        )
        document.fault(("train", "committee"), f"{train.committee}: {reason}")


def _check_screen(top: Partial, document: Document) -> None:
    with rule():
        if top.screen.labels == "dataset" and top.dataset is None:
            document.fault(("screen", "labels"), "there is no dataset section; add one, or name a file of labels")
    with rule():
        if "train" in top.screen.potentials and top.train is None:
            place = ("screen", "potentials", top.screen.potentials.index("train"))
            document.fault(place, "there is no train section; add one, or name a model file")


def _check_species(top: Partial, document: Document) -> None:
    """The charges balance, and the spin state of each set is possible for the ions."""
    from ..chemistry import ions as chemistry

    composition = top.system.composition
    try:
        ions = chemistry.species(composition, top.system.formula_units)
    except InputError as error:
        text = str(error).removeprefix("composition: ")
        label = text.split(":")[0].strip("'")
        where: Where = ("system", "composition", label) if label in composition else ("system", "composition")
        document.fault(where, text.partition(": ")[2] if label in composition else text)
        return
    for index, item in enumerate(top.reference):
        with rule():
            if item.structures == "glass":
                _check_spin_state(ions, item, index, document)


def _check_spin_state(ions: "tuple[Species, ...]", item: Partial, index: int, document: Document) -> None:
    """The charge, multiplicity and spin pattern of a set are possible for the ions of the glass."""
    from ..chemistry import ions as chemistry
    from ..chemistry import spins

    stated = item.multiplicity
    try:
        chemistry.check_multiplicity(ions, stated or chemistry.multiplicity(ions), item.charge)
    except InputError as error:
        key = "charge" if stated is None else "multiplicity"
        reason = str(error).removeprefix("multiplicity ") + (f"; {_NEUTRAL}" if item.charge else "")
        document.fault(("reference", index, key), reason)
        return
    if item.charge:
        document.fault(("reference", index, "charge"), f"{item.charge:+d}: {_NEUTRAL}")
    try:
        spins.check_pattern(ions, item.spin)
    except InputError as error:
        document.fault(("reference", index, "spin"), str(error).removeprefix("spin: "))


def _check_dataset(top: Partial, document: Document) -> None:
    sets = top.reference
    first: dict[str, int] = {}
    for index, item in enumerate(sets):
        with rule():
            if item.name in first:
                message = f"{item.name!r} is also the name of reference[{first[item.name]}]"
                document.fault(("reference", index, "name"), message)
            first.setdefault(item.name, index)
    if top.dataset is None or top.dataset.include:
        return
    levels = sorted({item.level.title for item in sets})
    if top.dataset.level not in levels:
        known = f"the reference sets are at {', '.join(levels)}" if levels else "there is no reference set"
        message = f"no frames at {top.dataset.level!r}: {known}, and include lists no files"
        document.fault(("dataset", "level"), message)


def _check_glass(top: Partial, document: Document) -> None:
    glass = top.glass
    if glass is not None and glass.final_temperature_K >= glass.melt_temperature_K:
        message = f"{glass.final_temperature_K:g} K is not below melt_temperature_K, {glass.melt_temperature_K:g} K"
        document.fault(("glass", "final_temperature_K"), message)


def _check_strain(item: Partial, index: int, document: Document) -> None:
    low, high = item.strain_percent
    if not -50.0 < low <= high < 100.0:
        message = f"[{low:g}, {high:g}] must be an increasing range of strains above -50 and below 100 percent"
        document.fault(("reference", index, "strain_percent"), message)


def _check_template(item: Partial, index: int, document: Document) -> None:
    where, level = ("reference", index, "level"), item.level
    if level.name == "template" and level.template is None:
        document.fault(where, "level 'template' needs a CP2K input of your own; set the key template")
    if level.name != "template" and level.template is not None:
        message = f"the level is {level.name!r}; to use a template, set level to 'template'"
        document.fault((*where, "template"), message)


def _check_potential(item: Partial, index: int, document: Document) -> None:
    """A level that is a potential names one, and asks it for nothing that only CP2K can do."""
    where, level = ("reference", index), item.level
    if not level.is_potential:
        return
    if missing := [key for key in ("family", "model") if getattr(level, key) is None]:
        document.fault((*where, "level"), f"level 'mlip' is a potential: set the key {' and '.join(missing)}")
    refused = {
        "aimd": "a potential labels structures; MD with it is not a trajectory of a reference set",
        "outputs": "a potential knows no electrons",
        "charge": "a potential knows no charge of the cell",
        "spin": "a potential knows no spin; leave it out",
    }
    for key, reason in refused.items():
        with rule():
            value = getattr(item, key)
            if value not in (None, [], 0, "ferromagnetic"):
                shown = f"{value}: " if isinstance(value, int | str) else ""
                document.fault((*where, key), f"{shown}{reason}")


def _check_spin(item: Partial, index: int, document: Document) -> None:
    if item.spin != "ferromagnetic" and item.multiplicity is not None:
        message = f"{item.multiplicity}: spin already determines the multiplicity; remove one of the two"
        document.fault(("reference", index, "multiplicity"), message)


def _check_moves(item: Partial, index: int, document: Document) -> None:
    where = ("reference", index)
    if item.aimd is None:
        return
    if item.relax is not None:
        document.fault((*where, "relax"), "a set can have either aimd or relax; split it into two sets")
    _check_interval(item.aimd, (*where, "aimd"), "every_fs", document)
    for number, segment in enumerate(item.aimd.segments):
        there = (*where, "aimd", "segments", number)
        if segment.to_temperature_K is None:
            if segment.time_ps is None or segment.rate_K_per_ps is not None:
                document.fault(there, "a hold needs time_ps and no rate_K_per_ps")
        elif (segment.time_ps is None) == (segment.rate_K_per_ps is None):
            document.fault(there, "a ramp needs either time_ps or rate_K_per_ps")


def _check_interval(section: Any, where: Where, key: str, document: Document) -> None:
    """The interval `key` (fs) is a whole multiple of the time step."""
    interval = getattr(section, key)
    steps = interval / section.timestep_fs
    if round(steps) < 1 or abs(steps - round(steps)) > 1e-6:
        message = f"{interval:g} fs is not a multiple of timestep_fs, {section.timestep_fs:g} fs"
        document.fault((*where, key), message)


def _check_start(top: Partial, document: Document) -> None:
    """What is said of a start model needs one, and a model that is moved to another level needs E0."""
    train = top.train
    if train is None:
        return
    named = isinstance(train.start_model, Path)
    for key in ("trust", "head", "E0"):
        with rule():
            if getattr(train, key) and not named:
                document.fault(("train", key), "there is no start_model that this is about; name one, or remove it")
    with rule():
        if train.head and named and not train.E0:
            document.fault(("train", "head"), f"{train.head!r}: {WITHOUT_E0}")
    replay = train.replay
    if replay is None:
        return
    # a round of learning goes on with the model of the round before
    if not named and (train.start_model == "scratch" or not isinstance(document, RoundView)):
        document.fault(("train", "replay"), "there is no start_model to keep the knowledge of; name one, or remove it")
    elif named and not train.E0:
        document.fault(("train", "replay"), WITHOUT_E0)
    if replay.level and replay.file is None:
        message = f"{replay.level!r}: the start model labels the frames of the dataset; name a file with labels"
        document.fault(("train", "replay", "level"), message)


def _check_md(top: Partial, document: Document) -> None:
    md = top.md
    if md is None:
        return
    with rule():
        _check_interval(md, ("md",), "sample_every_fs", document)
    with rule():
        if md.time_ps * 1000.0 < md.sample_every_fs:
            message = f"{md.time_ps:g} ps is shorter than sample_every_fs, {md.sample_every_fs:g} fs"
            document.fault(("md", "time_ps"), message)
    with rule():
        _check_uncertainty(top, md, document)
    low, high = md.gate.min_P_coordination, md.gate.max_P_coordination
    if low >= high:
        document.fault(("md", "gate", "min_P_coordination"), f"{low:g} is not below max_P_coordination, {high:g}")


def _check_uncertainty(top: Partial, md: Partial, document: Document) -> None:
    """The limits of a committee's deviation belong to one, and leave room between them."""
    asked = md.uncertainty
    members = top.train.committee if md.model == "train" and top.train is not None else 1
    if asked is not None and members < 2:
        document.fault(("md", "uncertainty"), "there is no committee to be uncertain; set train.committee to 2 or more")
    if asked is not None and asked.least_eV_per_A >= asked.most_eV_per_A:
        reason = f"{asked.least_eV_per_A:g} is not below most_eV_per_A, {asked.most_eV_per_A:g} eV/Å"
        document.fault(("md", "uncertainty", "least_eV_per_A"), reason)
    if md.gpus and members > 1:
        reason = "a committee that this run trains is evaluated on CPUs; leave gpus out"
        document.fault(("md", "gpus"), f"{md.gpus}: {reason}")


def _check_archive(name: str, section: Partial | None, document: Document, source: Path) -> None:
    """An archive with TorchScript that does not come with naglass is loaded only with the user's consent; one without
    would leave GPUs idle."""
    if section is None or not isinstance(section.model, Path) or section.model.suffix != ".naglass":
        return
    path = source / section.model
    code = holds_code(path)
    with rule():
        if section.known("gpus") and path.is_file() and not code:
            message = (
                f"{section.gpus}: {str(section.model)!r} contains only numbers, which are evaluated on CPUs; name the "
                "portable model (.mace), export it with --torch, or leave gpus out"
            )
            document.fault((name, "gpus"), message)
    if code and not section.trust and not inside_package(path):
        message = (
            f"{str(section.model)!r}: the archive contains TorchScript, which can run arbitrary code; if you trust its "
            "origin, add 'trust: true' to this section, or use the portable model (.mace), which contains only data"
        )
        document.fault((name, "model"), message)


def check_cutoffs(systems: Sequence[tuple[Partial, Document]], document: Document) -> None:
    """The cutoffs of all systems are for pairs of elements that at least one of them has."""
    names = [name for top, document in systems for name in _cutoff_elements(top, document)]
    every = union(_elements(top, document) for top, document in systems)
    where = "system.composition" if len(systems) == 1 else "the composition"
    report_absent(
        names, lambda name: every, lambda name, known: f"{name.element} is not in {where} ({known})", document
    )


def _elements(top: Partial, document: Document) -> Elements:
    """The elements of a system; None if a part of its composition is not valid."""
    with rule():
        if not any(where[:2] == ("system", "composition") and len(where) > 2 for where in document.faulty):
            return frozenset(_SIGN.sub("", label) for label in top.system.composition)
    return None


def _cutoff_elements(top: Partial, document: Document) -> Iterator[Named]:
    """The elements of the pairs that a system has cutoffs for."""
    with rule():
        for pair in top.analysis.cutoffs_A if top.analysis is not None else ():
            where = ("analysis", "cutoffs_A", pair)
            match = _PAIR.fullmatch(pair)
            if match is None:
                document.fault(where, "must be a pair of elements like 'P-O'")
                continue
            for element in dict.fromkeys(match.groups()):
                yield Named(document, where, pair, element, _elements(top, document))


def _structure_keys(top: Partial) -> Iterator[tuple[Where, Partial, str]]:
    """Sections that name their structures, with their location in the input."""
    with rule():
        for index, item in enumerate(top.reference):
            yield ("reference", index), item, "structures"
    with rule():
        if top.md is not None:
            yield ("md",), top.md, "structures"


def _named_files(top: Partial) -> Iterator[tuple[Where, Any]]:
    """The files named in the input, with their location in the input."""
    for where, section, key in _structure_keys(top):
        with rule():
            yield (*where, key), getattr(section, key)
    with rule():
        for index, item in enumerate(top.reference):
            with rule():
                yield ("reference", index, "level", "template"), item.level.template
    for name, key in (("glass", "model"), ("train", "start_model"), ("md", "model")):
        with rule():
            section = getattr(top, name)
            yield (name, key), getattr(section, key, None)
    with rule():
        yield ("interface", "crystal"), getattr(top.interface, "crystal", None)
    with rule():
        if top.screen is not None:
            yield ("screen", "labels"), top.screen.labels
            yield ("screen", "shift"), top.screen.known("shift")
    with rule():
        for index, path in enumerate(top.screen.crystals if top.screen is not None else []):
            yield ("screen", "crystals", index), path
    with rule():
        for index, path in enumerate(top.insight.tables if top.insight is not None else []):
            yield ("insight", "tables", index), path
    with rule():
        yield ("train", "replay", "file"), getattr(getattr(top.train, "replay", None), "file", None)
    with rule():
        for index, path in enumerate(top.dataset.include if top.dataset is not None else []):
            yield ("dataset", "include", index), path


def _check_file(document: Document, where: Where, source: Path, path: Any) -> None:
    if not isinstance(path, Path) or where in document.faulty:
        return
    full = source / path
    try:
        if full.is_dir():
            problem = "is a folder, not a file"
        elif not full.exists():
            problem = f"no such file (looked for {full})"
        elif not full.is_file():
            problem = "is not a regular file"
        else:
            with open(full, "rb"):
                return
    except (OSError, ValueError) as error:
        problem = f"cannot be read: {getattr(error, 'strerror', None) or error}"
    document.fault(where, f"{str(path)!r}: {problem}")
