"""Inputs of CP2K as trees: read, changed, written, and understood by CP2K as before."""

import pytest

from naglass_drv.engines.cp2k import tree
from naglass_drv.errors import InputError

TEXT = """
# one comment
&Global  ! another
  project label # not part of the value
&end
&FORCE_EVAL
  METHOD QS
  &DFT
    BASIS_SET_FILE_NAME A
    UKS TRUE
    BASIS_SET_FILE_NAME B
    &XC_FUNCTIONAL PBE
    &END XC_FUNCTIONAL
  &END DFT
  &SUBSYS
    &KIND V1
      ELEMENT V
    &END KIND
    &KIND O
    &END KIND
  &END SUBSYS
&END FORCE_EVAL
"""


def test_reads_sections_parameters_and_values_in_any_case():
    root = tree.parse(TEXT)
    assert root.at("global").values("PROJECT") == ["label"]
    dft = root.at("FORCE_EVAL/dft")
    assert dft.values("basis_set_file_name") == ["A", "B"]
    assert dft.at("XC_FUNCTIONAL").parameter == "PBE"
    assert [kind.parameter for kind in root.sections("FORCE_EVAL/SUBSYS/KIND")] == ["V1", "O"]
    assert "# one comment" in str(root)


def test_changes_keep_the_order_of_the_rest():
    root = tree.parse(TEXT)
    dft = root.at("FORCE_EVAL/DFT")
    dft.set("BASIS_SET_FILE_NAME", "C")
    dft.set("CHARGE", 1)
    dft.remove("uks")
    root.at("MOTION/MD").set("STEPS", 5)
    text = str(root)
    assert [line.split()[:2] for line in str(dft).splitlines()] == [
        ["&DFT"], ["BASIS_SET_FILE_NAME", "C"], ["&XC_FUNCTIONAL", "PBE"], ["&END", "XC_FUNCTIONAL"], ["CHARGE", "1"],
        ["&END", "DFT"],
    ]  # fmt: skip
    assert text.endswith("&MOTION\n  &MD\n    STEPS 5\n  &END MD\n&END MOTION\n")
    assert str(tree.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("&DFT\n&SCF\n&END DFT\n&END\n", r"line 3: '&END DFT' does not close an open section"),
        ("&END DFT\n", r"line 1: '&END DFT' does not close an open section"),
        ("&DFT\n", "&DFT is not closed"),
        ("@SET X 1\n", r"line 1: '@SET X 1': directives are not supported"),
        ("&DFT\n  CHARGE ${Q}\n&END\n", "line 2: .*directives are not supported"),
    ],
)
def test_what_is_no_tree_is_refused_with_its_line(text, words):
    with pytest.raises(InputError, match=words):
        tree.parse(text)


def test_several_sections_of_a_name_are_no_place():
    with pytest.raises(InputError, match="&SUBSYS has 2 sections &KIND instead of one"):
        tree.parse(TEXT).at("FORCE_EVAL/SUBSYS/KIND")
