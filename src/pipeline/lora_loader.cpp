#include "pipeline/lora_loader.hpp"

#include <charconv>
#include <cmath>

#include "adapters/lora_file.hpp"
#include "base/check.hpp"
#include "io/encoding.hpp"
#include "io/hub_cache.hpp"

namespace llmdit {

Lora parse_lora(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon != text.npos) {
    const std::string_view tail = text.substr(colon + 1);
    double scale = 0;
    const auto [end, error] = std::from_chars(tail.data(), tail.data() + tail.size(), scale);
    if (error == std::errc() && end == tail.data() + tail.size())
      return {.path = io::path_from_utf8(text.substr(0, colon)), .scale = scale};
  }
  return {.path = io::path_from_utf8(text), .scale = 1.0};
}

LoraLoader::Models LoraLoader::apply(const Models& base, std::span<const Request> loaded,
                                     std::span<const Request> added, bool strict, LoraReport& report) {
  const auto transformer_shapes = base.transformer.weight_shapes();
  const auto encoder_shapes = base.text_encoder.weight_shapes();
  adapters::PatchBuilder transformer, text_encoder;
  const auto add = [&](const Request& request, LoraReport* own_report) {
    check(std::isfinite(request.lora.scale), "lora", "expected a finite scale for {}, got {}",
          io::printable_path(request.lora.path), request.lora.scale);
    const auto file = io::Checkpoint::open(io::resolve_model_path(request.lora.path));
    const auto lora = adapters::read_lora(file, transformer_shapes, request.text_encoder ? &encoder_shapes : nullptr);
    if (own_report) adapters::report_lora(lora, strict, *own_report);
    transformer.add(lora.transformer, request.lora.scale);
    text_encoder.add(lora.text_encoder, request.lora.scale);
  };
  for (const Request& request : loaded) add(request, nullptr);
  for (const Request& request : added) add(request, &report);
  const auto encoder_patches = text_encoder.build();
  return {.transformer = base.transformer.patched(transformer.build()),
          .text_encoder = base.text_encoder.patched(encoder_patches)};
}

LoraLoader::Models LoraLoader::remove(const Models& base) {
  return {.transformer = base.transformer.patched({}), .text_encoder = base.text_encoder.patched({})};
}

}  // namespace llmdit
