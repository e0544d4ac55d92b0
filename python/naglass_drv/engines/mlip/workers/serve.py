"""Worker: python -I serve.py, with messages on standard input and output (wire.py). With ``--ranks``, started by an
MPI launcher, the first rank exchanges messages and all evaluate.

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


def messages(source, comm):
    """Each message, on all ranks, until the stream ends."""
    while True:
        message = None
        if comm is None or comm.rank == 0:
            try:
                message = wire.receive(source)
            except EOFError:
                message = None
        if comm is not None:
            message = comm.bcast(message)
        if message is None:
            return
        yield message


def main():
    comm = None
    if "--ranks" in sys.argv[1:]:
        from mpi4py import MPI

        comm = MPI.COMM_WORLD
    source, target = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # what libraries print must not end up between messages
    os.dup2(2, 1)
    potential = None
    for header, arrays in messages(source, comm):
        try:
            potential, out, values = answer(potential, header, arrays)
        except Exception as error:
            traceback.print_exc()
            out, values = {"error": f"{type(error).__name__}: {error}"}, {}
        if comm is not None:
            out["ranks"] = comm.size
        if comm is None or comm.rank == 0:
            wire.send(target, out, values)


if __name__ == "__main__":
    main()
