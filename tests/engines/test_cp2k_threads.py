"""Threads of CP2K whose BLAS cannot be called from several of them are refused before anything is labeled."""

import re
import subprocess
from pathlib import Path

import pytest

from naglass_drv.config.site import as_mapping, load_site
from naglass_drv.engines.cp2k.run.label import Program
from naglass_drv.engines.cp2k.run.threads import check_threads
from naglass_drv.errors import SetupError
from naglass_drv.stages.sets import program_of
from support.jobs import naglass

pytestmark = pytest.mark.cp2k


def blas_is_safe() -> bool:
    linked = subprocess.run(["ldd", str(load_site().cp2k)], capture_output=True, text=True, check=True).stdout
    library = re.search(r"libblas\S* => (\S+)", linked)
    return library is None or "openblas-serial" not in str(Path(library[1]).resolve())


def test_threads_that_spoil_the_energy_are_named_with_the_way_out(tmp_path):
    site = as_mapping(load_site()) | {"threads": 2}
    profile = tmp_path / "site.yaml"
    profile.write_text("threads: 2\n")
    doctor = naglass("doctor", NAGLASS_SITE=str(profile)).stdout
    if blas_is_safe():
        program_of(site)
        assert "same energy on 2 threads as on one" in doctor
        return
    with pytest.raises(SetupError, match=r"on 2 threads (does not|gives).* BLAS is not safe.* set threads: 1 in"):
        program_of(site)
    assert "PROBLEM  OpenMP" in doctor and "PROBLEM  CP2K" not in doctor


def test_one_thread_is_not_tried(tmp_path):
    check_threads(Program(tmp_path / "absent"))
