#pragma once

#include "llmdit/config.hpp"

#include "bindings.hpp"

namespace llmdit::python {

/// The settings in force together with where each came from: RuntimeConfig in Python.
struct ResolvedConfig {
  Config config;
  RuntimeConfig runtime{};
};

/// The profile in force and the environment over it.
ResolvedConfig settings_in_force();

}  // namespace llmdit::python
