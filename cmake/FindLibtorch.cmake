# Gives the target llmdit_torch: libtorch's headers and the libraries the C++ code needs, from the torch package of the Python that
# CMake uses, or from a libtorch on CMAKE_PREFIX_PATH.
set(Python_FIND_VIRTUALENV FIRST)
if(NOT Python_EXECUTABLE AND EXISTS "${PROJECT_SOURCE_DIR}/.venv/bin/python")
  set(Python_EXECUTABLE "${PROJECT_SOURCE_DIR}/.venv/bin/python")
endif()
find_package(Python 3.10 COMPONENTS Interpreter OPTIONAL_COMPONENTS Development.Module)

if(Python_Interpreter_FOUND)
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -c "import os, torch; print(os.path.dirname(torch.__file__), torch.__version__, sep=';')"
    OUTPUT_VARIABLE torch_found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(torch_found)
    list(GET torch_found 0 TORCH_INSTALL_PREFIX)
    list(GET torch_found 1 TORCH_VERSION)
  endif()
endif()

add_library(llmdit_torch INTERFACE)
if(TORCH_INSTALL_PREFIX)
  # Not through the package's own CMake files: those of a CUDA build ask for a CUDA toolkit, which nothing here needs.
  set(TORCH_INCLUDE_DIRS "${TORCH_INSTALL_PREFIX}/include" "${TORCH_INSTALL_PREFIX}/include/torch/csrc/api/include")
  foreach(name torch torch_cpu c10)
    find_library(LLMDIT_${name}_LIBRARY ${name} PATHS "${TORCH_INSTALL_PREFIX}/lib" NO_DEFAULT_PATH REQUIRED)
    target_link_libraries(llmdit_torch INTERFACE "${LLMDIT_${name}_LIBRARY}")
  endforeach()
  if(EXISTS "${TORCH_INSTALL_PREFIX}/lib/libtorch_cuda.so")
    # Nothing refers to it by name; loaded, it registers the GPU kernels.
    target_link_libraries(llmdit_torch INTERFACE "-Wl,--no-as-needed,${TORCH_INSTALL_PREFIX}/lib/libtorch_cuda.so")
  endif()
else()
  find_package(Torch)
  if(NOT Torch_FOUND)
    message(FATAL_ERROR "libtorch was not found: install the Python package torch==2.13.0 into the Python that CMake uses "
                        "(-DPython_EXECUTABLE=...; the set-up script makes .venv), or point CMAKE_PREFIX_PATH at a libtorch")
  endif()
  target_link_libraries(llmdit_torch INTERFACE torch)
  set(TORCH_VERSION "${Torch_VERSION}")
endif()
target_include_directories(llmdit_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
get_filename_component(LLMDIT_TORCH_LIB_DIR "${TORCH_INSTALL_PREFIX}/lib" ABSOLUTE)

# Gives llmdit_threads: at::parallel_for is compiled into its caller and needs OpenMP there. GCC's code runs on the very runtime that
# libtorch brings along: one pool of threads, and torch.set_num_threads holds for all. Clang's has a runtime and a pool of its own.
add_library(llmdit_threads INTERFACE)
file(GLOB LLMDIT_TORCH_GOMP "${LLMDIT_TORCH_LIB_DIR}/libgomp*.so*")
if(LLMDIT_TORCH_GOMP AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(llmdit_threads INTERFACE -fopenmp)
  target_link_libraries(llmdit_threads INTERFACE ${LLMDIT_TORCH_GOMP})
else()
  find_package(OpenMP COMPONENTS CXX)
  if(OpenMP_CXX_FOUND)
    target_link_libraries(llmdit_threads INTERFACE OpenMP::OpenMP_CXX)
  elseif(NOT LLMDIT_BUILD_FUZZERS)
    message(WARNING "no OpenMP for this compiler: products of matrices will run on one thread; install libomp or use GCC")
  endif()
endif()
