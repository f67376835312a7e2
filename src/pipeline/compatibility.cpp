#include "llmdit/compatibility.hpp"

#include <algorithm>
#include <span>

#include "base/check.hpp"
#include "base/translate.hpp"
#include "io/path_kind.hpp"

namespace llmdit {
namespace {

struct KnownModel {
  const char* name;
  int64_t hidden_size, num_hidden_layers, intermediate_size;
  double rope_theta;
};

// As their config.json have it. Those of 2507 differ from the first ones in rope_theta and in never thinking, or
// always.
constexpr KnownModel known_models[] = {
    {"Qwen3-0.6B", 1024, 28, 3072, 1e6},    {"Qwen3-1.7B", 2048, 28, 6144, 1e6}, {"Qwen3-4B", 2560, 36, 9728, 1e6},
    {"Qwen3-4B-2507", 2560, 36, 9728, 5e6}, {"Qwen3-8B", 4096, 36, 12288, 1e6},  {"Qwen3-14B", 5120, 40, 17408, 1e6},
    {"Qwen3-32B", 5120, 64, 25600, 1e6},
};

/// Settings that may differ from Qwen3-4B's without keeping the model from running.
struct Setting {
  const char* name;
  double (*of)(const Qwen3Config&);
  double reference;
};

constexpr Setting compared_settings[] = {
    {"intermediate_size", [](const Qwen3Config& c) { return static_cast<double>(c.intermediate_size); }, 9728},
    {"num_attention_heads", [](const Qwen3Config& c) { return static_cast<double>(c.num_attention_heads); }, 32},
    {"num_key_value_heads", [](const Qwen3Config& c) { return static_cast<double>(c.num_key_value_heads); }, 8},
    {"head_dim", [](const Qwen3Config& c) { return static_cast<double>(c.head_dim); }, 128},
    {"vocab_size", [](const Qwen3Config& c) { return static_cast<double>(c.vocab_size); }, 151936},
    {"rope_theta", [](const Qwen3Config& c) { return c.rope_theta; }, 1e6},
};

constexpr int64_t reference_layers = 36;

std::string model_name(const Qwen3Config& c) {
  const auto known = std::ranges::find_if(known_models, [&](const KnownModel& m) {
    return m.hidden_size == c.hidden_size && m.num_hidden_layers == c.num_hidden_layers &&
           m.intermediate_size == c.intermediate_size && m.rope_theta == c.rope_theta;
  });
  return known == std::end(known_models) ? "" : known->name;
}

/// Where Qwen3-4B is the encoder the transformer was trained with.
void compare_with_reference(const Qwen3Config& c, CompatibilityReport& report) {
  const auto differs = [&](const char* name, double reference, double actual) {
    if (reference != actual) report.config_diff[name] = {reference, actual};
    return reference != actual;
  };
  if (differs("num_hidden_layers", reference_layers, static_cast<double>(c.num_hidden_layers))) {
    auto& list = c.num_hidden_layers < reference_layers ? report.errors : report.warnings;
    list.push_back(
        fmt::format("expected the {} layers of Qwen3-4B, got {}: the layers that the transformer was "
                    "trained with are others",
                    reference_layers, c.num_hidden_layers));
  }
  for (const Setting& setting : compared_settings) {
    if (!differs(setting.name, setting.reference, setting.of(c))) continue;
    report.warnings.push_back(
        fmt::format("{} is {}, that of Qwen3-4B {}: pictures are not those of the original encoder", setting.name,
                    setting.of(c), setting.reference));
  }
}

std::filesystem::path part_of(const std::filesystem::path& path, const char* part) {
  return io::is_file(path / "model_index.json") ? path / part : path;
}

}  // namespace

CompatibilityReport check_compatibility(const Qwen3Config& encoder, const ZImageTransformerConfig& transformer) {
  CompatibilityReport report{.model_name = model_name(encoder),
                             .hidden_size = encoder.hidden_size,
                             .num_hidden_layers = encoder.num_hidden_layers,
                             .max_position_embeddings = encoder.max_position_embeddings};
  const int64_t width = transformer.cap_feat_dim;
  const bool is_published = width == ZImageTransformerConfig{}.cap_feat_dim;
  if (encoder.hidden_size != width) {
    report.config_diff["hidden_size"] = {static_cast<double>(width), static_cast<double>(encoder.hidden_size)};
    report.errors.push_back(
        fmt::format("expected hidden states of width {}, the transformer's cap_feat_dim, got {}{}{}", width,
                    encoder.hidden_size, report.model_name.empty() ? "" : ", those of " + report.model_name,
                    is_published ? "; Z-Image takes Qwen3-4B" : ""));
  }
  if (is_published) compare_with_reference(encoder, report);
  report.compatible = report.errors.empty();
  return report;
}

CompatibilityReport check_compatibility(const std::filesystem::path& encoder,
                                        const std::filesystem::path& transformer) {
  return translate_errors("compatibility", [&] {
    const ZImageTransformerConfig own = transformer.empty()
                                            ? ZImageTransformerConfig{}
                                            : ZImageTransformerConfig::load(part_of(transformer, "transformer"));
    try {
      return check_compatibility(Qwen3Config::load(part_of(encoder, "text_encoder")), own);
    } catch (const Error& error) {
      CompatibilityReport report;
      report.errors.emplace_back(error.what());
      return report;
    }
  });
}

}  // namespace llmdit
