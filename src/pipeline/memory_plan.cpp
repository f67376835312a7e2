#include "llmdit/memory_plan.hpp"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <fstream>

#include "base/available_memory.hpp"
#include "base/check.hpp"
#include "base/load_options.hpp"
#include "base/memory_size.hpp"
#include "base/translate.hpp"
#include "llmdit/model_sources.hpp"
#include "models/model_files.hpp"
#include "pipeline/generation.hpp"
#include "pipeline/model_turns.hpp"
#include "pipeline/stage_costs.hpp"
#include "pipeline/weight_plan.hpp"

namespace llmdit {
namespace {

// Program and libraries grow by this when the first products run: code of kernels, buffers of threads. Measured.
constexpr uint64_t working_bytes = 30'000'000;
// What the system reads around a row of the table of embeddings.
constexpr uint64_t bytes_around_row = 64 << 10;

/// Resident bytes of this process.
uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t size = 0, resident = 0;
  file >> size >> resident;
  return resident * 4096;
}

/// A model with what its weights take; `touched` of the mapped bytes are read in a generation.
struct Part {
  ComponentPlan plan;
  Workplace place;
  uint64_t touched = 0;
  uint64_t largest_streamed = 0;
  uint64_t conversion = 0;  ///< of the largest matrix that is quantised: its file's numbers, and these in float32

  /// In memory while the model is at work.
  uint64_t at_work() const {
    const uint64_t all = touched + plan.copied_bytes;
    return all - std::min(all, plan.streamed_bytes) + largest_streamed;
  }
};

template <class IsTouched>
Part part_of(const char* name, const WeightPlan& weights, const nn::Placement& placement, const IsTouched& touched) {
  if (!weights.problems.empty())
    fail(ErrorCode::unsupported, "weights", std::string_view(weights.problems.front().text));
  Part part{.plan = {.name = name, .device = placement.device.str()}, .place = {placement, weights.compute}};
  std::map<std::string_view, uint64_t> streamed;
  for (const auto& [tensor, bytes] : weights.kept) {
    part.plan.file_bytes += bytes.file;
    part.plan.mapped_bytes += bytes.mapped;
    part.plan.copied_bytes += bytes.copied;
    part.plan.parameters += bytes.numbers;
    part.touched += std::min(bytes.mapped, touched(tensor, bytes.mapped));
    const bool is_quantized = placement.quantization != Quantization::none && bytes.copied < bytes.file;
    if (is_quantized && bytes.copied > 0)
      part.conversion = std::max(part.conversion, bytes.file + bytes.numbers * sizeof(float));
    const uint64_t wide = bytes.numbers * part.place.number_bytes();
    if (bytes.copied < wide && !tensor.starts_with("embed_tokens."))
      part.place.widened = std::max(part.place.widened, wide);
    for (const std::string& block : weights.streamed) {
      if (tensor.starts_with(block)) streamed[block] += bytes.total();
    }
  }
  for (const auto& [block, bytes] : streamed) {
    part.plan.streamed_bytes += bytes;
    part.largest_streamed = std::max(part.largest_streamed, bytes);
  }
  return part;
}

class Planner {
 public:
  Planner(const std::filesystem::path& path, const LoadOptions& load, const GenerateOptions& generate,
          const PlanOptions& options)
      : sources_(path, load),
        load_(load),
        own_(component_options(load)),
        generate_(generate),
        options_(options),
        takes_turns_(ModelTurns::of(load) != nullptr),
        transformer_(models::open_z_image(sources_.transformer(), sources_.config_of("transformer"))),
        vae_(models::open_autoencoder(sources_.vae(), sources_.config_of("vae"))) {}

  MemoryPlan run(std::span<const std::string> prompts) {
    foresee(prompts);
    plan_parts();
    plan_.process_bytes = resident_bytes();
    plan_.available_bytes = available_memory(at::kCPU) + plan_.process_bytes;
    if (options_.measure_speed) plan_.flops_per_second = measure_rate(transformer_.config.dim, dit_->place);
    if (encoder_) add_stage("encode", *encoder_, encode_cost(encoder_config_, rows_, encoder_->place));
    add_stage("denoise", *dit_, denoise_cost(transformer_.config, rows_, dit_->place));
    if (generate_.output_type != OutputType::latent) add_stage("decode", *decoder_, decoding());
    conclude();
    return std::move(plan_);
  }

 private:
  bool encodes() const { return options_.encodes_here && !generate_.prompt_embeds; }

  /// What the generation itself would make of the request, and refuse of it.
  void foresee(std::span<const std::string> prompts) {
    const Foresight foresight = foresee_generation(sources_, load_, prompts, generate_, options_);
    plan_.warnings = foresight.warnings;
    plan_.width = foresight.size.width;
    plan_.height = foresight.size.height;
    constexpr int64_t usual_tokens = 64;
    plan_.token_counts = foresight.token_counts;
    if (plan_.token_counts.empty()) plan_.token_counts.assign(std::max<size_t>(1, prompts.size()), usual_tokens);
    if (!options_.is_batch) plan_.token_counts = {std::ranges::max(plan_.token_counts)};
    plan_.batch = static_cast<int64_t>(plan_.token_counts.size()) * generate_.num_images_per_prompt;
    const int64_t multiple = vae_.config.vae_scale_factor() * transformer_.config.patch_size;
    rows_ = count_rows(transformer_.config, generate_, plan_, (plan_.height / multiple) * (plan_.width / multiple));
  }

