#include "nn/gradient_checkpoint.hpp"

#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

#include <utility>

namespace llmdit::nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// A thread's automatic casting. Backward runs outside a caller's autocast block, and the second run must be as the
/// first.
struct Autocast {
  c10::DeviceType device;
  bool enabled;
  c10::ScalarType type;

  static Autocast current(c10::DeviceType device) {
    return {device, at::autocast::is_autocast_enabled(device), at::autocast::get_autocast_dtype(device)};
  }

  void apply() const {
    at::autocast::set_autocast_enabled(device, enabled);
    at::autocast::set_autocast_dtype(device, type);
  }
};

class AutocastGuard {
 public:
  explicit AutocastGuard(const Autocast& wanted) : before_(Autocast::current(wanted.device)) { wanted.apply(); }
  ~AutocastGuard() { before_.apply(); }
  AutocastGuard(const AutocastGuard&) = delete;
  AutocastGuard& operator=(const AutocastGuard&) = delete;

 private:
  Autocast before_;
};

/// What backward needs beside the inputs, in the form that a context can hold.
struct Recipe final : torch::CustomClassHolder {
  Recipe(Computation run, const Autocast& autocast) : run(std::move(run)), autocast(autocast) {}

  Computation run;
  Autocast autocast;
};

struct Checkpoint final : torch::autograd::Function<Checkpoint> {
  static at::Tensor forward(AutogradContext* ctx, const c10::intrusive_ptr<Recipe>& recipe, at::TensorList inputs) {
    ctx->saved_data["recipe"] = c10::IValue::make_capsule(recipe);
    ctx->save_for_backward(inputs.vec());
    return recipe->run(inputs);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto capsule = ctx->saved_data["recipe"].toCapsule();
    const auto& recipe = static_cast<const Recipe&>(*capsule);
    const bool create_graph = c10::GradMode::is_enabled();
    // Views of the inputs, so that hooks on these run once, in the outer backward, and second derivatives pass through.
    variable_list inputs, wanted;
    at::Tensor output;
    const variable_list saved = ctx->get_saved_variables();
    {
      const c10::AutoGradMode grad_mode(true);
      for (const at::Tensor& input : saved) inputs.push_back(input.requires_grad() ? input.view_as(input) : input);
      const AutocastGuard autocast(recipe.autocast);
      output = recipe.run(inputs);
    }
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (ctx->needs_input_grad(i)) wanted.push_back(inputs[i]);
    }
    const variable_list found =
        torch::autograd::grad({output}, wanted, grads, /*retain_graph=*/create_graph, create_graph);
    variable_list result(1);  // the recipe's place
    auto next = found.begin();
    for (size_t i = 0; i < inputs.size(); ++i) result.push_back(ctx->needs_input_grad(i) ? *next++ : at::Tensor());
    return result;
  }
};

}  // namespace

at::Tensor checkpointed(Computation run, at::TensorList inputs) {
  const auto autocast = Autocast::current(inputs.front().device().type());
  return Checkpoint::apply(c10::make_intrusive<Recipe>(std::move(run), autocast), inputs);
}

}  // namespace llmdit::nn
