#include "generate_report.hpp"

#include <fmt/format.h>

namespace llmdit::cli {
namespace {

std::string seconds(double value) { return fmt::format("{:.2f} s", value); }

}  // namespace

std::string summary(const GenerateOptions& options, const GenerateResult& result) {
  const Image& first = result.images.front();
  const Timings& spent = result.timings;
  std::string seeds = fmt::format("seed {}", result.seeds.front());
  if (result.seeds.size() > 1) seeds = fmt::format("seeds {} to {}", result.seeds.front(), result.seeds.back());
  const auto ran = static_cast<int64_t>(result.sigmas.size()) - 1, scheduled = schedule_steps(options);
  const std::string steps = ran == scheduled ? fmt::format("{}", ran) : fmt::format("{} of {}", ran, scheduled);
  const size_t reused = result.reused_steps.size();
  const std::string shortened = reused == 0 ? "" : fmt::format(" ({} of them by step_cache)", reused);
  return fmt::format("{}, {} x {} pixels, {} steps{} in {} (encode {}, denoise {}, decode {})", seeds, first.width,
                     first.height, steps, shortened, seconds(spent.total), seconds(spent.encode),
                     seconds(spent.denoise), seconds(spent.decode));
}

GenerateOptions effective_options(GenerateOptions options, const GenerateResult& result) {
  options.width = result.images.front().width;
  options.height = result.images.front().height;
  options.seed = result.seeds.front();
  options.num_inference_steps = schedule_steps(options);
  if (options.image) options.strength = strength_of(options);
  options.shift = result.shift;
  return options;
}

Json timings_json(const Timings& timings) {
  return {{"encode", timings.encode},
          {"denoise", timings.denoise},
          {"decode", timings.decode},
          {"total", timings.total},
          {"steps", timings.steps}};
}

Json path_json(const std::string& path) { return path.empty() ? Json() : Json(path); }

Json vl_json(const GenerateResult& result) {
  if (!result.vl) return nullptr;
  const VLExtraction& vl = *result.vl;
  Json json = {{"num_tokens", vl.num_tokens},
               {"hidden_layer", vl.hidden_layer},
               {"token_selection", token_selection_name(vl.token_selection)},
               {"original_std", vl.original_std},
               {"scaled_std", vl.scaled_std},
               {"scale_factor", vl.scale_factor},
               {"model_variant", vl.model_variant},
               {"full_prompt_with_tokens", vl.full_prompt_with_tokens},
               {"masked_dimensions", nullptr}};
  if (vl.masked_dimensions) json["masked_dimensions"] = *vl.masked_dimensions;
  return json;
}

Json pictures_json(const GenerateResult& result, const std::vector<WrittenPicture>& written) {
  Json pictures = Json::array();
  for (size_t i = 0; i < written.size(); ++i) {
    pictures.push_back({{"path", written[i].path},
                        {"seed", result.seeds[i]},
                        {"width", result.images[i].width},
                        {"height", result.images[i].height},
                        {"replaced", written[i].replaced}});
  }
  return pictures;
}

}  // namespace llmdit::cli
