"""A user's own CP2K input as a level: what is kept, what is filled in, what is refused."""

import builtins
import re

import ase.io
import numpy as np
import pytest

from naglass_drv.config.site import load_site
from naglass_drv.engines.cp2k import tree
from naglass_drv.engines.cp2k.preprocess import preprocess
from naglass_drv.engines.cp2k.run import checks
from naglass_drv.engines.cp2k.theory import own_template
from naglass_drv.engines.cp2k.theory.levels import kinds_of, label_of, level
from naglass_drv.engines.cp2k.values import logical, word
from naglass_drv.engines.cp2k.write import inputs
from naglass_drv.errors import InputError
from support.structures import DATA

pytestmark = pytest.mark.cp2k

MAIN = """\
! an input for something else
@SET CUT 500
@SET FUNCTIONAL PBE
&GLOBAL
  PROJECT water
  RUN_TYPE GEO_OPT
  PRINT_LEVEL HIGH
&END GLOBAL
@INCLUDE 'electrons.inc'
&MOTION
  &GEO_OPT
  &END GEO_OPT
&END MOTION
"""
ELECTRONS = """\
&FORCE_EVAL
  METHOD Quickstep
  &DFT
    LSD
    CHARGE -1  ! of the molecule
    BASIS_SET_FILE_NAME BASIS_MOLOPT
    POTENTIAL_FILE_NAME GTH_POTENTIALS
    &MGRID
      CUTOFF $CUT
    &END MGRID
    &SCF
      SCF_GUESS RESTART
      MAX_SCF 50
      EPS_SCF 1.0E-6
    &END SCF
    &XC
      &XC_FUNCTIONAL ${FUNCTIONAL}
      &END XC_FUNCTIONAL
    &END XC
    &PRINT
      &MULLIKEN OFF
      &END MULLIKEN
    &END PRINT
  &END DFT
  &SUBSYS
    &CELL
      ABC 10 10 10
    &END CELL
    &COORD
      H 0 0 0
    &END COORD
    &KIND Na
      BASIS_SET DZVP-MOLOPT-SR-GTH
      POTENTIAL GTH-PBE-q9
    &END KIND
    &KIND metal
      ELEMENT V
      BASIS_SET ORB DZVP-MOLOPT-SR-GTH
      POTENTIAL GTH-PBE-q13
      MAGNETIZATION 3
    &END KIND
    &KIND P
      BASIS_SET DZVP-MOLOPT-SR-GTH
      POTENTIAL GTH-PBE
    &END KIND
    &KIND O
      BASIS_SET DZVP-MOLOPT-SR-GTH
      POTENTIAL GTH-PBE-q6
    &END KIND
  &END SUBSYS
&END FORCE_EVAL
"""


def box():
    atoms = ase.io.read(DATA / "structures" / "mol8s.extxyz")
    atoms.set_array("ion", np.array(["Na+", "V4+", "P5+"] + ["O2-"] * 5))
    return atoms


def template(folder, main=MAIN, electrons=ELECTRONS):
    folder.mkdir(exist_ok=True)
    (folder / "my.inp").write_text(main)
    (folder / "electrons.inc").write_text(electrons)
    return own_template.read(folder / "my.inp")


def written(chosen, **options):
    options = {"charge": 0, "multiplicity": 2, "data": load_site().cp2k_data} | options
    return inputs.single_point(box(), chosen, **options)


