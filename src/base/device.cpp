#include "llmdit/device.hpp"

#include <ATen/Context.h>
#include <ATen/cpu/Utils.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "base/attention_table.hpp"
#include "base/check.hpp"
#include "base/cpu_kind.hpp"
#include "base/dtype_table.hpp"
#include "base/gpu_driver.hpp"
#include "base/load_options.hpp"
#include "base/memory_size.hpp"
#include "base/option_table.hpp"
#include "llmdit/load_options.hpp"

namespace llmdit {

template <>
struct EnumTable<Quantization> {
  static constexpr EnumName<Quantization> names[] = {{Quantization::none, "none"},
                                                     {Quantization::int8, "int8"},
                                                     {Quantization::int8, "8bit"},
                                                     {Quantization::int4, "int4"},
                                                     {Quantization::int4, "4bit"}};
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
        {.section = "encoder", .help = "type the weights are kept in", .flag = "torch-dtype", .key = "torch_dtype"}),
    field<LoadOptions, "quantization", &LoadOptions::quantization>(
        {.section = "pipeline", .help = "kind the matrices of the blocks are turned into"}),
    field<LoadOptions, "text_encoder_quantization", &LoadOptions::text_encoder_quantization>(
        {.section = "encoder",
         .help = "the same for the text encoder alone",
         .key = "quantization",
         .is_fine_point = true}),
    field<LoadOptions, "dit_quantization", &LoadOptions::dit_quantization>(
        {.section = "pipeline", .help = "the same for the transformer alone", .is_fine_point = true}),
    field<LoadOptions, "vl_quantization", &LoadOptions::vl_quantization>(
        {.section = "vl", .help = "the same for Qwen3-VL alone", .is_fine_point = true}),
    field<LoadOptions, "device", &LoadOptions::device>(
        {.section = "pipeline", .help = "where the models run: auto, cpu, cuda, cuda:N"}),
    field<LoadOptions, "text_encoder_device", &LoadOptions::text_encoder_device>(
        {.section = "encoder",
         .help = "device of the text encoder, when it is another",
         .key = "device",
         .is_fine_point = true}),
    field<LoadOptions, "dit_device", &LoadOptions::dit_device>(
        {.section = "pipeline", .help = "device of the transformer, when it is another", .is_fine_point = true}),
    field<LoadOptions, "vae_device", &LoadOptions::vae_device>(
        {.section = "pipeline", .help = "device of the autoencoder, when it is another", .is_fine_point = true}),
    field<LoadOptions, "cpu_offload", &LoadOptions::cpu_offload>(
        {.section = "optimization",
         .help = "the models take turns: one in memory, or on the GPU, at a time",
         .is_fine_point = true}),
    field<LoadOptions, "max_memory", &LoadOptions::max_memory>(
        {.section = "optimization",
         .help = "weights in memory at most, such as 8GB; the rest is read for each use",
         .is_fine_point = true}),
    field<LoadOptions, "attention_backend", &LoadOptions::attention_backend>(
        {.section = "pytorch",
         .help = "kernel of attention; `llmdit devices` lists those that are there",
         .is_fine_point = true}),
    field<LoadOptions, "compile", &LoadOptions::compile>(
        {.section = "optimization",
         .help = "always refused, and told why: libtorch compiles models of Python only",
         .is_fine_point = true}),
    field<LoadOptions, "transformer_path", &LoadOptions::transformer_path>(
        {.section = "pipeline",
         .help = "transformer from this file or folder; safetensors or GGUF",
         .is_fine_point = true}),
    field<LoadOptions, "text_encoder_path", &LoadOptions::text_encoder_path>(
        {.section = "encoder",
         .help = "text encoder from this file or folder; safetensors or GGUF",
         .is_fine_point = true}),
    field<LoadOptions, "vae_path", &LoadOptions::vae_path>(
        {.section = "pipeline", .help = "autoencoder from this file or folder", .is_fine_point = true}),
    field<LoadOptions, "tokenizer_path", &LoadOptions::tokenizer_path>(
        {.section = "encoder", .help = "tokenizer from this file or folder", .is_fine_point = true}),
    field<LoadOptions, "vl_model_path", &LoadOptions::vl_model_path>(
        {.section = "vl",
         .help = "Qwen3-VL from this folder, to read vl_image; default the model's own",
         .flag = "vl-model",
         .is_fine_point = true}),
    field<LoadOptions, "vl_device", &LoadOptions::vl_device>(
        {.section = "vl", .help = "device of Qwen3-VL, when it is another", .is_fine_point = true}),
    field<LoadOptions, "vl_auto_unload", &LoadOptions::vl_auto_unload>(
        {.section = "vl", .help = "free Qwen3-VL's weights after each reading of a picture", .is_fine_point = true}),
    field<LoadOptions, "enable_cache", &LoadOptions::enable_cache>({.section = "pytorch",
                                                                    .help = "keep the embeddings of prompts in memory",
                                                                    .flag = "embedding-cache",
                                                                    .is_fine_point = true}),
    field<LoadOptions, "cache_size", &LoadOptions::cache_size>(
        {.section = "pytorch",
         .help = "prompts that the cache keeps in memory at most",
         .is_fine_point = true,
         .minimum = 0,
         .maximum = 1e9}),
    field<LoadOptions, "cache_megabytes", &LoadOptions::cache_megabytes>({.section = "pytorch",
                                                                          .help = "memory that the cache takes at most",
                                                                          .unit = "MiB",
                                                                          .is_fine_point = true,
                                                                          .minimum = 0,
                                                                          .maximum = 1e9}),
    field<LoadOptions, "cache_folder", &LoadOptions::cache_folder>(
        {.section = "pytorch", .help = "keep embeddings of prompts as files in this folder", .is_fine_point = true}),
    field<LoadOptions, "lora", &LoadOptions::lora>(
        {.section = "lora",
         .help = "LoRA file, FILE or FILE:SCALE, fused into the weights; may be given several times",
         .key = "paths"}),
};

}  // namespace

