"""What several tests of the styles use."""

from pathlib import Path

import pytest

from naglass_drv.engines.mace.export import export_module
from naglass_drv.engines.mace.modelfile import default_dtype
from support.mace_models import SMALLEST, build_model


@pytest.fixture(scope="session")
def committee(tmp_path_factory) -> list[Path]:
    """The archives a.naglass and b.naglass of two models that are as small as models can be."""
    folder = tmp_path_factory.mktemp("committee")
    with default_dtype("float64"):
        for seed, name in ((7, "a"), (8, "b")):
            export_module(build_model(**SMALLEST, seed=seed), folder / f"{name}.naglass")
    return sorted(folder.iterdir())
