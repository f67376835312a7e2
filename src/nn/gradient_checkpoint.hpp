#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace llmdit::nn {

/// A computation that gives the same result whenever it is run on the same inputs.
using Computation = std::function<at::Tensor(at::TensorList)>;

/// run(inputs), of which autograd keeps the inputs alone: backward runs it again. Gradients reach only what stands in
/// `inputs`, all of them defined.
at::Tensor checkpointed(Computation run, at::TensorList inputs);

}  // namespace llmdit::nn
