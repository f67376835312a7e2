#pragma once

#include "llmdit/chat.hpp"

#include "bindings.hpp"

namespace llmdit::python {

/// ChatOptions from keywords named like its attributes.
ChatOptions chat_options_from(const py::kwargs& keywords);

}  // namespace llmdit::python
