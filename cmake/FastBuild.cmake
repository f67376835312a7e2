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

option(LLMDIT_UNITY_BUILD "Compile the files of a folder eight at a time: faster from nothing, slower after a change" OFF)

# Most of a file's compile time is what it includes, and its neighbours include the same. A name inside `namespace {}` must therefore stand in
# one file of a folder only; what cannot be so has SKIP_UNITY_BUILD_INCLUSION.
function(llmdit_compile_together target)
  if(NOT LLMDIT_UNITY_BUILD)
    return()
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  # GCC takes what is included for a header, whose classes should not hold what is in `namespace {}`.
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  get_target_property(sources ${target} SOURCES)
  foreach(source IN LISTS sources)
    get_source_file_property(is_alone "${source}" SKIP_UNITY_BUILD_INCLUSION)
    if(source MATCHES "[.]cpp$" AND NOT is_alone)
      get_filename_component(folder "${source}" DIRECTORY)
      get_filename_component(folder "${folder}" NAME)
      if(NOT DEFINED files_in_${folder})
        set(files_in_${folder} 0)
      endif()
      math(EXPR number "${files_in_${folder}} / 8")
      math(EXPR files_in_${folder} "${files_in_${folder}} + 1")
      set_property(SOURCE "${source}" PROPERTY UNITY_GROUP "${folder}_${number}")
    endif()
  endforeach()
endfunction()
