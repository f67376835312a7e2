#include "nn/placement.hpp"

#include <c10/util/Exception.h>

#include "base/check.hpp"

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

c10::Device resolve_device(const std::string& name) {
  const auto devices = available_devices();
  if (name == "auto") return c10::Device(devices[devices.size() > 1 ? 1 : 0].name);
  std::vector<std::string_view> names;
  for (const DeviceInfo& device : devices) {
    if (device.name == name || (name == "cuda" && device.name == "cuda:0")) return c10::Device(device.name);
    names.push_back(device.name);
  }
  fail(ErrorCode::invalid_argument, "device", "expected auto, {}, got '{}'; see `llmdit devices`",
       fmt::join(names, ", "), name);
}

}  // namespace

Placement resolve_placement(const LoadOptions& options, const std::optional<std::string>& override_device) {
  const c10::Device device = resolve_device(override_device.value_or(options.device));
  check(options.quantization != Quantization::int4 || device.is_cpu(), "quantization",
        "expected none or int8 on {}, got int4: blocks of 4 bits have no GPU kernel", device.str());
  return {.device = device, .storage = scalar_type(options.dtype), .quantization = options.quantization};
}

}  // namespace llmdit::nn