def test_the_users_choices_stay_and_ours_are_filled_in(tmp_path):
    text = written(template(tmp_path), outputs=["pdos"])
    checks.accepted(text, load_site().cp2k, "template")
    root = tree.parse(text)
    assert root.at("GLOBAL").values("PROJECT") == ["label"] and root.at("GLOBAL").values("RUN_TYPE") == ["ENERGY_FORCE"]
    assert root.sections("MOTION") == []
    dft = root.at("FORCE_EVAL/DFT")
    assert dft.values("CHARGE") == ["0"] and dft.values("MULTIPLICITY") == ["2"] and dft.values("LSD") == [""]
    assert dft.at("MGRID").values("CUTOFF") == ["500"] and dft.at("XC/XC_FUNCTIONAL").parameter == "PBE"
    assert dft.at("SCF").values("MAX_SCF") == ["50"] and dft.at("SCF").values("SCF_GUESS") == ["ATOMIC"]
    assert [dft.at(f"PRINT/{name}").parameter for name in ("MULLIKEN", "HIRSHFELD", "PDOS")] == ["ON"] * 3
    assert [root.at(f"FORCE_EVAL/PRINT/{name}").parameter for name in ("FORCES", "STRESS_TENSOR")] == ["ON"] * 2
    kinds = {kind.parameter: kind for kind in root.sections("FORCE_EVAL/SUBSYS/KIND")}
    assert list(kinds) == ["Na", "O", "P", "V"] and kinds["V"].values("MAGNETIZATION") == ["1"]
    assert kinds["P"].values("POTENTIAL") == ["GTH-PBE"]
    assert len(root.at("FORCE_EVAL/SUBSYS/COORD").items) == 8


def test_its_hash_follows_what_decides_a_label(tmp_path):
    first = template(tmp_path / "a")
    assert level("template", text=first.text) == first
    assert label_of(first).startswith("template-h")

    def other(name, old, new):
        assert old in MAIN + ELECTRONS
        return template(tmp_path / name, MAIN.replace(old, new), ELECTRONS.replace(old, new))

    for index, (old, new) in enumerate(
        [("PROJECT water", "PROJECT x"), ("MAX_SCF 50", "MAX_SCF 9"), ("CHARGE -1", "CHARGE 2"), ("ABC 10", "ABC 11"),
         ("MAGNETIZATION 3", "MAGNETIZATION 1"), ("! an input", "! one")]
    ):  # fmt: skip
        same = other(f"same{index}", old, new)
        assert (label_of(same), kinds_of(same, "V")) == (label_of(first), kinds_of(first, "V")), old
    for old, new in (("CUT 500", "CUT 600"), ("FUNCTIONAL PBE", "FUNCTIONAL BLYP"), ("1.0E-6", "1.0E-5")):
        assert label_of(other(new[-4:], old, new)) != label_of(first), old
    changed = other("kind", "POTENTIAL GTH-PBE-q13", "POTENTIAL GTH-PBE-q5")
    assert label_of(changed) == label_of(first)
    before, after = (kinds_of(found, ["Na", "V"]).split() for found in (first, changed))
    assert before[0] == after[0] and before[1] != after[1]