std::string_view dtype_name(DType dtype) noexcept { return enum_name(dtype); }
std::optional<DType> parse_dtype(std::string_view name) noexcept { return parse_enum<DType>(name); }

std::vector<DeviceInfo> available_devices() {
  std::vector<DeviceInfo> devices = {describe_cpu()};
  if (at::globalContext().hasCUDA()) {
    for (int i = 0; i < at::detail::getCUDAHooks().deviceCount(); ++i) {
      devices.push_back(describe_gpu(i));
    }
  }
  return devices;
}

std::vector<StorageSupport> storage_support(std::string_view device) {
  if (device == "cpu") {
    return {{"float32", "native"},
            {"bfloat16", is_bfloat16_native() ? "native" : "widened to float32"},
            {"float16", "widened to float32"},
            {"float8", "widened to float32"},
            {"int8", is_int8_native() ? "native" : "integers"},
            {"int4", "integers"},
            {"GGUF blocks", "widened to float32"}};
  }
  const std::vector<DeviceInfo> devices = available_devices();
  check(std::ranges::find(devices, device, &DeviceInfo::name) != devices.end(), "storage_support",
        "expected a device that `llmdit devices` lists, got '{}'", device);
  return {{"float32", "native"},
          {"bfloat16", "native"},
          {"float16", "widened to float32"},
          {"float8", "widened to bfloat16"},
          {"int8", "widened to bfloat16"},
          {"int4", "widened to bfloat16"},
          {"GGUF blocks", "widened to bfloat16"}};
}

template <>
std::span<const OptionField> option_fields<LoadOptions>() {
  return load_fields;
}

void check_component_options(const LoadOptions& options) {
  check_options(options);
  const std::pair<const char*, bool> given[] = {{"transformer_path", options.transformer_path.has_value()},
                                                {"text_encoder_path", options.text_encoder_path.has_value()},
                                                {"vae_path", options.vae_path.has_value()},
                                                {"tokenizer_path", options.tokenizer_path.has_value()},
                                                {"vl_model_path", options.vl_model_path.has_value()},
                                                {"lora", !options.lora.empty()}};
  for (const auto& [name, is_given] : given) {
    check(!is_given, name, "expected this option where a pipeline is loaded; a single part takes its path as argument");
  }
  check(!options.cpu_offload, "cpu_offload",
        "expected false, got true: where one model is loaded, none waits for its turn; a pipeline takes it, and "
        "max_memory bounds a single model, too");
}

void check_plain_component_options(const LoadOptions& options) {
  check_component_options(options);
  check(options.quantization == Quantization::none, "quantization",
        "expected none, got {}: it is for the blocks of the transformer and of the text encoder",
        enum_name(options.quantization));
}

LoadOptions component_options(const LoadOptions& options) {
  LoadOptions own = options;
  for (auto* path :
       {&own.transformer_path, &own.text_encoder_path, &own.vae_path, &own.tokenizer_path, &own.vl_model_path})
    path->reset();
  own.lora.clear();
  own.cpu_offload = false;  // who takes turns with whom is the pipeline's
  return own;
}

}  // namespace llmdit
