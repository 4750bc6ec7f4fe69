# What `cmake --install` puts where, and the package that find_package(latgrad) reads.

include(CMakePackageConfigHelpers)

set(LATGRAD_INSTALL_DATADIR ${CMAKE_INSTALL_DATADIR}/latgrad)
set(LATGRAD_INSTALL_CMAKEDIR ${CMAKE_INSTALL_LIBDIR}/cmake/latgrad)

install(TARGETS latgrad_base latgrad_net latgrad_lut latgrad_search latgrad_runner latgrad_profile EXPORT latgradTargets)
install(EXPORT latgradTargets NAMESPACE latgrad:: DESTINATION ${LATGRAD_INSTALL_CMAKEDIR})
foreach(layer IN ITEMS base net lut search runner profile)
  install(DIRECTORY ${layer}/include/latgrad DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
endforeach()
install(DIRECTORY data/spaces data/models DESTINATION ${LATGRAD_INSTALL_DATADIR})

install(DIRECTORY runner/engines/ DESTINATION ${LATGRAD_INSTALL_DATADIR}/latgrad_runners FILES_MATCHING PATTERN "*.py")

if(LATGRAD_BUILD_CLI)
  install(TARGETS latgrad-cli)
endif()
if(LATGRAD_BUILD_PLUGIN)
  install(TARGETS latgrad-runner)
  install(TARGETS latgrad_plugin EXPORT latgradPluginTargets)
  install(EXPORT latgradPluginTargets NAMESPACE latgrad:: DESTINATION ${LATGRAD_INSTALL_CMAKEDIR})
  install(DIRECTORY plugin/include/latgrad DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  # PYTHONPATH=PREFIX/share/latgrad/python; it finds the plugin in the same PREFIX.
  install(DIRECTORY plugin/python/latgrad DESTINATION ${LATGRAD_INSTALL_DATADIR}/python FILES_MATCHING
    PATTERN "*.py" PATTERN "*.pyi" PATTERN "py.typed")
  install(FILES cmake/LatgradTorch.cmake DESTINATION ${LATGRAD_INSTALL_CMAKEDIR})
endif()

# The wheel that pip builds takes this component alone (pyproject.toml): into the package what it loads, and the programs.
if(SKBUILD)
  install(TARGETS latgrad_plugin LIBRARY DESTINATION latgrad COMPONENT python)
  install(DIRECTORY data/spaces DESTINATION latgrad COMPONENT python FILES_MATCHING PATTERN "*.textproto")
  install(DIRECTORY data/models DESTINATION latgrad COMPONENT python FILES_MATCHING PATTERN "*.json")
  install(DIRECTORY runner/engines/ DESTINATION latgrad_runners COMPONENT python FILES_MATCHING PATTERN "*.py")
  install(TARGETS latgrad-cli latgrad-runner RUNTIME DESTINATION ${SKBUILD_SCRIPTS_DIR} COMPONENT python)
endif()

configure_package_config_file(cmake/latgradConfig.cmake.in ${PROJECT_BINARY_DIR}/latgradConfig.cmake
  INSTALL_DESTINATION ${LATGRAD_INSTALL_CMAKEDIR} PATH_VARS LATGRAD_INSTALL_DATADIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/latgradConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/latgradConfig.cmake ${PROJECT_BINARY_DIR}/latgradConfigVersion.cmake
  DESTINATION ${LATGRAD_INSTALL_CMAKEDIR})
