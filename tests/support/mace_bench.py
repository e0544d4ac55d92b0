"""Models, structures and two ways to evaluate them: LAMMPS with pair_style mace, and mace-torch's calculator."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from naglass_drv.engines.mace.export import export_module
from naglass_drv.engines.mace.modelfile import default_dtype
from support import mace_worker
from support.lammps_runs import PREFIX, environment, write_data
from support.mace_models import ELEMENTS, build_model

SCRIPT = """
units metal
newton {newton}
{before}
processors {grid}
read_data {data}.data
{pair}
compute energy all pe/atom
compute virial all stress/atom NULL virial
compute centroid all centroid/stress/atom NULL virial
thermo_style custom step pe pxx pyy pzz pyz pxz pxy
{after}
run 0 post no
"""


def mace_pair(model: str, elements: str = "O Na P V", options: str = "") -> str:
    return f"pair_style mace {options}\npair_coeff * * {model}.naglass {elements}"


def script(data: str, pair: str, newton: str = "on", grid: str = "* * *", before="", after="") -> dict:
    """A case for `Bench.run`: commands `before` the box is read and `after` all else is set up."""
    return {"script": SCRIPT.format(data=data, pair=pair, newton=newton, grid=grid, before=before, after=after)}


class Bench:
    """A folder with models, structures and the results of LAMMPS on them."""

    def __init__(self, folder: Path, models: dict, structures: dict, heads: dict | None = None):
        """`models`: settings of `build_model`, or a model, by name; `heads`: the head of those with several."""
        self.folder, self.heads = folder, heads or {}
        self.models = {}
        with default_dtype("float64"):
            for name, model in models.items():
                self.models[name] = build_model(**model) if isinstance(model, dict) else model
                export_module(self.models[name], folder / f"{name}.naglass", head=self.heads.get(name))
        for name, atoms in structures.items():
            write_data(folder / f"{name}.data", atoms, ELEMENTS)

    def run(self, cases: dict, ranks: int = 1, torch_first: bool = False) -> dict[str, dict[str, np.ndarray]]:
        """Results of `mace_worker` by case and quantity, from one process a rank."""
        (self.folder / "cases.json").write_text(json.dumps(cases))
        command = [PREFIX / "bin" / "mpirun", "-n", ranks, sys.executable, mace_worker.__file__]
        command += ["cases.json", "results.npz"] + ["torch"] * torch_first
        done = subprocess.run(
            [str(word) for word in command],
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        out: dict[str, dict[str, np.ndarray]] = {}
        for key, value in np.load(self.folder / "results.npz").items():
            name, _, quantity = key.rpartition("/")
            out.setdefault(name, {})[quantity] = value
        return out

    def reference(self, model: str, atoms) -> dict[str, np.ndarray]:
        """Energy (eV), forces (eV/Å) and stress (eV/Å³, Voigt order) from mace-torch."""
        from mace.calculators import MACECalculator

        with default_dtype("float64"):
            calculator = MACECalculator(
                models=[self.models[model]], device="cpu", head=self.heads.get(model, "Default")
            )
            atoms = atoms.copy()
            atoms.calc = calculator
            return {
                "energy": atoms.get_potential_energy(),
                "f": atoms.get_forces(),
                "stress": atoms.get_stress(),
                "energies": atoms.get_potential_energies(),
            }


def deviations(forces: np.ndarray) -> np.ndarray:
    """Per atom, the root of the mean over models of |F - <F>|^2; `forces` are models × atoms × 3."""
    return np.sqrt(((forces - forces.mean(axis=0)) ** 2).sum(axis=2).mean(axis=0))


def assert_close(found, expected, tolerance: float) -> None:
    """Relative to the largest component, as components that vanish by symmetry have no scale of their own."""
    expected = np.asarray(expected)
    assert np.shape(found) == expected.shape
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max() + 1e-14
