#pragma once

#include "llmdit/chat.hpp"

#include "bindings.hpp"

namespace llmdit::python {

/// ChatOptions from keywords named like its attributes.
ChatOptions chat_options_from(const py::kwargs& keywords);

/// The keyword `template` may be a Template, which goes under `prompt_template` then, and paths may be path-like.
py::kwargs plain_template_keywords(const py::kwargs& keywords);

}  // namespace llmdit::python
