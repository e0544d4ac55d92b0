"""Tables of databases of glasses and electrolytes, by the form of their files; none of their data is shipped."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .mapping import Map
from .sources import FILE, LINE

if TYPE_CHECKING:
    import pandas as pd

# of SciGlass: ASCII 127 parts the fields of a composition, four for each compound: name, a number, wt% and mol%
_PART, _FIELDS, _MOL = "\x7f", 4, 3
_ROLES = {
    "obelix": {"source": ("DOI",), "family": ("Family",), "composition": ("True Composition", "Reduced Composition")},
    "interglad": {"source": ("Data source", "Reference", "Literature")},
}
_NUMBERS = ("ID", "Cif ID", "Space group #", "Glass No.", "Glass No")
FORMS = ("sciglass", *_ROLES)


def of_database(form: str, frames: Sequence["pd.DataFrame"], given: Map) -> tuple[list["pd.DataFrame"], Map]:
    """The frames as those of any table, and the map with the roles of the columns that this database has.

    ``sciglass``: the plain files SciGK (properties, KOD and GLASNO) and Gcomp (Kod, GlasNo, Composition), joined by
    glass; the paper (KOD) is the source. ``obelix``: the composition is a formula, which the form counts in atoms.
    ``interglad``: an export with a column per oxide; a "Glass No." is that of an entry, and glasses are told by
    their composition. Raises InputError for files of another form.
    """
    if form == "sciglass":
        said = {"source": given.source or "KOD", "ignore": [*given.ignore, "GLASNO"]}
        return [_sciglass(frames)], given.model_copy(update=said)
    heads = {head for frame in frames for head in frame.columns}
    # numbers of entries are no features
    roles: dict[str, Any] = {"ignore": [*given.ignore, *_NUMBERS]}
    for role, names in _ROLES[form].items():
        name = next((name for name in names if name in heads), None)
        if name is None and role == "composition":
            raise InputError(f"{frames[0][FILE].iloc[0]}: not a file of {form}: it has no column {names[0]!r}")
        if name is not None and not getattr(given, role):
            roles[role] = [name] if role == "composition" else name
    if "composition" in roles:
        roles["composition_unit"] = "formula"
    return list(frames), given.model_copy(update=roles)


def _sciglass(frames: Sequence["pd.DataFrame"]) -> "pd.DataFrame":
    """Properties with the mol-% of every compound, one row per glass that both files have."""
    properties = [frame for frame in frames if {"KOD", "GLASNO"} <= set(frame.columns)]
    compounds = [frame for frame in frames if {"Kod", "GlasNo", "Composition"} <= set(frame.columns)]
    if len(properties) != 1 or len(compounds) != 1:
        raise InputError(
            "sciglass: give two files, one with the columns KOD and GLASNO (SciGK), one with Kod, GlasNo and "
            "Composition (Gcomp)"
        )
    import pandas as pd

    found = compounds[0]
    places = [f"{file}:{line}" for file, line in zip(found[FILE], found[LINE], strict=True)]
    shares = pd.DataFrame([_shares(text, place) for text, place in zip(found["Composition"], places, strict=True)])
    shares.columns = [f"{name} (mol%)" for name in shares.columns]
    shares = shares.astype(object).fillna(0.0)
    keys = found[["Kod", "GlasNo"]].rename(columns={"Kod": "KOD", "GlasNo": "GLASNO"}).astype(str)
    left = properties[0].astype({"KOD": str, "GLASNO": str})
    joined = left.merge(pd.concat([keys, shares], axis=1), on=["KOD", "GLASNO"], how="inner")
    if joined.empty:
        raise InputError("sciglass: no glass stands in both files")
    return joined


def _shares(text: str, place: str) -> dict[str, float]:
    fields = text.strip(_PART).split(_PART)
    try:
        if len(fields) % _FIELDS:
            raise ValueError
        return {fields[k]: float(fields[k + _MOL]) for k in range(0, len(fields), _FIELDS)}
    except ValueError:
        raise InputError(f"{place}: not a composition of sciglass: {text[:60]!r}") from None
