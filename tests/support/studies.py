"""Inputs of several systems, loaded with all checks."""

import pytest

from naglass_drv.cli.checks import Checks
from naglass_drv.config.load import load_study
from naglass_drv.errors import InputError


def study(tmp_path, text):
    (tmp_path / "input.yaml").write_text(text)
    return load_study(tmp_path / "input.yaml", checks=[Checks()])


def refused(tmp_path, text):
    """The lines of the error."""
    with pytest.raises(InputError) as error:
        study(tmp_path, text)
    return str(error.value).splitlines()
