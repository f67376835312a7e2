#include "base/gpu_driver.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <array>
#include <cstddef>

namespace llmdit {
namespace {

// Functions of the CUDA driver's stable C interface, which libtorch has loaded; nothing here is linked against it. Zero
// is success.
constexpr int compute_capability_major = 75, compute_capability_minor = 76;

template <class... Arguments>
bool call(void* driver, const char* name, Arguments... arguments) {
  const auto function = reinterpret_cast<int (*)(Arguments...)>(::dlsym(driver, name));
  return function != nullptr && function(arguments...) == 0;
}

}  // namespace

DeviceInfo describe_gpu(int index) {
  DeviceInfo info{
      .name = fmt::format("cuda:{}", index), .description = "CUDA device", .memory_bytes = 0, .features = {}};
  void* driver = ::dlopen("libcuda.so.1", RTLD_NOW);
  int device = 0;
  if (driver == nullptr || !call(driver, "cuInit", 0u) || !call(driver, "cuDeviceGet", &device, index)) return info;
  std::array<char, 256> name{};
  if (call(driver, "cuDeviceGetName", name.data(), static_cast<int>(name.size() - 1), device))
    info.description = name.data();
  size_t bytes = 0;
  if (call(driver, "cuDeviceTotalMem_v2", &bytes, device)) info.memory_bytes = bytes;
  int major = 0, minor = 0;
  if (call(driver, "cuDeviceGetAttribute", &major, compute_capability_major, device) &&
      call(driver, "cuDeviceGetAttribute", &minor, compute_capability_minor, device))
    info.features = {fmt::format("sm_{}{}", major, minor)};
  return info;
}

}  // namespace llmdit
