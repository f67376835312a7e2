#pragma once

#include <memory>

#include "nn/matmul.hpp"
#include "nn/stored_tensor.hpp"

namespace llmdit::nn {

/// Whether the processor multiplies with the weight as it is kept: Note [Native products] in base/cpu_kind.hpp.
bool has_native_product(const StoredTensor& weight);

/// That product by libtorch; a few rows are multiplied as make_cpu_matmul does.
std::shared_ptr<const MatMul> make_native_matmul(const StoredTensor& weight);

}  // namespace llmdit::nn
