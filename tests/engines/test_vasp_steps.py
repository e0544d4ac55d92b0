"""VASP's files step by step: parameters that occur twice, steps without labels, and numbers that are stars."""

import re
from pathlib import Path

import ase
import numpy as np
import pytest

from naglass_drv.cli.main import main
from naglass_drv.dataset.frames import read_labeled
from naglass_drv.foreign.gate import Refused, Terms, admit
from naglass_drv.foreign.vasp import read_vasp

OUTCAR = Path(ase.__file__).parent / "test" / "testdata" / "vasp" / "OUTCAR_example_1"
ROWS = "<v>5.0 0.0 0.0</v><v>0.0 5.0 0.0</v><v>0.0 0.0 5.0</v>"
STRUCTURE = (
    f'<structure{{}}><crystal><varray name="basis">{ROWS}</varray><varray name="rec_basis">{ROWS}</varray></crystal>'
    '<varray name="positions"><v>0.0 0.0 0.0</v><v>0.5 0.5 0.5</v></varray></structure>'
)
INITIAL = ' name="initialpos"'
ATOMS = """<atominfo><atoms>2</atoms><types>2</types>
<array name="atoms"><set><rc><c>Na</c><c>1</c></rc><rc><c>F</c><c>2</c></rc></set></array><array name="atomtypes"><set>
<rc><c>1</c><c>Na</c><c>22.99</c><c>1.0</c><c>PAW_PBE Na</c></rc>
<rc><c>1</c><c>F</c><c>19.0</c><c>7.0</c><c>PAW_PBE F</c></rc>
</set></array></atominfo>"""
ELECTRONIC = (
    '<separator name="electronic"><i name="PREC">accura</i><i name="ENMAX">400.0</i><i name="EDIFF">0.00001</i>'
    '<i name="NELECT">8.0</i><separator name="electronic spin"><i name="ISPIN">1</i></separator>'
    '<separator name="electronic convergence"><i name="NELM">60</i><i name="NELMIN">2</i></separator></separator>'
)
IONIC = '<separator name="ionic"><i name="IBRION">0</i><i name="ISIF">2</i></separator>'
RESPONSE = (
    '<separator name="response functions"><i name="NELM">{nelm}</i><i name="EDIFF">0.1</i><i name="ISPIN">2</i>'
    '<i name="NELECT">0</i><i name="ENMAX">1.0</i><i name="IBRION">8</i><i name="ISIF">0</i></separator>'
)


def energy(value) -> str:
    return (
        "<energy>"
        + "".join(f'<i name="{n}">{value}</i>' for n in ("e_fr_energy", "e_wo_entrp", "e_0_energy"))
        + "</energy>"
    )


def step(scf: int = 3, value="-9.2", force="0.1", stress="1") -> str:
    return (
        "<calculation>" + scf * f"<scstep>{energy(value)}</scstep>" + STRUCTURE.format("")
        + f'<varray name="forces"><v>{force} 0 0</v><v>-0.1 0 0</v></varray>'
        + f'<varray name="stress"><v>{stress} 0 0</v><v>0 1 0</v><v>0 0 1</v></varray>{energy(value)}</calculation>'
    )  # fmt: skip


def read(folder, *steps: str, parameters: str = ELECTRONIC + IONIC):
    (folder / "vasprun.xml").write_text(
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<modeling>\n'
        '<generator><i name="program">vasp</i><i name="version">5.4.4</i></generator><incar></incar>'
        '<kpoints><varray name="kpointlist"><v>0.0 0.0 0.0</v></varray>'
        '<varray name="weights"><v>1.0</v></varray></kpoints>'
        f"<parameters>{parameters}</parameters>{ATOMS}{STRUCTURE.format(INITIAL)}"
        f"{''.join(steps)}</modeling>\n"
    )
    return read_vasp(folder / "vasprun.xml")


@pytest.mark.parametrize(
    "parameters",
    [ELECTRONIC + IONIC + RESPONSE, RESPONSE + ELECTRONIC + IONIC, IONIC + ELECTRONIC + RESPONSE + RESPONSE],
    ids=["after", "before", "twice"],
)
@pytest.mark.parametrize("nelm", [1, 100])
def test_the_parameters_are_those_of_the_electronic_ground_state(tmp_path, parameters, nelm):
    if parameters.startswith(RESPONSE):
        # of the ions the first of two entries is taken
        parameters = parameters.replace('<i name="IBRION">8</i><i name="ISIF">0</i>', "")
    found = read(tmp_path, step(3), step(60), parameters=parameters.format(nelm=nelm))
    (alone, _) = read(tmp_path, step(3), step(60))
    assert [one.converged for one in found] == [True, False], "3 and 60 electronic steps of NELM 60"
    assert (found[0].settings, found[0].charge, found[0].multiplicity) == (alone.settings, 0, 1)
    assert "REF_stress" in found[0].frame.info


