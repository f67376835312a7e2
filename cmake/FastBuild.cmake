find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
  # Precompiled headers need ccache's leave to ignore their time stamps.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      "${CMAKE_COMMAND};-E;env;CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime;${CCACHE_PROGRAM}")
endif()

find_program(MOLD_PROGRAM mold)
include(CheckLinkerFlag)
check_linker_flag(CXX -fuse-ld=mold LLMDIT_LINKS_WITH_MOLD)  # GCC before 12 does not know it
if(MOLD_PROGRAM AND LLMDIT_LINKS_WITH_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# For code that only hands things on: the optimiser takes most of its compile time, and nobody waits for what it gains.
function(llmdit_compile_fast target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
endfunction()
