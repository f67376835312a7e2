#include "adapters/lora_file.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "io/json.hpp"
#include "io/model_kind.hpp"

namespace llmdit::adapters {
namespace {

constexpr size_t shown_keys = 3;  // in messages

/// The scaling that a file's header or the adapter_config.json of PEFT tells, for targets without an alpha of their
/// own. kohya's ss_network_alpha is not read: its files hold the alphas, and files converted from them have them
/// multiplied in.
class FileScaling {
 public:
  explicit FileScaling(const io::Checkpoint& file) {
    const auto metadata = file.metadata();
    std::error_code ignored;
    const bool is_folder = std::filesystem::is_directory(file.path(), ignored);
    const auto folder = is_folder ? file.path() : file.path().parent_path();
    // Beside a file of another name it belongs to a neighbour.
    const bool is_peft = is_folder || file.path().stem() == "adapter_model";
    if (const auto found = metadata.find("lora_adapter_metadata"); found != metadata.end()) {
      config_ = io::JsonObject::parse(file.path(), found->second);
    } else if (is_peft && std::filesystem::is_regular_file(folder / "adapter_config.json", ignored)) {
      config_ = io::JsonObject::read(folder / "adapter_config.json");
    }
  }

  void apply(LoraTensors& tensors, const LoraTarget& target, LoraNames::Model model) const {
    if (!config_) return;
    const auto named = [&](const std::string& key) {
      const std::string own = (model == LoraNames::Model::transformer ? "transformer." : "text_encoder.") + key;
      return config_->has(own) ? own : key;
    };
    tensors.file_alpha = config_->get_optional<double>(named("lora_alpha"));
    tensors.is_rank_stabilized = config_->get_optional<bool>(named("use_rslora")).value_or(false);
    if (!config_->has(named("alpha_pattern"))) return;
    const io::JsonObject patterns = config_->object(named("alpha_pattern"));
    size_t longest = 0;
    for (const auto& item : patterns.value().items()) {
      if (item.key().size() < longest || !fits(item.key(), target.name)) continue;
      longest = item.key().size();
      tensors.file_alpha = patterns.get<double>(item.key());
    }
  }

 private:
  /// PEFT's patterns are regular expressions for the end of a name; those that are written are names.
  bool fits(std::string_view pattern, std::string_view name) const {
    if (pattern.starts_with('^')) return name == pattern.substr(1);
    if (pattern.find_first_of("*+?[](){}|\\$^") != pattern.npos) {
      fail(ErrorCode::unsupported, "lora", "{}: expected names in alpha_pattern, found the regular expression \"{}\"",
           io::printable_path(config_->path()), io::printable(pattern));
    }
    return name == pattern || (name.ends_with(pattern) && name[name.size() - pattern.size() - 1] == '.');
  }

  std::optional<io::JsonObject> config_;
};

/// The keys of one target, as one spelling of its name has them.
struct Group {
  std::vector<std::string> keys;
  LoraTensors tensors;
  std::string problem;  // why none of them can be used
};

class Reader {
 public:
  Reader(const io::Checkpoint& file, const WeightShapes& transformer, const WeightShapes* text_encoder)
      : file_(file),
        scaling_(file),
        transformer_{transformer, LoraNames(transformer, LoraNames::Model::transformer), {}} {
    if (text_encoder) {
      text_encoder_.emplace(Model{*text_encoder, LoraNames(*text_encoder, LoraNames::Model::text_encoder), {}});
    }
  }

  LoraFile read() {
    result_.name = io::printable_path(file_.path().filename());
    const std::vector<std::string> keys = file_.names();
    result_.key_count = keys.size();
    for (const std::string& key : keys) collect(key);
    for (auto& [stem, group] : groups_) place(stem, group);
    if (result_.transformer.empty() && result_.text_encoder.empty()) fail_nothing();
    return std::move(result_);
  }

 private:
  struct Model {
    const WeightShapes& shapes;
    LoraNames names;
    std::set<std::string> taken;  // weights that have a change
  };

  void unused(const std::string& key, std::string reason) {
    result_.unused.push_back({result_.name, key, std::move(reason)});
  }

  void unused(const Group& group, const std::string& reason) {
    for (const std::string& key : group.keys) unused(key, reason);
  }

