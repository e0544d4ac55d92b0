"""Inputs are shown to CP2K and to an input schema before anything is started; what is wrong is named with its line."""

from pathlib import Path

import ase.io
import cp2k_input_tools
import pytest

from naglass_drv.chemistry.level import NAMES
from naglass_drv.config.site import load_site
from naglass_drv.engines.cp2k.run import checks
from naglass_drv.engines.cp2k.theory.levels import level
from naglass_drv.engines.cp2k.write import inputs, prints
from naglass_drv.errors import InputError, SetupError
from support.structures import DATA

pytestmark = pytest.mark.cp2k

CP2K = load_site().cp2k


PBE = level("pbe+u+d3")


def written(chosen=PBE, **options):
    atoms = ase.io.read(DATA / "structures" / "mol8s.extxyz")
    return inputs.single_point(atoms, chosen, charge=0, multiplicity=2, data=load_site().cp2k_data, **options)


@pytest.fixture(scope="module")
def lint(tmp_path_factory):
    return checks.Lint(checks.input_schema(CP2K, tmp_path_factory.mktemp("schema")))


@pytest.fixture(scope="module")
def lint_2024():
    """The input schema of CP2K 2024.1, which cp2k-input-tools carries."""
    return checks.Lint(Path(cp2k_input_tools.DEFAULT_CP2K_INPUT_XML))


# what to change, what CP2K says of it, what cp2k-input-tools says (None: nothing that helps)
FAULTS = [
    ("NGRIDS 5", "NGRIDZ 5", "found an unknown keyword NGRIDZ in section MGRID", "invalid keyword 'NGRIDZ'"),
    ("CHARGE 0", "CHARGE 0\nCHARGE 0", "Keyword CHARGE in section DFT should not repeat", "'CHARGE' can only be"),
    ("CUTOFF 800", "CUTOFF 800 900", "found unexpected extra argument 900", "invalid values for keyword: CUTOFF"),
    ("METHOD GPW", "METHOD GPX", "invalid value for enumeration:GPX", "invalid values for keyword: METHOD"),
    ("MULTIPLICITY 2", "MULTIPLICITY two", "An integer type object was expected, found <two>", "invalid literal"),
    ("[eV] 3.25", "[eW] 3.25", "Unknown unit: eW", None),
    ("&MGRID\n", "&MGRIDS\n", "unknown subsection MGRIDS of section DFT", "invalid section 'MGRIDS'"),
]


@pytest.mark.parametrize(("old", "new", "said", "_"), FAULTS)
def test_cp2k_refuses_with_the_line(old, new, said, _):
    text = written()
    assert text.count(old) == 1
    line = next(n for n, row in enumerate(text.splitlines(), start=1) if old.splitlines()[0] in row)
    with pytest.raises(InputError) as caught:
        checks.accepted(text.replace(old, new), CP2K, "set a: frame 0")
    assert str(caught.value).startswith(f"set a: frame 0: CP2K does not accept the input: {said}")
    assert f"(line {line}: " in str(caught.value) and ".F:" not in str(caught.value)


@pytest.mark.parametrize(("old", "new", "_", "said"), [fault for fault in FAULTS if fault[3]])
def test_the_schema_refuses_with_the_line(lint, old, new, _, said):
    with pytest.raises(InputError, match=r"^set a: violates the schema: ") as caught:
        lint.check(written().replace(old, new), "set a")
    assert said in str(caught.value) and "(line " in str(caught.value)


def test_the_schema_knows_all_that_is_written(lint, lint_2024):
    """No run of 2024.1 was made, but it has to understand what is written for it."""
    assert (lint.version, lint_2024.version) == ("2023.1", "2024.1")
    for one in (lint, lint_2024):
        for name in set(NAMES) - {"template", "mlip"}:
            one.check(written(level(name), version=one.version), name)
        chosen = level("pbe", smearing_K=300, xc_smoothing="nn10", sodium="q1")
        one.check(written(chosen, version=one.version), "options")
        one.check(written(outputs=prints.OUTPUTS, version=one.version), "prints")
    with pytest.raises(InputError, match="invalid keyword 'IGNORE_CONVERGENCE_FAILURE'"):
        lint.check(written(version="2024.1"), "for a later version")


def test_what_gives_no_answer_is_the_environment(tmp_path):
    with pytest.raises(SetupError, match="/bin/true -c: neither accepted nor refused set a: no output"):
        checks.accepted("", Path("/bin/true"), "set a")
    with pytest.raises(SetupError, match="/bin/true --xml: did not write cp2k_input.xml"):
        checks.input_schema(Path("/bin/true"), tmp_path)
    with pytest.raises(SetupError, match="/absent/cp2k -c: .*No such file"):
        checks.accepted("", Path("/absent/cp2k"), "set a")


def test_a_file_that_is_no_schema(tmp_path):
    (tmp_path / "x.xml").write_text("<html></html>")
    with pytest.raises(InputError, match="x.xml: not a CP2K input schema"):
        checks.Lint(tmp_path / "x.xml")
    with pytest.raises(InputError, match="none.xml: cannot be read"):
        checks.Lint(tmp_path / "none.xml")
