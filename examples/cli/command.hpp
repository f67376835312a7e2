#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace llmdit::cli {

/// What a parsed command line does; returns the exit code. What it throws is told on stderr and gives its own exit
/// code.
using Action = std::function<int()>;

/// Adds a command's flags to its parser and returns what runs once they are parsed.
using AddCommand = Action(CLI::App& app);

struct Command {
  const char* group;  ///< that the program's help lists it in
  const char* name;
  const char* summary;
  AddCommand* add;
};

// One file each; main.cpp lists them.
AddCommand add_generate, add_sweep, add_rewrite, add_encode, add_format, add_templates, add_inspect, add_convert,
    add_serve_encoder, add_config, add_completion, add_devices, add_doctor, add_plan;

}  // namespace llmdit::cli
