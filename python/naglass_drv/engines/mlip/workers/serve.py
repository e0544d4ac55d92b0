"""Worker: python -I serve.py FAMILY, with messages on standard input and output (wire.py).

The first message opens a potential and is answered with what it is; each later one is a structure, answered with
energy (eV), forces (eV/Å), stress (eV/Å³, Voigt order xx yy zz yz xz xy) and, where there are any, moments (µB). An
exception is answered with its text, and the worker goes on.
"""

import os
import pathlib
import sys
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import ase_potential
import lammps_potential
import wire


def answer(potential, header, arrays):
    """The answer to one message, and the potential that is open after it."""
    if header["do"] == "open":
        module = lammps_potential if header["family"] == "lammps" else ase_potential
        potential = module.open_potential(header["family"], header["options"])
        return potential, dict(potential.facts), {}
    if potential is None:
        raise RuntimeError("no potential is open")
    return potential, {}, potential.evaluate(header["numbers"], header["pbc"], arrays["positions"], arrays["cell"])


def main():
    source, target = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # what libraries print must not end up between messages
    os.dup2(2, 1)
    potential = None
    while True:
        try:
            header, arrays = wire.receive(source)
        except EOFError:
            return
        try:
            potential, out, values = answer(potential, header, arrays)
        except Exception as error:
            traceback.print_exc()
            out, values = {"error": f"{type(error).__name__}: {error}"}, {}
        wire.send(target, out, values)


if __name__ == "__main__":
    main()