def test_names_that_cp2k_does_not_know_are_found_before_a_start(tmp_path):
    chosen = template(tmp_path, electrons=ELECTRONS.replace("GTH-PBE-q6", "GTH-PBE-q60"))
    with pytest.raises(InputError, match=r"^O: no pseudopotential 'GTH-PBE-q60' in .*GTH_POTENTIALS$"):
        written(chosen)
    text = written(template(tmp_path, electrons=ELECTRONS.replace("CUTOFF", "CUTOF")))
    with pytest.raises(InputError, match=r"unknown keyword CUTOF in section MGRID \(line \d+: 'CUTOF 500'\)"):
        checks.accepted(text, load_site().cp2k, "x")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("    LSD\n", "", "my.inp: &DFT has no UKS TRUE"),
        ("METHOD Quickstep", "METHOD FIST", "METHOD FIST: must be Quickstep"),
        ("&FORCE_EVAL\n", "&FORCE_EVAL\n&END\n&FORCE_EVAL\n", "must have one &FORCE_EVAL with one &DFT"),
        ("&MOTION", "&EXT_RESTART\n&END\n&MOTION", "&EXT_RESTART is not allowed"),
        ("    LSD\n", "    LSD\n    WFN_RESTART_FILE_NAME w.wfn\n", "cannot start from an earlier wavefunction"),
        ("BASIS_MOLOPT\n", "../BASIS\n", "'BASIS_SET_FILE_NAME ../BASIS' in &DFT: must be a bare file name"),
        ("&MULLIKEN OFF", "&MULLIKEN\n FILENAME =/tmp/x", "'FILENAME =/tmp/x' in &MULLIKEN: must be a bare file name"),
        ("$CUT", "$CUTT", r"electrons.inc:9: undefined variable 'CUTT'"),
        ("@SET CUT 500", "@SET CUT 500\n@IF 1", "conditional block not closed"),
        ("&END MGRID", "&END GRID", r"electrons.inc:10: '&END GRID' does not close an open section"),
        ("'electrons.inc'", "'../electrons.inc'", r"my.inp:9: .*only files in the folder of the template"),
        ("'electrons.inc'", "/etc/hostname", r"my.inp:9: .*only files in the folder of the template"),
        ("'electrons.inc'", "${HOME}", r"my.inp:9: .*only files in the folder of the template"),
        ("@INCLUDE 'electrons.inc'", "@XCTYPE PBE", r"my.inp:9: .*only files in the folder of the template"),
        ("'electrons.inc'", "'my.inp'", "is outside the folder or includes itself"),
        ("'electrons.inc'", "'link.inc'", "is outside the folder or includes itself"),
        ("'electrons.inc'", "'none.inc'", "none.inc: No such file"),
        ("&KIND Na", "&KIND V2\n ELEMENT V\n BASIS_SET X\n&END\n&KIND Na", "the kinds V2, metal are all V and differ"),
        ("BASIS_SET ORB DZVP-MOLOPT-SR-GTH", "BASIS_SET", "V: no basis set '' in"),
        ("&KIND Na", "&KIND Li", "there is no &KIND of Na"),
    ],
)  # fmt: skip
def test_what_is_no_template_is_refused(tmp_path, old, new, words):
    (tmp_path / "link.inc").symlink_to("/etc/hostname")
    assert old in MAIN + ELECTRONS
    with pytest.raises(InputError, match=words):
        written(template(tmp_path, MAIN.replace(old, new), ELECTRONS.replace(old, new)))


@pytest.mark.parametrize(
    "value", ["LSD .T.", "SPIN_POLARIZED .true.", "uks", "UNRESTRICTED_KOHN_SHAM yes", "UKS = on", "UKS Y", "UKS 1"]
)
def test_spins_may_be_switched_on_in_every_spelling_of_cp2k(tmp_path, value):
    chosen = template(tmp_path, electrons=ELECTRONS.replace("LSD", value))
    checks.accepted(written(chosen), load_site().cp2k, "template")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("@SET CUT 500", "@SET HYB 0\n@IF ${HYB}\n@SET CUT 900\n@ENDIF\n@IF (${HYB} == 0)\n@SET CUT 500\n@ENDIF"),
        ("@SET CUT 500", "@set CUT 500\n@IF ${CUT} /= 500\n@SET CUT 900\n@endif\n@PRINT $CUT"),
        ("@SET CUT 500", "@IF\n@SET CUT 900\n@ENDIF\n@SET CUT 500 ! Ry"),
        ("@SET CUT 500", "@IF 0\n@IF 1\n@SET CUT 900\n@ENDIF\n@SET CUT 500"),
        ("CUTOFF $CUT", "CUTOFF ${CUTT-500}"),
        ("CUTOFF $CUT", "CUTOFF ${CUTT-${CUT}}"),
        ("CUTOFF $CUT", "CUTOFF \\\n  $CUT"),
        ("CUTOFF $CUT", "CUTOFF=1000/2"),
        ("@INCLUDE 'electrons.inc'", '@include "./electrons.inc"'),
        ("@INCLUDE 'electrons.inc'", "@SET X @INCLUDE\n$X electrons.inc"),
        ("@INCLUDE 'electrons.inc'", "@XCTYPE part"),
        ("POTENTIAL GTH-PBE-q9", "POT GTH-PBE-q9"),
        ("PROJECT water", "PROJECT_NAME water"),
        ("PRINT_LEVEL HIGH", "IOLEVEL HIGH"),
        ("CHARGE -1", "MULTIP 3\n    CHARGE -1"),
    ],
)
def test_directives_and_names_that_cp2k_takes_are_taken(tmp_path, old, new):
    """CP2K 2023.1 takes each of them, and has a cutoff of 500 Ry then."""
    assert old in MAIN + ELECTRONS
    (tmp_path / "part.sec").write_text(ELECTRONS)
    chosen = template(tmp_path, MAIN.replace(old, new), ELECTRONS.replace(old, new))
    text = written(chosen)
    checks.accepted(text, load_site().cp2k, "template")
    assert tree.parse(text).at("FORCE_EVAL/DFT/MGRID").values("CUTOFF")[0] in ("500", "=1000/2")
    plain = template(tmp_path / "plain")
    assert chosen.kind("Na").inner() == plain.kind("Na").inner()


