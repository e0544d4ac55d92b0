"""GFN1-xTB's parameters: the same for every CP2K, whose data files differ in sodium.

Of 86 elements in the files `xTB_parameters` of 2023.1 and `xTB1_parameters` of 2025.1, Na and Mg differ: shells 2s 2p
there, 3s 3p here, the latter those of the program xtb, dated June 2017. With the sodium of the one, the other CP2K
gives its energies (to 1e-8 eV). Labels are of the first one, whichever CP2K computes them.
"""

import re
from pathlib import Path

from ....errors import SetupError
from ..tree import Section

_OLD, _NEW = "xTB_parameters", "xTB1_parameters"
_OWN = "gfn1-xtb.parameters"
_PARAMETER = "FORCE_EVAL/DFT/QS/XTB/PARAMETER"
# by the keys of xtb's parameter files: shells, levels (eV), exponents, Hubbard parameter and its charge derivative,
# repulsion, shell polynomials, scaling of the p shell's Hubbard parameter
SODIUM = {
    "ao": "2s2p", "lev": "-5.425941 -2.970587", "exp": "0.566702 0.391147", "GAM": "0.146475", "GAM3": "1.200000",
    "REPA": "0.678744", "REPB": "9.192606", "POLYS": "7.549004", "POLYP": "13.576090", "LPARP": "-4.545627",
}  # fmt: skip


def fit(root: Section, data: Path | None) -> None:
    """Let an input that asks for CP2K's old file ask for one of our own where the data folder has only the new."""
    if data is None or (data / _OLD).is_file() or not (data / _NEW).is_file():
        return
    for section in root.sections(_PARAMETER):
        if section.values("PARAM_FILE_NAME") == [_OLD]:
            section.set("PARAM_FILE_NAME", _OWN)


def provide(root: Section, data: Path | None, folder: Path) -> None:
    """Write into `folder` the file that `fit` has made an input ask for. SetupError where CP2K's has no sodium."""
    asked = [name for section in root.sections(_PARAMETER) for name in section.values("PARAM_FILE_NAME")]
    if data is not None and _OWN in asked:
        (folder / _OWN).write_text(_with_old_sodium(data / _NEW))


def _with_old_sodium(path: Path) -> str:
    text = path.read_text(encoding="utf-8", errors="replace")
    block = re.search(r"^\$Z= *11\b.*?^\$end", text, re.MULTILINE | re.DOTALL)
    keys = re.findall(r"^ *(\w+)=", block[0], re.MULTILINE) if block else []
    if block is None or set(keys) != set(SODIUM):
        raise SetupError(f"{path}: sodium ($Z=11) has {', '.join(keys) or 'no entry'}, not {', '.join(SODIUM)}")
    head = block[0].splitlines()[0]
    own = "\n".join([head, *(f" {key}= {value}" for key, value in SODIUM.items()), "$end"])
    return text[: block.start()] + own + text[block.end() :]
