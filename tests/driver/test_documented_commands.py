"""Commands of the documentation: the parser takes every one, and blocks marked `sh test` run as they stand."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from naglass_drv.cli.main import make_parser
from support.jobs import called

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "examples/**/*",
        "lammps_inputs/**/*",
        "cp2k_templates/**/*.md",
        "benchmarks/*.md",
    )
    for path in ROOT.glob(pattern)
    if path.is_file() and path.suffix in (".md", ".in", ".lmp", ".yaml", ".sh", "") and "run" not in path.parts
)
# up to the end of inline code, a comment, a redirection or the line; brackets hold what may be left out
COMMAND = re.compile(r"(?:python -m naglass_drv|(?<![\w/.-])naglass(?= [a-z]+-[a-z]+ ))([^`#\n|()>]*)")
WRAPPED = re.compile(r"(`[^`\n]+)\n([^`\n]+`)")
BLOCK = re.compile(r"^```sh test\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands() -> dict[str, list[str]]:
    found = {}
    for path in PAGES:
        text = WRAPPED.sub(r"\1 \2", path.read_text(encoding="utf-8")).replace("\\\n", " ")
        for match in COMMAND.finditer(text):
            line = match[1].replace("[", " ").replace("]", " ").replace("...", "").rstrip(" .,;:*")
            words = [word for word in shlex.split(line) if word != "…"]
            if words and re.fullmatch("[a-z][a-z-]*", words[0]):
                found.setdefault(f"{path.relative_to(ROOT)}: {' '.join(words)}", words)
    return found


@pytest.mark.parametrize("words", commands().values(), ids=commands().keys())
def test_the_parser_takes_it(words, capsys):
    try:
        make_parser().parse_args(words)
    except SystemExit as end:
        pytest.fail(capsys.readouterr().err if end.code else "it prints the help only")


def test_there_are_commands_to_look_at():
    known = {words[0] for words in commands().values()}
    assert {"init", "run", "audit", "import-frames", "export-model", "fit-spin", "calibrate-cutoff"} <= known


def blocks() -> dict[str, str]:
    found = {}
    for path in PAGES:
        for number, block in enumerate(BLOCK.findall(path.read_text(encoding="utf-8"))):
            found[f"{path.relative_to(ROOT)} {number}"] = block
    return found


@pytest.mark.slow
@pytest.mark.parametrize("block", blocks().values(), ids=blocks().keys())
def test_a_marked_block_runs(block, tmp_path):
    """In a folder with examples and tests of the checkout and a model of the user's own; split as by the shell."""
    for folder in ("examples", "tests"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    shutil.copy(ROOT / "examples" / "quickstart" / "start" / "model.mace", tmp_path / "my.model")
    for line in block.replace("\\\n", " ").splitlines():
        python, flag, program, *words = shlex.split(line, comments=True)
        assert (python, flag, program) == ("python", "-m", "naglass_drv")
        done = called(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]


def test_blocks_are_marked():
    assert {name.rpartition(" ")[0] for name in blocks()} >= {
        "docs/driver.md",
        "docs/pair_mace.md",
        "docs/dataset-howto.md",
        "docs/interfaces.md",
    }
