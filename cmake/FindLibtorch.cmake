# Gives the target llmdit_torch: libtorch's headers, flags and the two libraries the C++ code needs.
set(Python_FIND_VIRTUALENV FIRST)
if(NOT Python_EXECUTABLE AND EXISTS "${PROJECT_SOURCE_DIR}/.venv/bin/python")
  set(Python_EXECUTABLE "${PROJECT_SOURCE_DIR}/.venv/bin/python")
endif()
find_package(Python 3.10 COMPONENTS Interpreter OPTIONAL_COMPONENTS Development.Module)

if(Python_Interpreter_FOUND)
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -c "import torch.utils; print(torch.utils.cmake_prefix_path)"
    OUTPUT_VARIABLE torch_cmake_prefix OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(torch_cmake_prefix)
    list(APPEND CMAKE_PREFIX_PATH "${torch_cmake_prefix}")
  endif()
endif()

find_package(Torch QUIET)
if(NOT Torch_FOUND)
  message(FATAL_ERROR "libtorch was not found: install the Python package torch==2.13.0 into the Python that CMake uses "
                      "(-DPython_EXECUTABLE=...; the set-up script makes .venv), or point CMAKE_PREFIX_PATH at a libtorch")
endif()

add_library(llmdit_torch INTERFACE)
target_include_directories(llmdit_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
target_link_libraries(llmdit_torch INTERFACE torch)
get_filename_component(LLMDIT_TORCH_LIB_DIR "${TORCH_INSTALL_PREFIX}/lib" ABSOLUTE)
