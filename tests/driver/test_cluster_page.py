"""The job scripts of docs/cluster.md say what the site profiles say."""

import re
import subprocess
from pathlib import Path

import pytest

from naglass_drv.config.slurm import shipped, slurm_of

PAGE = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text()


def job_script(name: str) -> str:
    return re.search(rf"^### {re.escape(name)}\n.*?^```\n(#!/bin/bash\n.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[1]


@pytest.mark.parametrize("name", shipped())
def test_every_profile_has_a_job_that_agrees_with_it(name):
    text, (slurm, _) = job_script(name), slurm_of(name, None)
    assert subprocess.run(["bash", "-n"], input=text, text=True).returncode == 0
    asked = dict(re.findall(r"^#SBATCH --([a-z-]+)=(\S+)$", text, re.MULTILINE))
    for key in ("partition", "qos", "constraint"):
        assert getattr(slurm, key) in (None, asked.get(key)), key
    assert ("account" in asked) >= slurm.needs_account
    assert not slurm.gpus_per_node or asked["gres"] == f"gpu:{slurm.gpus_per_node}"
    assert all(f"#SBATCH {option}\n" in text for option in slurm.options)
    assert all(f"\n{line}\n" in text for line in slurm.setup)
    assert f"\n{slurm.launcher} python -m naglass_drv run input.yaml\n" in text
    if slurm.cores_per_node and name != "slurm":
        cores = int(asked["ntasks"]) * int(asked.get("cpus-per-task", 1))
        assert cores == slurm.cores_per_node * int(asked["nodes"])
        assert float(asked["time"].partition(":")[0]) == slurm.longest_h
