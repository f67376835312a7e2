#pragma once

#include "llmdit/load_options.hpp"

namespace llmdit {

/// Checks the options of one component's loading: bounds, and that nothing is asked for that only a pipeline can do.
void check_component_options(const LoadOptions& options);

/// The same for a component whose weights are never quantised.
void check_plain_component_options(const LoadOptions& options);

/// Those of a pipeline's options that concern each component.
LoadOptions component_options(const LoadOptions& options);

}  // namespace llmdit