@pytest.mark.parametrize(("isif", "there"), [(0, False), (1, False), (2, True), (3, True)])
def test_a_stress_that_vasp_did_not_compute_is_not_taken(tmp_path, isif, there):
    parameters = (ELECTRONIC + IONIC).replace('name="ISIF">2', f'name="ISIF">{isif}')
    (found,) = read(tmp_path, step(), parameters=parameters)
    assert ("REF_stress" in found.frame.info) == there
    text = OUTCAR.read_text()
    assert text.count("ISIF   =      2") == 1
    (tmp_path / "OUTCAR").write_text(text.replace("ISIF   =      2", f"ISIF   =      {isif}"))
    assert ("REF_stress" in read_vasp(tmp_path / "OUTCAR")[0].frame.info) == there


def test_steps_without_an_electronic_loop_are_no_labels(tmp_path):
    found = read(tmp_path, step(0), step(3, value="-9.3"), step(0), step(4, value="-9.4"))
    refused = []
    for one in found[::2]:
        with pytest.raises(Refused) as error:
            admit(one, Terms("x"))
        refused.append((error.value.failure, str(error.value)))
    assert {failure for failure, _ in refused} == {"INCOMPLETE"} and "machine-learned" in refused[0][1]
    assert [one.frame.info["REF_energy"] for one in found[1::2]] == [-9.3, -9.4]
    assert [one.source[-2:] for one in found] == ["#0", "#1", "#2", "#3"]


@pytest.mark.parametrize("stars", [{"force": "********"}, {"value": "*******"}, {"stress": "******"}])
def test_stars_refuse_their_own_step(tmp_path, stars):
    found = read(tmp_path, step(), step(**stars), step(value="-9.4"))
    assert [one.refusal and one.refusal.failure for one in found] == [None, "NAN", None]
    assert found[2].frame.info["REF_energy"] == -9.4
    np.testing.assert_allclose(found[2].frame.arrays["REF_forces"], [[0.1, 0, 0], [-0.1, 0, 0]])


def test_an_outcar_with_the_users_own_lines_tells_the_same_settings(tmp_path):
    text = OUTCAR.read_text()
    (plain,) = read_vasp(OUTCAR)
    own = "\n INCAR:\n   ENCUT = 123\n   ISPIN = 1\n   EDIFF = 1E-2; NELECT = 7 ; ISMEAR = -5\n   PREC = Accurate\n"
    response = "\n  Response functions: EDIFF = 0.5 ; NELECT = 3\n"
    changed = re.sub(r"\n POTCAR:", own + r"\n POTCAR:", text, count=1)
    changed = changed.replace(" Exchange correlation treatment:", response + " Exchange correlation treatment:")
    assert own in changed and response in changed
    (tmp_path / "OUTCAR").write_text(changed)
    (found,) = read_vasp(tmp_path / "OUTCAR")
    assert (found.settings, found.charge, found.multiplicity) == (plain.settings, plain.charge, plain.multiplicity)


def test_a_loop_after_the_ground_state_does_not_make_it_converged(tmp_path):
    text = OUTCAR.read_text()
    line = next(line for line in text.splitlines() if "aborting loop because EDIFF is reached" in line)
    failed = line.replace("aborting loop because EDIFF is reached", "aborting loop EDIFF was not reached (unconverged)")
    (tmp_path / "OUTCAR").write_text(text.replace(line, f"{failed}\n{line}"))
    assert read_vasp(tmp_path / "OUTCAR")[0].converged is False


def test_stated_energies_of_atoms_are_of_the_level_that_the_source_tells(tmp_path):
    read(tmp_path, step())
    out = tmp_path / "o.extxyz"
    words = [
        "import-frames",
        str(tmp_path / "vasprun.xml"),
        "-o",
        str(out),
        "--level-name",
        "x",
        "--e0",
        "Na=-1",
        "F=-2",
    ]
    assert main([*words, "--group", "run-1"]) == 0
    frames = read_labeled(out)
    assert len(frames) == 3 and len({frame.info["level"] for frame in frames}) == 1
