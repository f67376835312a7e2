#include "adapters/lora_file.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "io/model_kind.hpp"
#include "io/text_file.hpp"

namespace llmdit::adapters {
namespace {

constexpr size_t shown_keys = 3;  // in messages

/// The scaling a file's header or the adapter_config.json beside it tells, for modules without an alpha of their own.
/// kohya's ss_network_alpha is not read: its files hold the alphas, and files converted from them have them multiplied
/// in.
class FileScaling {
 public:
  explicit FileScaling(const io::Checkpoint& file) {
    for (const auto& [key, text] : file.metadata()) {
      if (key == "lora_adapter_metadata") config_ = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    }
    const std::filesystem::path beside = file.file_of("").parent_path() / "adapter_config.json";
    std::error_code ignored;
    const bool is_folder = std::filesystem::is_directory(file.path(), ignored);
    const std::filesystem::path config = is_folder ? file.path() / "adapter_config.json" : beside;
    if (!config_.is_object() && std::filesystem::is_regular_file(config, ignored))
      config_ = nlohmann::json::parse(io::read_text_file(config), nullptr, /*allow_exceptions=*/false);
  }

  void apply(LoraTensors& tensors, const std::string& stem, LoraNames::Model model) const {
    const std::string part = model == LoraNames::Model::transformer ? "transformer." : "text_encoder.";
    const nlohmann::json* alpha = value(part, "lora_alpha");
    if (const nlohmann::json* pattern = value(part, "alpha_pattern"); pattern && pattern->is_object()) {
      for (const auto& [module, own] : pattern->items()) {
        if (stem == module || stem.ends_with("." + module)) alpha = &own;
      }
    }
    if (alpha && alpha->is_number() && !tensors.alpha) tensors.alpha = alpha->get<double>();
    const nlohmann::json* stabilized = value(part, "use_rslora");
    tensors.is_rank_stabilized = stabilized && stabilized->is_boolean() && stabilized->get<bool>();
  }

 private:
  const nlohmann::json* value(const std::string& part, const std::string& key) const {
    if (!config_.is_object()) return nullptr;
    for (const std::string& name : {part + key, key}) {
      if (const auto found = config_.find(name); found != config_.end()) return &*found;
    }
    return nullptr;
  }

  nlohmann::json config_;
};

/// The keys of one module, as one spelling of its name has them.
struct Module {
  std::vector<std::string> keys;
  LoraTensors tensors;
};

class Reader {
 public:
  Reader(const io::Checkpoint& file, const WeightShapes& transformer, const WeightShapes* text_encoder)
      : file_(file),
        scaling_(file),
        transformer_{transformer, LoraNames(transformer, LoraNames::Model::transformer), {}} {
    if (text_encoder) {
      text_encoder_.emplace(Target{*text_encoder, LoraNames(*text_encoder, LoraNames::Model::text_encoder), {}});
    }
  }

  LoraFile read() {
    result_.name = io::printable_path(file_.path().filename());
    const std::vector<std::string> keys = file_.names();
    result_.key_count = keys.size();
    for (const std::string& key : keys) collect(key);
    for (auto& [stem, module] : modules_) place(stem, module);
    if (result_.transformer.empty() && result_.text_encoder.empty()) fail_nothing();
    return std::move(result_);
  }

 private:
  struct Target {
    const WeightShapes& shapes;
    LoraNames names;
    std::set<std::string> taken;  // weights that have a change
  };

  void unused(const std::string& key, std::string reason) {
    result_.unused.push_back({result_.name, key, std::move(reason)});
  }

  void unused(const Module& module, const std::string& reason) {
    for (const std::string& key : module.keys) unused(key, reason);
  }

  void collect(const std::string& key) {
    const auto parsed = parse_lora_key(key);
    if (!parsed) return unused(key, "no trainer's name for a part of an adapter");
    if (parsed->role == LoraRole::factor_scale || is_readable(key)) {
      Module& module = modules_[parsed->stem];
      module.keys.push_back(key);
      if (parsed->role == LoraRole::alpha) {
        const at::Tensor alpha = file_.tensor(key);
        if (alpha.numel() == 1) module.tensors.alpha = alpha.to(at::kDouble).flatten()[0].item<double>();
        if (alpha.numel() != 1) unused(key, fmt::format("expected one number, found {}", alpha.numel()));
      } else {
        module.tensors.tensors[parsed->role] = read_factor(key, parsed->role);
      }
    } else {
      unused(key, fmt::format("its type {} is not handled", file_.find(key)->dtype_name));
    }
  }

