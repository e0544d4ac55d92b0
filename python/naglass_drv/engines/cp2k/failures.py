"""All known failures of a CP2K run: one table for engine, stage and docs/stages/reference.md."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Failure:
    """`meaning` in a user's words, and `advice` on what to do next.

    `rejects`: the frame is listed and never used for training, and the run continues; otherwise the task has failed.
    `again`: the engine tries again, on another SCF path ("ladder") or one more time on the same one ("once").
    """

    meaning: str
    advice: str
    rejects: bool = False
    again: str = ""


FAILURES = {
    "SCF_NOT_CONVERGED": Failure(
        "the SCF did not converge on any path",
        "check the structure (short contacts, impossible charges) and the multiplicity",
        rejects=True,
        again="ladder",
    ),
    "NAN": Failure(
        "CP2K printed NaN, infinity or asterisks instead of a number",
        "check the structure: overlapping atoms, or a collapsed cell",
        rejects=True,
        again="ladder",
    ),
    "NET_FORCE": Failure(
        "the forces do not sum to zero within max_net_force_eV_per_A",
        "raise cutoff_Ry; calibrate-cutoff finds one that passes",
        rejects=True,
    ),
    "CUTOFF_LOW": Failure(
        "the net force is at least ten times the limit: hardly any frame will pass at this plane-wave cutoff",
        "raise cutoff_Ry before continuing; calibrate-cutoff finds one that passes",
        rejects=True,
    ),
    "SPIN_MISMATCH": Failure(
        "the atomic moments are not as requested: the sum is not 2S, or a metal points the other way",
        "check multiplicity, ions and spin pattern of the structure",
        rejects=True,
    ),
    "TIMEOUT": Failure(
        "not finished within timeout_min, or no step of a trajectory within that time",
        "raise timeout_min, or give the set more ranks",
        rejects=True,
    ),
    "NOT_RELAXED": Failure(
        "forces or pressure are still above their limits after max_steps",
        "raise max_steps, or restart from the last frame",
        rejects=True,
    ),
    "ABORT": Failure(
        "CP2K rejected the input, with its own message",
        "fix what the message says; trying again would fail the same way",
    ),
    "LAUNCHER": Failure(
        "CP2K did not start as requested: no CP2K output, or a different number of processes",
        "run doctor; check cp2k and launcher in the site profile",
    ),
    "WALLTIME": Failure(
        "CP2K stopped at its own WALLTIME", "remove WALLTIME from the template; naglass keeps track of the time itself"
    ),
    "KILLED": Failure(
        "the process was killed by an external signal, twice",
        "check for the out-of-memory killer (dmesg), a full disk, and queue limits",
        again="once",
    ),
    "INCOMPLETE": Failure(
        "no normal end, or inconsistent output, twice",
        "check the last lines of the output, and check for a full disk",
        again="once",
    ),
}

#: Failures of a frame, not of the run.
REJECTIONS = tuple(name for name, failure in FAILURES.items() if failure.rejects)


class Refused(Exception):
    """The result of a CP2K run is rejected: the name of the failure in `FAILURES`, and what was observed."""

    def __init__(self, failure: str, message: str):
        super().__init__(message)
        self.failure = failure

    def told(self) -> str:
        """What was observed, and what to do next."""
        return f"{self}; {FAILURES[self.failure].advice}"
