#!/bin/sh
# Builds LAMMPS from a source tree with the machine's own MPI and 64-bit atom IDs, naglass against it by the two lines
# of the README, and runs every style and pair_style mace on one and two ranks. Half an hour on two cores.
#
#     sh tests/long/build_other_lammps.sh SOURCE WORK [PYTHON]
#
# SOURCE: a LAMMPS source tree, such as that of Debian's source package (apt-get source lammps). WORK: a folder for all
# that is built; what is there already is kept. PYTHON: an interpreter with naglass's dependencies, for the model;
# the build has no libtorch. MPICXX names the MPI's compiler wrapper, JOBS the number of processes.
set -eu
source=$(realpath "$1")
mkdir -p "$2"
work=$(realpath "$2")
python=${3:-python3}
mpicxx=${MPICXX:-mpicxx.openmpi}
jobs=${JOBS:-2}
naglass=$(realpath "$(dirname "$0")/../..")

if [ ! -x "$work/lammps/bin/lmp" ]; then
  cmake -S "$source/cmake" -B "$work/build-lammps" -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_FLAGS=-O1 \
    -DCMAKE_INSTALL_PREFIX="$work/lammps" -DMPI_CXX_COMPILER="$(command -v "$mpicxx")" \
    -DBUILD_SHARED_LIBS=on -DBUILD_OMP=off -DLAMMPS_SIZES=bigbig -DDOWNLOAD_POTENTIALS=off \
    -DPKG_PLUGIN=on -DPKG_KSPACE=on -DPKG_EXTRA-PAIR=on
  cmake --build "$work/build-lammps" --parallel "$jobs"
  # Debian's tree lacks the man page, which is the last thing to be installed
  cmake --install "$work/build-lammps" || [ -x "$work/lammps/bin/lmp" ]
fi

cmake -S "$naglass" -B "$work/build-naglass" -DNAGLASS_PYTHON=OFF -DLAMMPS_DIR="$work/lammps" \
  -DNAGLASS_MACE_TORCH=OFF
cmake --build "$work/build-naglass" --parallel "$jobs"
cmake --install "$work/build-naglass" --prefix "$work/naglass"

"$python" "$naglass/tests/long/run_other_lammps.py" "$work/lammps" "$work/naglass/lib/naglass/plugins" "$work/runs"
