#pragma once

#include <string>

#include "io/checkpoint.hpp"

namespace llmdit::io {

/// What the tensors are of, told by their names and shapes: a class such as "ZImageTransformer2DModel"; "LoRA" for
/// every kind of adapter; several joined with " + " for an all-in-one file; the name of a model that is not handled; ""
/// when unknown.
std::string tell_model(const Checkpoint& checkpoint);

}  // namespace llmdit::io