  void plan_parts() {
    const auto placed = [&](const nn::ComponentChoice& own) { return nn::resolve_placement(own_, own); };
    if (encodes()) plan_encoder(placed({"text_encoder", load_.text_encoder_device, load_.text_encoder_quantization}));
    const auto whole = [](std::string_view, uint64_t bytes) { return bytes; };
    const auto dit = placed({"dit", load_.dit_device, load_.dit_quantization});
    dit_ = part_of("transformer", plan_weights(transformer_, dit), dit, whole);
    nn::Placement vae = placed({.part = "vae", .device = load_.vae_device});
    vae.quantization = Quantization::none;
    decoder_ = part_of("vae", plan_weights(vae_, vae), vae, [&](std::string_view name, uint64_t bytes) {
      return name.starts_with("encoder.") && !generate_.image ? uint64_t{0} : bytes;
    });
    for (const Part* part : {encoder_ ? &*encoder_ : nullptr, &*dit_, &*decoder_}) {
      if (part) plan_.components.push_back(part->plan);
    }
    if (generate_.vl_image) plan_.warnings.emplace_back("Qwen3-VL, which reads vl_image, is not counted");
  }

  void plan_encoder(const nn::Placement& placement) {
    const auto files = models::open_qwen3(sources_.text_encoder(), sources_.config_of("text_encoder"));
    encoder_config_ = files.config;
    rows_.encoder_blocks = blocks_run(files.config, generate_);
    const auto touched = [&](std::string_view name, uint64_t bytes) {
      if (name.starts_with("lm_head.")) return uint64_t{0};
      if (name.starts_with("embed_tokens."))
        return std::min(bytes, static_cast<uint64_t>(rows_.tokens) * bytes_around_row);
      if (!name.starts_with("layers.")) return bytes;
      const int64_t block = std::stoll(std::string(name.substr(7)));
      return block < rows_.encoder_blocks ? bytes : uint64_t{0};
    };
    encoder_ = part_of("text_encoder", plan_weights(files, placement), placement, touched);
  }

  StageCost decoding() const {
    const TilingOptions tiling{generate_.vae_tiling, generate_.vae_tile_size, generate_.vae_tile_overlap};
    return decode_cost(vae_.config, plan_, tiling, decoder_->place);
  }

  /// Of a model that stays, what it has taken by this stage.
  uint64_t stays_from(const Part& part, bool was_used) const {
    return part.plan.copied_bytes + (was_used ? part.touched : 0);
  }

  void add_stage(const char* name, const Part& part, const StageCost& cost) {
    StagePlan stage{.name = name,
                    .device = part.plan.device,
                    .weight_bytes = part.at_work(),
                    .activation_bytes = cost.bytes,
                    .flops = cost.flops};
    if (!takes_turns_) {
      // Copies are made at load, mapped pages come with their first use and stay.
      bool is_before = true;
      for (const Part* other : {encoder_ ? &*encoder_ : nullptr, &*dit_, &*decoder_}) {
        if (other == &part) is_before = false;
        if (other && other != &part && other->plan.device == part.plan.device)
          stage.weight_bytes += stays_from(*other, is_before);
      }
    }
    stage.peak_bytes = stage.weight_bytes + stage.activation_bytes;
    // The memory of conversions is kept for reuse.
    const uint64_t conversion = std::max(encoder_ ? encoder_->conversion : 0, dit_->conversion);
    if (part.place.is_cpu()) stage.peak_bytes += plan_.process_bytes + working_bytes + conversion;
    if (plan_.flops_per_second) stage.seconds = cost.flops / *plan_.flops_per_second;
    plan_.stages.push_back(stage);
  }

  void conclude() {
    for (const StagePlan& stage : plan_.stages) {
      const c10::Device device(stage.device);
      if (device.is_cpu()) plan_.peak_bytes = std::max(plan_.peak_bytes, stage.peak_bytes);
      const uint64_t there = device.is_cpu() ? plan_.available_bytes : available_memory(device);
      if (stage.peak_bytes <= there) continue;
      plan_.fits = false;
      plan_.warnings.push_back(fmt::format(
          "{} needs {} MB on {}, which has {} MB; cpu_offload, max_memory, quantization and vae_tiling ask for less",
          stage.name, stage.peak_bytes / 1'000'000, stage.device, there / 1'000'000));
    }
  }

  ModelSources sources_;
  const LoadOptions& load_;
  LoadOptions own_;
  const GenerateOptions& generate_;
  const PlanOptions& options_;
  bool takes_turns_;
  models::ModelFiles<ZImageTransformerConfig> transformer_;
  models::ModelFiles<AutoencoderKLConfig> vae_;
  Qwen3Config encoder_config_;
  RowCounts rows_;
  std::optional<Part> encoder_, dit_, decoder_;
  MemoryPlan plan_;
};

}  // namespace

MemoryPlan plan_memory(const std::filesystem::path& path, const LoadOptions& load, const GenerateOptions& generate,
                       std::span<const std::string> prompts, const PlanOptions& options) {
  return translate_errors("plan", [&] {
    const c10::NoGradGuard guard;
    return Planner(path, load, generate, options).run(prompts);
  });
}

}  // namespace llmdit