  void collect(const std::string& key) {
    const auto parsed = parse_lora_key(key);
    if (!parsed) return unused(key, "no trainer's name for a part of an adapter");
    Group& group = groups_[parsed->stem];
    if (group.tensors.tensors.contains(parsed->role))
      return unused(key, "the file has this part under another name already");
    group.keys.push_back(key);
    std::string problem(parsed->reason);
    if (parsed->role != LoraRole::unhandled) problem = type_problem(key, parsed->role);
    if (!problem.empty()) {
      group.problem = fmt::format("{}: {}", io::printable(key), problem);
    } else {
      group.tensors.tensors.emplace(parsed->role, read(key, parsed->role));
    }
  }

  std::string type_problem(const std::string& key, LoraRole role) const {
    const io::TensorEntry* entry = file_.find(key);
    const bool is_number = role == LoraRole::alpha || role == LoraRole::scale;
    const bool is_readable =
        entry->dtype && *entry->dtype != at::kFloat4_e2m1fn_x2 && (is_number || at::isFloatingType(*entry->dtype));
    if (!is_readable) return fmt::format("the type {} is not handled", entry->dtype_name);
    return entry->bytes == 0 ? "the tensor is empty" : "";
  }

  at::Tensor read(const std::string& key, LoraRole role) const {
    at::Tensor tensor = file_.tensor(key);
    // Trainers put a huge number in the place of an alpha that does not count; in 16 bits it is infinite.
    if (role == LoraRole::alpha || at::isfinite(tensor.to(at::kFloat)).all().item<bool>()) return tensor;
    fail(ErrorCode::unsupported, "lora",
         "{}: tensor \"{}\" holds values that are not finite; the file is damaged, or its training has failed",
         io::printable_path(file_.path()), io::printable(key));
  }

  void place(const std::string& stem, Group& group) {
    const bool is_encoder = is_text_encoder_key(group.keys.front());
    if (is_encoder && !text_encoder_) {
      result_.text_encoder_keys += group.keys.size();
      return unused(
          group, "belongs to the text encoder, which was not asked for (text_encoder), as \":te\" behind a path does");
    }
    if (!is_encoder) {
      if (const LoraTarget* target = transformer_.names.find(stem))
        return apply(group, *target, transformer_, LoraNames::Model::transformer, result_.transformer);
    }
    if (text_encoder_) {
      if (const LoraTarget* target = text_encoder_->names.find(stem))
        return apply(group, *target, *text_encoder_, LoraNames::Model::text_encoder, result_.text_encoder);
    }
    unused(group, fmt::format("the {} has no such module", is_encoder ? "text encoder" : "transformer"));
  }

  void apply(Group& group, const LoraTarget& target, Model& model, LoraNames::Model kind,
             std::vector<WeightChange>& changes) {
    has_target_ = true;
    if (!group.problem.empty()) return unused(group, group.problem);
    scaling_.apply(group.tensors, target, kind);
    std::vector<WeightChange> own;
    try {
      own = make_changes(group.tensors, target, model.shapes);
    } catch (const Error& error) {
      constexpr std::string_view prefix = "[lora] ";
      std::string_view reason = error.what();
      if (reason.starts_with(prefix)) reason.remove_prefix(prefix.size());
      return unused(group, std::string(reason));
    }
    if (own.empty()) return unused(group, "changes nothing by itself: its factors are missing");
    for (const WeightChange& change : own) {
      if (model.taken.contains(change.weight))
        return unused(group, fmt::format("{} has a change by another spelling already", change.weight));
    }
    for (WeightChange& change : own) {
      model.taken.insert(change.weight);
      changes.push_back(std::move(change));
    }
  }

  static std::vector<WeightChange> make_changes(const LoraTensors& tensors, const LoraTarget& target,
                                                const WeightShapes& shapes) {
    std::vector<WeightChange> changes;
    for (const TargetRows& part : target.parts) {
      if (auto change = make_weight_change(tensors, shapes.at(part.weight), part, target.rows()))
        changes.push_back({part.weight, std::move(change)});
      if (!tensors.tensors.contains(LoraRole::diff_bias)) continue;
      const auto bias = shapes.find(part.bias);
      check(bias != shapes.end(), "lora", "the module has no bias");
      changes.push_back({part.bias, make_bias_change(tensors, bias->second, part, target.rows())});
    }
    return changes;
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
    if (result_.text_encoder_keys == result_.key_count && result_.key_count > 0)
      return "one for the text encoder alone";
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
    if (model == "LoRA") return has_target_ ? "one whose parts cannot be used" : "an adapter of another model";
    return model.empty() ? "no adapter" : model;
  }

  const io::Checkpoint& file_;
  FileScaling scaling_;
  Model transformer_;
  std::optional<Model> text_encoder_;
  std::map<std::string, Group> groups_;
  bool has_target_ = false;  // for any module
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
