# The core as a static library for other programs: find_package(naglass) defines naglass::core. Its symbols are
# hidden, so a shared library that links to it does not export them.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set_target_properties(naglass_core PROPERTIES EXCLUDE_FROM_ALL OFF EXPORT_NAME core)
set_target_properties(naglass_threads PROPERTIES EXPORT_NAME threads)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/naglass)
install(TARGETS naglass_core naglass_threads EXPORT naglass ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/src/cpp/core DESTINATION include/naglass FILES_MATCHING PATTERN "*.hpp")
install(EXPORT naglass NAMESPACE naglass:: FILE naglass_targets.cmake DESTINATION ${package_dir})

set(NAGLASS_NEEDS_OPENMP ${OpenMP_CXX_FOUND})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/naglass-config.cmake.in
  ${PROJECT_BINARY_DIR}/naglass-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/naglass-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/naglass-config.cmake ${PROJECT_BINARY_DIR}/naglass-config-version.cmake
  DESTINATION ${package_dir})
