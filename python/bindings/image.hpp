#pragma once

#include "llmdit/image.hpp"

#include "bindings.hpp"

namespace llmdit::python {

/// Texts of a picture from a mapping, a sequence of pairs, or None.
ImageText text_from(const py::object& source);

/// An Image of ours, or what the package makes one from: a path, a picture of Pillow, an array, a tensor.
Image any_image_from(const py::object& source);

}  // namespace llmdit::python
