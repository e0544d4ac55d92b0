# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path

from spack_repo.builtin.build_systems.cmake import CMakePackage

from spack.package import *


class Naglass(CMakePackage):
    """LAMMPS styles for sodium glasses: rings, Qn, hops, transport, redox classes, and pair_style mace."""

    # the checkout that this file belongs to
    git = f"file://{Path(__file__).resolve().parents[5]}"

    license("GPL-2.0-or-later")

    version("main", branch="main")

    variant("mace", default=True, description="Build pair_style mace, with kernels of its own for CPUs")
    variant("openmp", default=True, description="Run the loops over atoms on several threads")

    depends_on("cxx", type="build")
    depends_on("cmake@3.21:", type="build")
    depends_on("mpi")
    # the potentials of glasses need kspace and extra-pair
    depends_on("lammps@20250722:20260704 +lib+mpi+plugin+kspace+extra-pair", type=("build", "link", "run"))

    def cmake_args(self):
        return [
            self.define("NAGLASS_PYTHON", False),
            self.define("NAGLASS_MACE_TORCH", False),
            self.define("LAMMPS_DIR", self.spec["lammps"].prefix),
            self.define("NAGLASS_MPI_INCLUDE_DIR", self.spec["mpi"].headers.directories[0]),
            self.define_from_variant("NAGLASS_MACE", "mace"),
            self.define_from_variant("NAGLASS_OPENMP", "openmp"),
        ]

    def setup_run_environment(self, env):
        env.prepend_path("LAMMPS_PLUGIN_PATH", join_path(self.prefix.lib, "naglass", "plugins"))
