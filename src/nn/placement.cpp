#include "nn/placement.hpp"

#include <c10/util/Exception.h>

#include "base/check.hpp"
#include "base/parse_choice.hpp"
#include "nn/attention_backends.hpp"

namespace llmdit::nn {
namespace {

std::optional<c10::ScalarType> scalar_type(DType dtype) {
  switch (dtype) {
    case DType::automatic:
      return std::nullopt;
    case DType::float32:
      return c10::kFloat;
    case DType::bfloat16:
      return c10::kBFloat16;
    case DType::float16:
      return c10::kHalf;
  }
  return std::nullopt;
}

}  // namespace

c10::Device resolve_device(const std::string& name, std::string_view option) {
  const auto devices = available_devices();
  if (name == "auto") return c10::Device(devices[devices.size() > 1 ? 1 : 0].name);
  std::vector<std::string_view> names = {"auto"};
  for (const DeviceInfo& device : devices) {
    if (device.name == name || (name == "cuda" && device.name == "cuda:0")) return c10::Device(device.name);
    names.push_back(device.name);
  }
  std::string_view text = name;
  const std::string guess = did_you_mean(text.substr(0, text.find(':')), names);
  fail(ErrorCode::invalid_argument, option, "expected {}, got '{}'{}", fmt::join(names, ", "), name,
       guess.empty() ? "; see `llmdit devices`" : guess);
}

Placement resolve_placement(const LoadOptions& options, const ComponentChoice& own) {
  if (options.compile) {
    fail(ErrorCode::unsupported, "compile",
         std::string_view(
             "expected false, got true: libtorch compiles what torch.export makes of a Python model, and "
             "this library's models are C++ and compiled already; quantization is what makes a CPU faster"));
  }
  const std::string option = own.device ? fmt::format("{}_device", own.part) : "device";
  const c10::Device device = resolve_device(own.device.value_or(options.device), option);
  return {.device = device,
          .storage = scalar_type(options.dtype),
          .quantization = own.quantization.value_or(options.quantization),
          .attention = resolve_attention(options.attention_backend, device),
          .max_memory = options.max_memory ? std::optional(options.max_memory->bytes) : std::nullopt};
}

}  // namespace llmdit::nn