def test_directives_are_carried_out_as_cp2k_does_it(tmp_path):
    """One input with all of them: what CP2K 2023.1 echoes is what is read here."""
    text = """\
@SET A 3
@SET B ${A}0 ! with a comment
@IF (${A} == 3)
@SET C 7
@ENDIF
@IF 0
@SET C 8
@IF 1
@ENDIF
@SET D ${E-4}
&GLOBAL
 RUN_TYPE ENERGY
 PROJECT "p"
&END
@INCLUDE part.inc
"""
    part = """\
&FORCE_EVAL
 &DFT
  MULTIPLICITY $A
  CHARGE ${C} # of all
  PLUS_U_METHOD LOWDIN ! mail@example.org
  @NOTHING
  uks .T.
  # between

  &MGRID
   CUTOFF = \\
     ${B}
   NGRIDS ${D}
  &END
 &END DFT
&END
"""
    (tmp_path / "part.inc").write_text(part)
    (tmp_path / "all.inp").write_text(text)
    output = checks.run_for_output([str(load_site().cp2k), "-e", "-i", "all.inp"], str(tmp_path))
    lines = preprocess(tmp_path / "all.inp")
    dft = tree.parse("\n".join(lines.texts), places=lines.places).at("FORCE_EVAL/DFT")
    found = {"MULTIPLICITY": dft, "CHARGE": dft, "CUTOFF": dft.at("MGRID"), "NGRIDS": dft.at("MGRID")}
    for keyword, section in found.items():
        echoed = re.search(rf"^ +{keyword} +(\S+)", output, re.MULTILINE)[1]
        assert float(word(section, keyword)) == float(echoed), keyword
    # CP2K leaves out a line with an @ in a comment, and what is no directive
    assert dft.values("PLUS_U_METHOD") == [] and re.search(r"^ +PLUS_U_METHOD +MULLIKEN$", output, re.MULTILINE)
    assert logical(dft, "UKS") and re.search(r"^ +UKS +T$", output, re.MULTILINE)


