#include "pipeline/provenance.hpp"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "base/cpu_kind.hpp"
#include "base/load_options.hpp"
#include "io/content_digest.hpp"
#include "io/encoding.hpp"
#include "io/hub_cache.hpp"
#include "llmdit/attention.hpp"
#include "llmdit/error.hpp"
#include "llmdit/version.hpp"
#include "models/model_files.hpp"
#include "nn/placement.hpp"
#include "pipeline/generation.hpp"

namespace llmdit {
namespace {

/// A GPU with its own name: another kind of them rounds otherwise.
std::string device_text(const c10::Device& device) {
  if (device.is_cpu()) return "cpu";
  for (const DeviceInfo& info : available_devices()) {
    if (info.name == device.str()) return fmt::format("{} ({})", info.name, info.description);
  }
  return device.str();
}

/// How a part is kept, and a digest of its files; `read_digest` throws where they are gone since they were loaded,
/// which must not cost a picture.
template <class ReadDigest>
void add_part(MadeWith& made_with, const std::string& name, const nn::Placement& placement,
              const ReadDigest& read_digest) {
  std::string& files = made_with[name + ".files"];
  try {
    files = read_digest();
  } catch (const Error&) {
    files = "gone since they were loaded";
  }
  made_with[name + ".device"] = device_text(placement.device);
  made_with[name + ".dtype"] = placement.storage ? c10::toString(*placement.storage) : "as stored";
  made_with[name + ".quantization"] =
      to_string(get_option(LoadOptions{.quantization = placement.quantization}, "quantization"));
  made_with[name + ".attention"] = attention_backend_name(placement.attention);
  if (!placement.device.is_cpu()) return;
  // On a CPU sums are in the order that kernels and threads give them.
  made_with["cpu.kernels"] = cpu_kernels();
  std::string& native = made_with["cpu.native"];  // products of wide layers that libtorch makes
  native = is_bfloat16_native() && is_int8_native() ? "bfloat16, int8"
           : is_bfloat16_native()                   ? "bfloat16"
           : is_int8_native()                       ? "int8"
                                                    : "none";
  made_with["cpu.threads"] = std::to_string(at::get_num_threads());
}

/// An encoder from elsewhere: its digest, where it knows one that costs nothing.
std::string name_of(const TextEncoder& encoder) {
  if (const auto* other = dynamic_cast<const ZImageTextEncoder*>(&encoder))
    return "passed, " + io::printable_path(other->path().filename());
  const std::string fingerprint = encoder.fingerprint();
  return "passed, " + (fingerprint.empty() ? "of unknown content" : fingerprint);
}

}  // namespace

MadeWith made_with(const PipelineParts& parts, bool reads_vl_image) {
  MadeWith names = parts.provenance->parts();
  if (!parts.text_encoder && parts.encoder) names["text_encoder.files"] = name_of(*parts.encoder);
  if (reads_vl_image) names.insert(parts.provenance->vl_encoder().begin(), parts.provenance->vl_encoder().end());
  for (size_t i = 0; i < parts.loras.size(); ++i) {
    const Lora& lora = parts.loras[i];
    names[fmt::format("lora {}", i + 1)] =
        fmt::format("{} x {}{}, {}", io::printable_path(lora.path.filename()), lora.scale,
                    lora.text_encoder ? " on both models" : "", parts.lora_contents[i]);
  }
  return names;
}

const MadeWith& Provenance::parts() const {
  std::call_once(parts_found_, [&] {
    const LoadOptions own = component_options(options_);
    parts_ = {{"llmdit", std::string(version())}, {"libtorch", std::string(torch_version())}};
    add_part(parts_, "transformer", nn::resolve_placement(own, {"dit", own.dit_device, own.dit_quantization}), [&] {
      return io::sample_digest(models::open_z_image(sources_.transformer(), sources_.config_of("transformer")).table);
    });
    add_part(parts_, "vae", nn::resolve_placement(own, {"vae", own.vae_device, Quantization::none}), [&] {
      return io::sample_digest(models::open_autoencoder(sources_.vae(), sources_.config_of("vae")).table);
    });
    if (!has_own_encoder_) return;
    add_part(parts_, "text_encoder",
             nn::resolve_placement(own, {"text_encoder", own.text_encoder_device, own.text_encoder_quantization}), [&] {
               return io::sample_digest(
                   models::open_qwen3(sources_.text_encoder(), sources_.config_of("text_encoder")).table);
             });
  });
  return parts_;
}

const MadeWith& Provenance::vl_encoder() const {
  std::call_once(vl_encoder_found_, [&] {
    const LoadOptions own = component_options(options_);
    add_part(vl_encoder_, "vl_encoder", nn::resolve_placement(own, {"vl", own.vl_device, own.vl_quantization}), [&] {
      const auto files = models::open_qwen3_vl(io::resolve_model_path(sources_.vl_encoder()));
      return io::sample_digest(files.language) + " " + io::sample_digest(files.vision);
    });
  });
  return vl_encoder_;
}

}  // namespace llmdit
