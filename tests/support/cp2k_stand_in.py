#!/usr/bin/env python3
"""A stand-in for CP2K that replays recorded behaviors, also failing, hanging and dying ones, in no time.

`install` puts this file into a folder as the executable ``cp2k`` with its plan, a list of rules. Each call takes the
first rule whose `when` words all stand in the input, and whose `times` are not used up:

    replay     recorded output, or folder of a recorded run whose other files are left, too
    dynamics   recorded run whose steps are repeated for as many steps as the input asks for, from where its restart is
    cut        share of the output (or number of steps) after which the run goes no further
    tear       of dynamics: endings of the names of files that are left cut, such as "-pos-1.xyz"
    stops      of dynamics: whether an SCF that does not converge ends the run at its `cut`, as it was told to
    signal     that ends the process then; "hang" instead waits for one
    files      further files to leave, by name
    status     exit status of a run that comes to its end, and after a `cut`
    orbitals   whether a file of orbitals is left (default: as the input asks for)

The output's first density is said to come from a wavefunction where the input names one that is there, as CP2K does.
"""

import json
import os
import re
import shutil
import sys
import time
from pathlib import Path

_PLAN, _CALLS = "plan.json", "calls.jsonl"
_FIRST_SCF = " SCF WAVEFUNCTION OPTIMIZATION"
_MARKS = re.compile(r"^ MD_INI\| MD initialization *$|^ MD\| Step number +\d+ *$", re.MULTILINE)
_ENDING = "\n -" + "-" * 78 + "\n  **** **** ******  **  PROGRAM ENDED AT                 2026-01-01 00:00:00.000\n"


def install(folder: Path, *rules: dict) -> Path:
    """The path of an executable in `folder` that behaves by `rules`."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "cp2k"
    shutil.copyfile(__file__, program)
    program.chmod(0o755)
    (folder / _PLAN).write_text(json.dumps(rules, default=str))
    return program


def calls(program: Path) -> list[dict]:
    """What each call was: the number of its `rule`, its `folder`, its `input`."""
    path = program.parent / _CALLS
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class Input:
    """What the stand-in looks at in an input."""

    def __init__(self, path: Path):
        self.text = path.read_text()
        self.project = self.word("PROJECT")
        every = re.search(r"&TRAJECTORY.*?\bMD (\d+)", self.text, re.DOTALL)
        self.every = int(every[1]) if every else 1

    def word(self, keyword: str) -> str | None:
        found = re.search(rf"^\s*{keyword}\s+(\S+)", self.text, re.MULTILINE)
        return found[1] if found else None

    def keeps_orbitals(self) -> bool:
        return "&RESTART ON" in self.text


def main() -> None:
    if "--version" in sys.argv:
        print(" CP2K version 2023.1")
        return
    if "-c" in sys.argv:
        print("SUCCESS, the input could be parsed correctly.")
        return
    home = Path(sys.argv[0]).parent
    given = Input(Path(sys.argv[sys.argv.index("-i") + 1]))
    rule = _choose(home, given)
    if "dynamics" in rule:
        _dynamics(rule, given)
    else:
        _replay(rule, given)
    for name, source in rule.get("files", {}).items():
        shutil.copyfile(source, name)
    sys.stdout.flush()
    if rule.get("signal") == "hang":
        time.sleep(600)
    elif rule.get("signal"):
        os.kill(os.getpid(), rule["signal"])
    sys.exit(rule.get("status", 0))


def _choose(home: Path, given: Input) -> dict:
    rules = json.loads((home / _PLAN).read_text())
    journal = home / _CALLS
    used = [json.loads(line)["rule"] for line in journal.read_text().splitlines()] if journal.exists() else []
    for number, rule in enumerate(rules):
        fits = all(word in given.text for word in rule.get("when", []))
        if fits and used.count(number) < rule.get("times", sys.maxsize):
            with open(journal, "a") as stream:
                stream.write(json.dumps({"rule": number, "folder": os.getcwd(), "input": given.text}) + "\n")
            return rule
    sys.exit("stand-in: no rule fits this input")


def _start(text: str, given: Input) -> str:
    """The output with the first density that this input's run has."""
    name = given.word("WFN_RESTART_FILE_NAME")
    guess = "RESTART" if name and Path(name).is_file() and given.word("SCF_GUESS") == "RESTART" else "ATOMIC"
    return re.sub(r"(Density guess: +)\S+", lambda found: found[1] + guess, text, count=1)


