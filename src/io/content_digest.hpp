#pragma once

#include <span>
#include <string>

#include "io/checkpoint.hpp"
#include "io/tensor_table.hpp"

namespace llmdit::io {

/// SHA-256 of the tensors with their names, types and shapes: reads every byte, on all threads.
std::string content_digest(const Checkpoint& files);

/// The same of one model's tensors alone, under the model's names.
std::string content_digest(const TensorTable& table);

/// The same of the first bytes of each tensor only: tells files apart without reading them.
std::string sample_digest(const TensorTable& table);

}  // namespace llmdit::io
