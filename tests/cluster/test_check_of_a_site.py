"""The check of a site on a real Slurm of two virtual nodes."""

import re

import pytest

from support.jobs import naglass
from support.slurm import lacking

reason = lacking()
pytestmark = [pytest.mark.skipif(bool(reason), reason=reason), pytest.mark.mpi, pytest.mark.slow]


@pytest.fixture
def site(tmp_path):
    path = tmp_path / "site.yaml"
    path.write_text("slurm: {cores_per_node: 1, longest_h: 0.5, scratch: $HOME}\n")
    return str(path)


def test_a_job_on_two_nodes_finds_both_and_measures_between_them(cluster, tmp_path, site):
    made = naglass("site", "check", "--nodes", "2", "--force", cwd=tmp_path, NAGLASS_SITE=site, **cluster.environment)
    assert made.returncode == 0, made.stdout + made.stderr
    assert re.search(r"ok +launcher +2 ranks of one MPI on 2 nodes", made.stdout)
    assert re.search(r"ok +network +n1 to n2: [\d.]+ µs, [\d.e-]+ GB/s by (UCX|libfabric) ", made.stdout), made.stdout
    assert re.search(r"ok +locks ", made.stdout)
    left = int(re.search(r"ok +walltime +(\d+) s left of this job", made.stdout)[1])
    assert 30 < left <= 120
    assert re.search(r"\n0 +n1 .*\n1 +n2 ", made.stdout)


def test_lone_ranks_are_refused_with_the_line_to_use(cluster, tmp_path, site):
    launcher = "launcher: srun --mpi=none"
    with open(site, "w") as file:
        file.write(f"slurm: {{cores_per_node: 2, longest_h: 0.5, {launcher}}}\n")
    made = naglass("site", "check", cwd=tmp_path, NAGLASS_SITE=site, **cluster.environment)
    assert made.returncode == 5
    assert "MPI sees 1 rank, but srun says 2" in made.stdout and "srun --mpi=pmi2 python" in made.stdout
    assert "has ended without a verdict" in made.stderr
