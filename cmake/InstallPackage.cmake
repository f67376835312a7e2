# What others build against an installation with: the CMake package llmdit, and llmdit.pc and llmdit-c.pc. All of it is found from where the files
# lie, so that the prefix can be moved.
include(CMakePackageConfigHelpers)

install(FILES LICENSE NOTICE DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT library)

set(package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/llmdit")
set(pkgconfig_folder "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
string(REGEX MATCH "^[0-9]+[.][0-9]+[.][0-9]+" LLMDIT_TORCH_VERSION "${TORCH_VERSION}")
file(RELATIVE_PATH LLMDIT_PREFIX_FROM_PKGCONFIG "${CMAKE_INSTALL_PREFIX}/${pkgconfig_folder}" "${CMAKE_INSTALL_PREFIX}")

configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/llmdit-config.cmake.in" "${CMAKE_BINARY_DIR}/llmdit-config.cmake"
                              INSTALL_DESTINATION "${package_folder}" NO_CHECK_REQUIRED_COMPONENTS_MACRO)
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file("${CMAKE_BINARY_DIR}/llmdit-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_BINARY_DIR}/llmdit-config.cmake" "${CMAKE_BINARY_DIR}/llmdit-config-version.cmake"
        DESTINATION "${package_folder}" COMPONENT development)
install(EXPORT llmdit-targets NAMESPACE llmdit:: DESTINATION "${package_folder}" COMPONENT development)

string(REGEX REPLACE "/$" "" LLMDIT_PREFIX_FROM_PKGCONFIG "${LLMDIT_PREFIX_FROM_PKGCONFIG}")
foreach(name llmdit llmdit-c)
  configure_file("${CMAKE_CURRENT_LIST_DIR}/${name}.pc.in" "${CMAKE_BINARY_DIR}/${name}.pc" @ONLY)
  install(FILES "${CMAKE_BINARY_DIR}/${name}.pc" DESTINATION "${pkgconfig_folder}" COMPONENT pkgconfig)
endforeach()
