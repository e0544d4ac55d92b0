"""What can go wrong with a run of CP2K, by name: one table for the engine, the stage and docs/stages/reference.md."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Failure:
    """`meaning` in a user's words, and `advice` on what to do next.

    `rejects`: the frame is listed and never trained on, and the run goes on; otherwise the task has failed.
    `again`: the engine tries by itself, along another path of the SCF ("ladder") or the same one more time ("once").
    """

    meaning: str
    advice: str
    rejects: bool = False
    again: str = ""


FAILURES = {
    "SCF_NOT_CONVERGED": Failure(
        "no path of the SCF came to an end",
        "look at the structure (short contacts, charges that cannot be) and at the multiplicity",
        rejects=True,
        again="ladder",
    ),
    "NAN": Failure(
        "CP2K printed NaN, infinity or stars where a number stands",
        "look at the structure: atoms on top of each other, or a cell that has collapsed",
        rejects=True,
        again="ladder",
    ),
    "NET_FORCE": Failure(
        "the forces do not add up to zero within max_net_force_eV_per_A",
        "raise cutoff_Ry; calibrate-cutoff finds one that passes",
        rejects=True,
    ),
    "CUTOFF_LOW": Failure(
        "the net force is ten times the limit or more: a plane-wave cutoff at which hardly any frame will pass",
        "raise cutoff_Ry before going on; calibrate-cutoff finds one that passes",
        rejects=True,
    ),
    "SPIN_MISMATCH": Failure(
        "the atomic moments are not those asked for: another sum than 2S, or a metal that points the other way",
        "check multiplicity, ions and spin pattern of the structure",
        rejects=True,
    ),
    "TIMEOUT": Failure(
        "not done within timeout_min, or no step of a trajectory for so long",
        "raise timeout_min, or give the set more ranks",
        rejects=True,
    ),
    "NOT_RELAXED": Failure(
        "forces or pressure are above their limits after max_steps",
        "raise max_steps; start again from the last frame",
        rejects=True,
    ),
    "ABORT": Failure("CP2K refused the input, in its own words", "mend what it names; trying again would end alike"),
    "LAUNCHER": Failure(
        "CP2K did not start as asked: no output of CP2K, or another number of processes",
        "run doctor; check cp2k and launcher in the site profile",
    ),
    "WALLTIME": Failure(
        "CP2K stopped at a WALLTIME of its own", "take WALLTIME out of the template: naglass keeps the time itself"
    ),
    "KILLED": Failure(
        "the process was ended by a signal from outside, twice",
        "look for the out-of-memory killer (dmesg), a full disk, the queue's limits",
        again="once",
    ),
    "INCOMPLETE": Failure(
        "no normal end, or an output that contradicts itself, twice",
        "look at the last lines of the output, and for a full disk",
        again="once",
    ),
}

#: Failures of a frame, not of the run.
REJECTIONS = tuple(name for name, failure in FAILURES.items() if failure.rejects)


class Refused(Exception):
    """A run of CP2K whose result is not taken: the name of the failure in `FAILURES`, and what was seen."""

    def __init__(self, failure: str, message: str):
        super().__init__(message)
        self.failure = failure

    def told(self) -> str:
        """What was seen, and what to do next."""
        return f"{self}; {FAILURES[self.failure].advice}"