HOSTILE = [
    ("&MOTION", "@INCL\\\nUDE /etc/hostname\n&MOTION", r"my.inp:10: .*a directive must be on one line"),
    ("&MOTION", "@INCLUDE \\\n/etc/hostname\n&MOTION", r"my.inp:10: .*a directive must be on one line"),
    ("&MOTION", "&MOTION @INCLUDE /etc/hostname", r"my.inp:10: .*only files in the folder of the template"),
    ("&MOTION", "@SET I @INCLUDE\n@SET F /etc/hostname\n$I $F\n&MOTION", r"my.inp:12: .*only files in the folder"),
    ("&MOTION", "@SET F host\\\nname\n&MOTION", r"my.inp:10: .*a directive must be on one line"),
    (
        "&MOTION",
        "@SET F /etc/\n@IF 1\n@INCLUDE ${F}hostname\n@ENDIF\n&MOTION",
        r"my.inp:12: .*only files in the folder",
    ),
    ("&MOTION", "@INCLUDE below/../../x.inc\n&MOTION", r"my.inp:10: .*only files in the folder"),
    ("&MOTION", "@INCLUDE below/link.inc\n&MOTION", r"my.inp:10: .*is outside the folder"),
    ("&MOTION", "@INCLUDE etc/hostname\n&MOTION", r"my.inp:10: .*is outside the folder"),
    ("&MOTION", "@XCTYPE /etc/x\n&MOTION", r"my.inp:10: .*only files in the folder"),
    ("&MOTION", "@EXEC ls\n&MOTION", r"my.inp:10: '@EXEC ls': not a CP2K directive"),
    ("CHARGE -1", "CHARGE -1 @x", r"electrons.inc:5: '@X .*': not a CP2K directive"),
    ("CHARGE -1  ! of", "CHARGE -1  ! @ of", r"electrons.inc:5: .*CP2K skips a line with an @ in its comment"),
    ("CHARGE -1", "CHARGE ${Q\\\n-1}", r"electrons.inc:5: .*without '}'"),
    ("&MOTION", "@SET 1A x\n&MOTION", "must have a name and a value"),
    ("&MOTION", "@IF 1 == 1 == 1\n&MOTION", "must be a single comparison of two values"),
    ("@SET CUT 500", "@SET CUT 500\n@IF 0", r"my.inp:3: @IF without @ENDIF"),
    ("CHARGE -1", "CHARGE \\ -1", "there is text after the backslash"),
    ("CHARGE -1", "RESTART_FILE_NAME w.wfn", "cannot start from an earlier wavefunction"),
    ("&MULLIKEN OFF", "&MULLIKEN\n FILENAME= \\\n  ../x", "must be a bare file name"),
    ("&XC\n", "&XC\n&HF\n&INTERACTION_POTENTIAL\nT_C_G_DATA /x/t_c_g.dat\n&END\n&END\n", "must be a bare file name"),
    ("&XC\n", "&XC\n&HF\n&MEMORY\nSTORAGE_LOCATION ../x\n&END\n&END\n", "must be a bare file name"),
    ("&MULLIKEN OFF", '&WANNIER90\nSEED_NAME "/x/y"\n&END\n&MULLIKEN OFF', "must be a bare file name"),
    ("PROJECT water", "PROJECT water\nPROGRAM farming", "PROGRAM_NAME farming: must be CP2K"),
    ("PROJECT water", "PROJECT water\nCALLGRAPH_FILE_NAME /x/y", "must be a bare file name"),
    ("  &DFT\n", "  &RESCALE_FORCES\n &END\n  &DFT\n", "&RESCALE_FORCES is not allowed in a template"),
    ("LSD", "LSD perhaps", "UKS perhaps: must be true or false"),
    ("LSD", "LSD .F.", "&DFT has no UKS TRUE"),
]


@pytest.mark.parametrize(("old", "new", "words"), HOSTILE)
def test_a_template_is_judged_as_cp2k_reads_it(tmp_path, old, new, words):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "link.inc").symlink_to("/etc/hostname")
    (tmp_path / "etc").symlink_to("/etc")
    assert old in MAIN + ELECTRONS
    with pytest.raises(InputError, match=words):
        written(template(tmp_path, MAIN.replace(old, new), ELECTRONS.replace(old, new)))


def test_directives_need_no_other_package(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **options):
        if name.startswith("cp2k_input_tools"):
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    read = template(tmp_path)
    (tmp_path / "plain.inp").write_text(read.text)
    assert own_template.read(tmp_path / "plain.inp") == read