  bool is_readable(const std::string& key) const {
    const io::TensorEntry* entry = file_.find(key);
    return entry->dtype && *entry->dtype != at::kFloat4_e2m1fn_x2 && entry->bytes > 0;
  }

  at::Tensor read_factor(const std::string& key, LoraRole role) const {
    if (role == LoraRole::factor_scale) return at::ones({1});
    const at::Tensor factor = file_.tensor(key);
    if (!at::isfinite(factor.to(at::kFloat)).all().item<bool>()) {
      fail(ErrorCode::unsupported, "lora",
           "{}: tensor \"{}\" holds values that are not finite; the file is damaged, or "
           "its training has failed",
           io::printable_path(file_.path()), io::printable(key));
    }
    return factor;
  }

  void place(const std::string& stem, Module& module) {
    const bool is_encoder = is_text_encoder_key(module.keys.front());
    if (is_encoder && !text_encoder_) {
      result_.text_encoder_keys += module.keys.size();
      return unused(module, "belongs to the text encoder, which was not asked for (text_encoder)");
    }
    if (!is_encoder) {
      if (const auto* rows = transformer_.names.find(stem))
        return apply(stem, module, *rows, transformer_, LoraNames::Model::transformer, result_.transformer);
    }
    if (text_encoder_) {
      if (const auto* rows = text_encoder_->names.find(stem))
        return apply(stem, module, *rows, *text_encoder_, LoraNames::Model::text_encoder, result_.text_encoder);
    }
    unused(module, fmt::format("the {} has no such module", is_encoder ? "text encoder" : "transformer"));
  }

  void apply(const std::string& stem, Module& module, const std::vector<ModuleRows>& rows, Target& target,
             LoraNames::Model model, std::vector<WeightChange>& changes) {
    scaling_.apply(module.tensors, stem, model);
    const int64_t total = rows.back().first + rows.back().rows;
    std::vector<WeightChange> own;
    try {
      for (const ModuleRows& part : rows) {
        const std::string weight = part.module + ".weight", bias = part.module + ".bias";
        if (auto change = make_weight_change(module.tensors, target.shapes.at(weight), part.first, total))
          own.push_back({weight, std::move(change)});
        const auto bias_shape = target.shapes.find(bias);
        if (!module.tensors.tensors.contains(LoraRole::diff_bias)) continue;
        check(bias_shape != target.shapes.end(), "lora", "the module has no bias");
        own.push_back({bias, make_bias_change(module.tensors, bias_shape->second, part.first, total)});
      }
    } catch (const Error& error) {
      constexpr std::string_view prefix = "[lora] ";
      std::string_view reason = error.what();
      if (reason.starts_with(prefix)) reason.remove_prefix(prefix.size());
      return unused(module, std::string(reason));
    }
    if (own.empty()) return unused(module, "changes nothing by itself: its factors are missing");
    for (const WeightChange& change : own) {
      if (target.taken.contains(change.weight))
        return unused(module, fmt::format("{} has a change by another spelling already", change.weight));
    }
    for (WeightChange& change : own) {
      target.taken.insert(change.weight);
      changes.push_back(std::move(change));
    }
  }

  [[noreturn]] void fail_nothing() const {
    std::vector<std::string> some;
    for (size_t i = 0; i < std::min(shown_keys, result_.unused.size()); ++i) {
      some.push_back(fmt::format("\"{}\" ({})", io::printable(result_.unused[i].key, 100), result_.unused[i].reason));
    }
    const std::string kind = foreign_kind();
    fail(ErrorCode::unsupported, "lora",
         "{}: expected a LoRA for Z-Image, found {}; none of its {} keys has a place{}{}",
         io::printable_path(file_.path()), kind, result_.key_count, some.empty() ? "" : ": ", fmt::join(some, ", "));
  }

