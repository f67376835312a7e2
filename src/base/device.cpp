#include "llmdit/device.hpp"

#include <ATen/Context.h>
#include <ATen/cpu/Utils.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <unistd.h>

#include <fstream>

#include "base/check.hpp"
#include "base/enum_table.hpp"
#include "base/option_table.hpp"
#include "llmdit/load_options.hpp"

namespace llmdit {

template <>
struct EnumTable<DType> {
  static constexpr EnumName<DType> names[] = {
      {DType::automatic, "auto"},  {DType::float32, "float32"}, {DType::bfloat16, "bfloat16"},
      {DType::float16, "float16"}, {DType::float32, "fp32"},    {DType::float32, "float"},
      {DType::bfloat16, "bf16"},   {DType::float16, "fp16"},    {DType::float16, "half"},
  };
};

namespace {

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(std::min(line.size(), line.find(':') + 2));
  }
  return "CPU";
}

// The instruction sets that decide how fast a transformer runs, of all that libtorch reports.
std::vector<std::string> processor_features() {
  std::vector<std::string> features;
  const auto capabilities = at::cpu::get_cpu_capabilities();
  for (const char* name :
       {"avx2", "f16c", "avx512_f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "neon", "sve"}) {
    const auto found = capabilities.find(name);
    if (found != capabilities.end() && found->second.isBool() && found->second.toBool()) features.emplace_back(name);
  }
  return features;
}

DeviceInfo describe_cpu() {
  const auto pages = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES));
  const auto page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return {.name = "cpu",
          .description = processor_name(),
          .memory_bytes = pages * page_bytes,
          .features = processor_features()};
}

constexpr OptionField load_fields[] = {
    field<LoadOptions, "dtype", &LoadOptions::dtype>(
        {.section = "encoder",
         .help = "type the weights are kept in; auto is the checkpoint's own",
         .flag = "torch-dtype"}),
    field<LoadOptions, "device", &LoadOptions::device>(
        {.section = "pipeline", .help = "where the models run: auto, cpu, cuda, cuda:N"}),
    field<LoadOptions, "text_encoder_device", &LoadOptions::text_encoder_device>(
        {.section = "encoder", .help = "device of the text encoder, when it is another"}),
    field<LoadOptions, "dit_device", &LoadOptions::dit_device>(
        {.section = "pipeline", .help = "device of the transformer, when it is another"}),
    field<LoadOptions, "vae_device", &LoadOptions::vae_device>(
        {.section = "pipeline", .help = "device of the autoencoder, when it is another"}),
};

}  // namespace

std::string_view dtype_name(DType dtype) noexcept { return enum_name(dtype); }
std::optional<DType> parse_dtype(std::string_view name) noexcept { return parse_enum<DType>(name); }

std::vector<DeviceInfo> available_devices() {
  std::vector<DeviceInfo> devices = {describe_cpu()};
  if (at::globalContext().hasCUDA()) {
    for (int i = 0; i < at::detail::getCUDAHooks().deviceCount(); ++i) {
      devices.push_back({.name = "cuda:" + std::to_string(i), .description = "CUDA device"});
    }
  }
  return devices;
}

template <>
std::span<const OptionField> option_fields<LoadOptions>() {
  return load_fields;
}

}  // namespace llmdit
