#pragma once

// libtorch's logging defines macros of Catch2's names; Catch2's must win.
#include <ATen/ATen.h>
#undef CHECK
#undef CHECK_EQ
#undef CHECK_NE

#include <catch2/catch_test_macros.hpp>
