"""A Slurm of two virtual nodes on this machine."""

import pytest

from support.slurm import Cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("slurm")) as running:
        yield running
