"""A file among the products of another run, taken only as its manifest describes it."""

from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from ..errors import InputError
from ..files import file_hash
from ..products import MANIFEST, Dataset, Labels, Product
from .store import Store


def product_file(folder: Path, name: str, what: str, words: Collection[str]) -> Path:
    """The file of the product `name` of the run in `folder`, relative to `folder`.

    A name is the step and the role of its manifest: ``dataset/train``, ``half/glass/g0/structure``. `what` is wanted,
    which has one of `words` in its role. Raises InputError, with paths relative to `folder`, if that is no run folder,
    if the step is unknown or not finished, if it has no such file or the file is something else, or if it is outside of
    the folder, missing, or has changed since the manifest was written (SHA-256).
    """
    store = Store(folder, dry=True)
    step = _step_of(store, name)
    product = _finished(store, step)
    role = name.removeprefix(f"{step}/")
    if role not in product.files:
        known = ", ".join(f"{step}/{each}" for each in product.files) or "no files"
        raise InputError(f"has no {name}; the product of {step} has {known}")
    fitting = [
        each for each in product.files if not {each.partition("/")[0], each.rpartition("/")[2]}.isdisjoint(words)
    ]
    if role not in fitting:
        known = ", ".join(f"{step}/{each}" for each in fitting) or "none"
        raise InputError(f"{name} is not {what}; the product of {step} has {known}")
    return _verified(store, product, role)


def energy_files(folder: Path, name: str) -> list[Path]:
    """The tables of isolated-atom energies that the frames of the product `name` come with, relative to `folder`: the
    summary of their dataset, or those of all labels of the run.

    Raises InputError as `product_file`.
    """
    store = Store(folder, dry=True)
    product = _finished(store, _step_of(store, name))
    if isinstance(product, Dataset):
        return [_verified(store, product, "summary")] if "summary" in product.files else []
    return [
        _verified(store, labels, role)
        for labels in _all_labels(store)
        for role in labels.files
        if role.rpartition("/")[2] == "E0"
    ]


def _step_of(store: Store, name: str) -> str:
    """The step that the name of a product begins with."""
    steps = store.steps()
    if not steps:
        raise InputError(f"not the folder of a run (looked for {store.folder})")
    # a step may have a scope, and a role the name of a structure or set
    step = max((step for step in steps if name.startswith(f"{step}/")), key=len, default=None)
    if step is None:
        raise InputError(f"{name}: no file of a product; give step and role, the steps are {', '.join(steps)}")
    return step


def _all_labels(store: Store) -> Iterator[Labels]:
    """The labels of all steps of a run that are finished."""
    for step in store.steps():
        with suppress(InputError):
            if isinstance(product := _finished(store, step), Labels):
                yield product


def _verified(store: Store, product: Product, role: str) -> Path:
    """A file of a product, relative to the run folder, if it is what the manifest says."""
    path = product.files[role]
    shown = path.relative_to(store.folder)
    if not path.resolve().is_relative_to(store.folder.resolve()):
        raise InputError(f"{shown} leads out of the run folder")
    try:
        found = file_hash(path)
    except OSError as error:
        raise InputError(f"{shown}: {error.strerror}") from error
    if found != (noted := product.hashes[role]):
        raise InputError(f"{shown} has changed since it was made: SHA-256 {found[:12]}..., not {noted[:12]}...")
    return shown


def _finished(store: Store, step: str) -> Product:
    """The product of a step whose tasks are all those of its last plan."""
    product = store.product(step)
    manifest = Path("products", step, MANIFEST)
    if product is None:
        there = (store.folder / manifest).exists()
        raise InputError(f"{manifest} is damaged" if there else f"{step} is not finished: there is no {manifest}")
    planned = {(task["name"], task["key"]) for task in store.planned(step)}
    if planned != {(task.name, task.key) for task in product.tasks}:
        raise InputError(f"{step} is not finished: its tasks have changed since {manifest} was written")
    return product
