"""Fixtures that several folders of tests use."""

import pytest
from support.jobs import ToyRun


@pytest.fixture
def toy(tmp_path):
    """A run of toy stages, ended whatever happens."""
    run = ToyRun(tmp_path)
    yield run
    run.end()
