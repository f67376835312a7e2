#pragma once

#include "llmdit/image.hpp"

#include "bindings.hpp"

namespace llmdit::python {

/// Texts of a picture from a mapping, a sequence of pairs, or None.
ImageText text_from(const py::object& source);

}  // namespace llmdit::python
