#include "pipeline/vl_conditioning.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/check.hpp"
#include "conditioning/layer_mix.hpp"
#include "io/encoding.hpp"
#include "io/hub_cache.hpp"
#include "models/model_files.hpp"

namespace llmdit {
namespace {

void check_width(int64_t own, int64_t wanted, const std::filesystem::path& path) {
  if (own == wanted) return;
  fail(ErrorCode::unsupported, "vl_image",
       "expected a Qwen3-VL model as wide as the text encoder, {}, found {} in {}; for Qwen3-4B it is Qwen3-VL-4B",
       wanted, own, io::printable_path(path));
}

void check_width(const VLEmbeddingExtractor& extractor, const at::Tensor& embeds) {
  check(embeds.defined() && embeds.dim() == 2, "prompt_embeds", "expected [tokens, hidden_size], got {}",
        embeds.defined() ? fmt::format("[{}]", fmt::join(embeds.sizes(), ", ")) : "an empty tensor");
  check_width(extractor.hidden_size(), embeds.size(1), extractor.path());
}

/// Statistics of other layers than the prompt's bring the picture's rows to a scale that the transformer does not see.
std::optional<std::string> layer_warning(const ReferenceStatistics& statistics, const GenerateOptions& options,
                                         int64_t num_hidden_layers) {
  if (!statistics.hidden_layer || options.prompt_embeds) return std::nullopt;
  const auto from_start = [&](int64_t layer) { return layer < 0 ? layer + num_hidden_layers + 1 : layer; };
  if (options.layer_weights.empty() && from_start(*statistics.hidden_layer) == from_start(options.hidden_layer))
    return std::nullopt;
  return fmt::format(
      "vl_statistics are of layer {}, and the prompt is read at {}: the picture is brought to a scale "
      "that is not the prompt's",
      *statistics.hidden_layer,
      options.layer_weights.empty() ? fmt::format("layer {}", options.hidden_layer) : "a mix of layers");
}

/// A picture of the same size that shows nothing: what is the same in its rows is not the picture's style.
Image neutral_picture(const Image& image) {
  constexpr uint8_t mid_gray = 128;
  return {.width = image.width, .height = image.height, .pixels = std::vector<uint8_t>(image.pixels.size(), mid_gray)};
}

}  // namespace

VLEmbeddingExtractor VLSource::get() const {
  const std::lock_guard lock(mutex_);
  if (!extractor_)
    extractor_ = VLEmbeddingExtractor::load(sources_, options_, {.auto_unload = options_.vl_auto_unload});
  return *extractor_;
}

void VLSource::check(const VLOptions& options, int64_t width) const {
  if (!options.statistics.empty()) ReferenceStatistics::load(io::path_from_utf8(options.statistics));
  const std::lock_guard lock(mutex_);
  if (extractor_) return;  // whose reading looks at its options before its weights
  const std::filesystem::path path = io::resolve_model_path(sources_.vl_encoder());
  const Qwen3Config config = models::open_qwen3_vl(path).config.text;
  check_width(config.hidden_size, width, path);
  constexpr int64_t tokens = 1;
  LayerMix({{options.extract.hidden_layer, 1.0}}, {}, config.num_hidden_layers, tokens);
}

VLConditioned condition_on_picture(const VLEmbeddingExtractor& extractor, const std::vector<at::Tensor>& prompt_embeds,
                                   const GenerateOptions& options, int64_t num_hidden_layers) {
  const VLOptions& vl = options.vl;
  VLConditioned result;
  const auto deferred = extractor.defer_unload();  // a neutral picture, further prompts
  std::optional<ReferenceStatistics> statistics = vl.extract.statistics;
  if (!vl.statistics.empty()) statistics = ReferenceStatistics::load(io::path_from_utf8(vl.statistics));
  if (statistics) {
    auto warning = layer_warning(*statistics, options, num_hidden_layers);
    if (warning) result.warnings.push_back(std::move(*warning));
  }
  for (const at::Tensor& embeds : prompt_embeds) {
    check_width(extractor, embeds);
    VLExtractOptions reading = vl.extract;
    reading.stop = options.stop;
    reading.statistics = statistics;
    // The scale that the transformer is about to see, whatever encoder and layer it comes from.
    if (!reading.target_std && !reading.statistics && embeds.numel() > 1)
      reading.target_std = embeds.to(at::kFloat).std().item<double>();
    result.extraction = extractor.extract(*options.vl_image, vl.text, reading);
    BlendOptions blending{.mode = vl.blend_mode, .alpha = vl.alpha};
    if (vl.blend_mode == BlendMode::style_delta)
      blending.neutral = extractor.extract(neutral_picture(*options.vl_image), vl.text, reading).embeddings;
    BlendResult blended = blend(result.extraction.embeddings, embeds, blending);
    result.embeddings.push_back(std::move(blended.embeddings));
    for (auto* warnings : {&result.extraction.warnings, &blended.warnings}) {
      for (std::string& warning : *warnings) {
        if (std::ranges::find(result.warnings, warning) == result.warnings.end()) result.warnings.push_back(warning);
      }
    }
  }
  return result;
}

}  // namespace llmdit