  /// What the file looks like instead.
  std::string foreign_kind() const {
    struct Sign {
      std::string_view part, name;
    };
    constexpr Sign signs[] = {
        {"double_blocks", "one for Flux"},
        {"single_blocks", "one for Flux"},
        {"single_transformer_blocks", "one for Flux"},
        {"img_mlp", "one for Qwen-Image"},
        {"joint_blocks", "one for Stable Diffusion 3"},
        {"down_blocks", "one for Stable Diffusion"},
        {"input_blocks", "one for Stable Diffusion"},
        {"blocks_0_cross_attn", "one for Wan"},
        {"blocks.0.cross_attn", "one for Wan"},
    };
    for (const std::string& key : file_.names()) {
      for (const auto& [part, name] : signs) {
        if (key.find(part) != std::string::npos) return std::string(name);
      }
    }
    const std::string model = io::tell_model(file_);
    if (model == "LoRA") return "an adapter of another model";
    return model.empty() ? "no adapter" : model;
  }

  const io::Checkpoint& file_;
  FileScaling scaling_;
  Target transformer_;
  std::optional<Target> text_encoder_;
  std::map<std::string, Module> modules_;
  LoraFile result_;
};

/// The sum of all changes of one weight, each computed from the original, so that their order does not matter.
class SumPatch final : public nn::WeightPatch {
 public:
  using Terms = std::vector<std::pair<std::shared_ptr<const LoraChange>, double>>;

  explicit SumPatch(Terms terms) : terms_(std::move(terms)) {}

  at::Tensor merge(const at::Tensor& weight) const override {
    at::Tensor sum = weight.clone();
    for (const auto& [change, scale] : terms_) change->add_to(sum, weight, scale);
    return sum;
  }

  std::optional<nn::LowRank> low_rank() const override {
    std::vector<at::Tensor> up, down;
    for (const auto& [change, scale] : terms_) {
      auto part = change->low_rank(scale);
      if (!part) return std::nullopt;
      up.push_back(std::move(part->up));
      down.push_back(std::move(part->down));
    }
    return nn::LowRank{.up = at::cat(up, 1), .down = at::cat(down, 0)};
  }

 private:
  Terms terms_;
};

}  // namespace

LoraFile read_lora(const io::Checkpoint& file, const WeightShapes& transformer, const WeightShapes* text_encoder) {
  return Reader(file, transformer, text_encoder).read();
}

void PatchBuilder::add(const std::vector<WeightChange>& changes, double scale) {
  if (scale == 0) return;
  for (const WeightChange& change : changes) terms_[change.weight].emplace_back(change.change, scale);
}

nn::WeightPatches PatchBuilder::build() const {
  nn::WeightPatches patches;
  for (const auto& [weight, terms] : terms_) patches.emplace(weight, std::make_shared<const SumPatch>(terms));
  return patches;
}

void report_lora(const LoraFile& file, bool strict, LoraReport& report) {
  for (const WeightChange& change : file.transformer) report.applied.push_back(change.weight);
  for (const WeightChange& change : file.text_encoder) report.applied.push_back("text_encoder." + change.weight);
  std::ranges::sort(report.applied);
  const auto twice = std::ranges::unique(report.applied);
  report.applied.erase(twice.begin(), twice.end());
  report.unused.insert(report.unused.end(), file.unused.begin(), file.unused.end());
  if (file.unused.empty()) return;
  std::vector<std::string> some;
  for (size_t i = 0; i < std::min(shown_keys, file.unused.size()); ++i)
    some.push_back(fmt::format("{} ({})", io::printable(file.unused[i].key, 100), file.unused[i].reason));
  const std::string text =
      fmt::format("LoRA {}: {} of {} keys have no use: {}{}", file.name, file.unused.size(), file.key_count,
                  fmt::join(some, ", "), file.unused.size() > shown_keys ? ", ..." : "");
  // Keys for an encoder that was not asked for are no surprise.
  if (strict && file.unused.size() > file.text_encoder_keys)
    fail(ErrorCode::unsupported, "lora", "{}; strict loading expects every key to have one", text);
  report.warnings.push_back(text);
}

}  // namespace llmdit::adapters
