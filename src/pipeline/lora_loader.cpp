#include "pipeline/lora_loader.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/check.hpp"
#include "io/content_digest.hpp"
#include "io/encoding.hpp"
#include "io/hub_cache.hpp"

namespace llmdit {
namespace {

std::optional<double> parse_scale(std::string_view text) {
  double scale = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), scale);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return scale;
}

}  // namespace

Lora parse_lora(std::string_view text) {
  constexpr std::string_view encoder_mark = ":te";
  Lora lora{.path = io::path_from_utf8(text)};
  std::error_code ignored;
  if (std::filesystem::exists(lora.path, ignored)) return lora;
  std::string_view rest = text;
  if (rest.ends_with(encoder_mark)) {
    lora.text_encoder = true;
    rest.remove_suffix(encoder_mark.size());
  }
  if (const size_t colon = rest.rfind(':'); colon != rest.npos) {
    if (const auto scale = parse_scale(rest.substr(colon + 1))) {
      lora.scale = *scale;
      rest = rest.substr(0, colon);
    }
  }
  lora.path = io::path_from_utf8(rest);
  return lora;
}

LoraLoader::Loaded LoraLoader::read(const Models& models, const Lora& lora, bool strict, LoraReport& report) {
  check(!lora.path.empty(), "lora", "expected the path of a LoRA, got an empty text");
  check(std::isfinite(static_cast<float>(lora.scale)), "lora", "expected a finite scale for {}, got {}",
        io::printable_path(lora.path), lora.scale);
  check(!lora.text_encoder || models.text_encoder, "lora",
        "expected the model's own text encoder, which {} is to change, but the pipeline was loaded without it",
        io::printable_path(lora.path));
  const auto encoder_shapes = lora.text_encoder ? models.text_encoder->weight_shapes() : adapters::WeightShapes();
  const auto file = io::Checkpoint::open(io::resolve_model_path(lora.path));
  Loaded loaded{
      adapters::read_lora(file, models.transformer.weight_shapes(), lora.text_encoder ? &encoder_shapes : nullptr),
      lora.scale, io::content_digest(file)};
  adapters::report_lora(loaded.file, strict, report);
  if (lora.scale == 0)
    report.warnings.push_back(fmt::format("LoRA {}: its scale is 0, which changes nothing", loaded.file.name));
  return loaded;
}

LoraLoader::Models LoraLoader::apply(const Models& models, std::span<const Loaded> loras) {
  adapters::PatchBuilder transformer, text_encoder;
  std::vector<std::string> contents;
  for (const Loaded& lora : loras) {
    transformer.add(lora.file.transformer, lora.scale);
    text_encoder.add(lora.file.text_encoder, lora.scale);
    if (lora.scale != 0 && !lora.file.text_encoder.empty())
      contents.push_back(fmt::format("{} x {}", lora.content, lora.scale));
  }
  std::ranges::sort(contents);  // their order does not matter
  Models patched{.transformer = models.transformer.patched(transformer.build()), .text_encoder = {}};
  if (models.text_encoder)
    patched.text_encoder =
        models.text_encoder->patched(text_encoder.build(), fmt::format("{}", fmt::join(contents, ", ")));
  return patched;
}

}  // namespace llmdit
