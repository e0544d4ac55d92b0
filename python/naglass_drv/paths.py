"""Locations of the package's own data, for a checkout and for an installed wheel."""

import zipfile
from pathlib import Path

from .errors import SetupError

_PACKAGE = Path(__file__).resolve().parent
_NUMBERS = ("metadata.json", "model.json", "weights.bin")


def data_file(*parts: str) -> Path:
    """Path of a shipped file such as ``data_file("cp2k_templates", "energy.inp")``.

    The installed package is searched first, then the checkout that holds ``python/naglass_drv``.
    """
    for root in (_PACKAGE, _PACKAGE.parents[1]):
        path = root.joinpath(*parts)
        if path.exists():
            return path
    raise SetupError(f"{'/'.join(parts)}: not found in the package ({_PACKAGE}); reinstall naglass")


def inside_package(path: Path) -> bool:
    """Whether `path`, links resolved, lies in the package itself."""
    return path.resolve().is_relative_to(_PACKAGE)


def holds_code(archive: Path) -> bool:
    """Whether a model archive has entries besides numbers. `pair_style mace` asks again itself."""
    try:
        with zipfile.ZipFile(archive) as opened:
            return not set(opened.namelist()) <= set(_NUMBERS)
    except (OSError, zipfile.BadZipFile):
        return False


def plugin_folder() -> str:
    """Folder that holds the LAMMPS plugins (the value for LAMMPS_PLUGIN_PATH)."""
    return str(_PACKAGE / "plugins")