def _replay(rule: dict, given: Input) -> None:
    source = Path(rule["replay"])
    output = source / f"{source.name}.out" if source.is_dir() else source
    text = _start(output.read_text(), given)
    print(text[: int(rule.get("cut", 1.0) * len(text))], end="")
    if source.is_dir():
        for file in source.glob(f"{source.name}-*"):
            shutil.copyfile(file, file.name.replace(source.name, given.project, 1))
    if rule.get("orbitals", given.keeps_orbitals()):
        Path(f"{given.project}-RESTART.wfn").write_bytes(b"orbitals")


def _dynamics(rule: dict, given: Input) -> None:
    """Steps of a recorded run, over and over, numbered on from the restart file that the input names."""
    run = _Recorded(Path(rule["dynamics"]))
    restart = given.word("RESTART_FILE_NAME")
    first = int(re.search(r"STEP_START_VAL +(\d+)", Path(restart).read_text())[1]) if restart else 0
    print(_start(run.head, given) + run.evaluation(first) + " MD_INI| MD initialization")
    last = first + int(given.word("STEPS"))
    end = min(last, rule.get("cut", last))
    if not restart:
        run.write(given, 0)
    for step in range(first + 1, end + 1):
        print(run.evaluation(step) + f" MD| Step number {step:67d}", flush=True)
        run.write(given, step)
        time.sleep(rule.get("step_s", 0.0))
    if rule.get("stops"):
        print(" *** WARNING in qs_scf.F:601 :: SCF run NOT converged ***")
    elif end < last:
        print(run.evaluation(end + 1)[:2000], end="")
    if rule.get("stops") or end == last:
        print(_ENDING)
    for ending in rule.get("tear", []):
        text = Path(f"{given.project}{ending}").read_text()
        Path(f"{given.project}{ending}").write_text(text[: -len(text) // 8])


class _Recorded:
    """The recorded run in `folder`, cut into its steps."""

    def __init__(self, folder: Path):
        name = folder.name
        text = (folder / f"{name}.out").read_text()
        pieces = _MARKS.split(text)
        self.head = text[: text.index(_FIRST_SCF)]
        self._evaluations = [pieces[0][len(self.head) :], *pieces[1:-1]]
        self._frames = {}
        for kind in ("pos", "frc", "vel"):
            lines = (folder / f"{name}-{kind}-1.xyz").read_text().splitlines(keepends=True)
            size = int(lines[0]) + 2
            self._frames[kind] = ["".join(lines[i : i + size]) for i in range(0, len(lines), size)]
        self._cells = (folder / f"{name}-1.cell").read_text().splitlines(keepends=True)[1:]

    def _of(self, step: int) -> int:
        return step % len(self._evaluations)

    def evaluation(self, step: int) -> str:
        return self._evaluations[self._of(step)]

    def write(self, given: Input, step: int) -> None:
        """What CP2K writes at the end of a step."""
        project = given.project
        _append(f"{project}-1.ener", f"{step:10d} {float(step):20.6f}  0.0 300.0 0.0 0.0 0.0\n")
        if step % given.every:
            return
        at = self._of(step)
        for kind, frames in self._frames.items():
            frame = re.sub(r" i = +\d+", f" i = {step:8d}", frames[at], count=1)
            _append(f"{project}-{kind}-1.xyz", frame)
        _append(f"{project}-1.cell", f"{step:8d}" + self._cells[at][8:])
        state = f" &MOTION\n     STEP_START_VAL  {step}\n &END MOTION\n &END FORCE_EVAL\n"
        _write_anew(f"{project}-1.restart", state.encode())
        _write_anew(f"{project}-RESTART.wfn", b"orbitals")


def _write_anew(name: str, data: bytes) -> None:
    """A file whose last version is kept as a backup."""
    if Path(name).exists():
        os.replace(name, f"{name}.bak-1")
    Path(name).write_bytes(data)


def _append(name: str, text: str) -> None:
    with open(name, "a") as stream:
        stream.write(text)


if __name__ == "__main__":
    main()
