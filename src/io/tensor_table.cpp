#include "io/tensor_table.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/check.hpp"
#include "io/encoding.hpp"

namespace llmdit::io {
namespace {

/// What stands behind a module's name when it is a companion of its weight.
enum class Companion { scale, input_scale, description };

struct CompanionSuffix {
  std::string_view suffix;
  Companion kind;
};

// The older and the newer spelling; input scales serve products in 8-bit floats, which are not used here.
constexpr CompanionSuffix companion_suffixes[] = {
    {".scale_weight", Companion::scale},      {".weight_scale", Companion::scale},
    {".scale_input", Companion::input_scale}, {".input_scale", Companion::input_scale},
    {".comfy_quant", Companion::description},
};

constexpr std::string_view marker = "scaled_fp8";  // 0 or 2 elements: says only that scales follow

struct ForeignKind {
  std::string_view part;  // of a tensor's name
  std::string_view name;
};

constexpr ForeignKind foreign_kinds[] = {
    {".wscales", "SVDQuant (nunchaku)"},
    {".wtscale", "SVDQuant (nunchaku)"},
    {".wcscales", "SVDQuant (nunchaku)"},
    {".smooth_factor", "SVDQuant (nunchaku)"},
    {".qzeros", "GPTQ or AWQ"},
    {".g_idx", "GPTQ"},
    {".qweight", "GPTQ, AWQ or SVDQuant"},
    {".quant_state.bitsandbytes", "bitsandbytes 4-bit"},
    {".absmax", "bitsandbytes 4-bit"},
    {".SCB", "bitsandbytes 8-bit"},
    {".weight_scale_2", "NVFP4"},
    {".weight_packed", "compressed-tensors"},
};

// Under these all-in-one files keep their parts. A key with one of them belongs to no other component.
constexpr std::string_view component_prefixes[] = {
    "model.diffusion_model.", "diffusion_model.", "transformer.",      "first_stage_model.", "vae.",
    "text_encoders.",         "text_encoder.",    "cond_stage_model.", "conditioner.",
};

bool has_component_prefix(std::string_view key) {
  return std::ranges::any_of(component_prefixes, [&](std::string_view prefix) { return key.starts_with(prefix); });
}

[[noreturn]] void fail_table(const Checkpoint& checkpoint, std::string_view key, std::string_view problem) {
  fail(ErrorCode::unsupported, "weights", "{}: tensor \"{}\": {}", printable_path(checkpoint.file_of(key)),
       printable(key), problem);
}

std::string_view text_of(const at::Tensor& bytes) {
  return {static_cast<const char*>(bytes.const_data_ptr()), static_cast<size_t>(bytes.nbytes())};
}

bool is_true(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

/// Why a layer whose quantisation is described so cannot be run; nothing when it can.
std::optional<std::string> refusal(std::string_view description) {
  const auto json = nlohmann::json::parse(description, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return "expected a JSON object that describes the quantisation, found other data";
  constexpr std::array handled = {"float8_e4m3fn", "float8_e5m2", "int8_tensorwise", "int8_rowwise"};
  const auto format = json.find("format");
  if (format == json.end() || !format->is_string()) return "expected a \"format\" in its quantisation, found none";
  const auto name = format->get<std::string>();
  if (std::ranges::find(handled, name) == handled.end()) {
    return fmt::format("its quantisation {} is not handled; expected {}", printable(name, 60),
                       fmt::join(handled, ", "));
  }
  if (is_true(json, "convrot")) return "its weights are rotated (convrot), which is not handled";
  return std::nullopt;
}

}  // namespace

std::optional<std::string_view> strip_prefix(std::string_view key, const std::vector<std::string_view>& prefixes) {
  std::string_view best;
  bool found = false;
  for (const std::string_view prefix : prefixes) {
    if (key.starts_with(prefix) && prefix.size() >= best.size()) {
      best = prefix;
      found = true;
    }
  }
  if (!found || (best.empty() && has_component_prefix(key))) return std::nullopt;
  return key.substr(best.size());
}

/// Sorts the keys of the files into weights, their companions, and what belongs to neither.
class TensorTable::Builder {
 public:
  Builder(TensorTable& table, const TensorNaming& naming) : table_(table), naming_(naming) {}

  void build() {
    for (const std::string& key : table_.checkpoint_.names()) add(key);
    for (const auto& [stem, companions] : companions_) attach(stem, companions);
    check_metadata();
  }

 private:
  struct Companions {
    std::string first_key;  // for messages
    const TensorEntry* scale = nullptr;
  };

  void add(const std::string& key) {
    const auto name = strip_prefix(key, naming_.prefixes);
    if (!name) return;  // another component's
    if (is_stray(*name)) return;
    for (const ForeignKind& kind : foreign_kinds) {
      if (name->find(kind.part) != name->npos) {
        fail_table(
            table_.checkpoint_, key,
            fmt::format("weights quantised by {} are not handled; get the model as BF16, FP8 or GGUF", kind.name));
      }
    }
    if (add_companion(key, *name)) return;
    const std::vector<TensorPart> parts = naming_.published(*name);
    if (parts.empty()) table_.unknown_.push_back(key);
    for (const TensorPart& part : parts) add_place(key, part);
  }

  bool is_stray(std::string_view name) const {
    return name == marker || std::ranges::find(naming_.strays, name) != naming_.strays.end();
  }

  void add_place(const std::string& key, const TensorPart& part) {
    const TensorEntry* entry = table_.checkpoint_.find(key);
    const auto [found, is_new] =
        table_.places_.emplace(part.name, Place{.entry = entry, .part = part.part, .parts = part.parts});
    if (!is_new) {
      fail_table(table_.checkpoint_, key,
                 fmt::format("is the model's \"{}\", and so is \"{}\"; expected one of them", part.name,
                             printable(found->second.entry->name)));
    }
    if (part.parts > 1 && (entry->shape.empty() || entry->shape[0] % part.parts != 0)) {
      fail_table(table_.checkpoint_, key,
                 fmt::format("expected {} parts of equal rows, found the shape [{}]", part.parts,
                             fmt::join(entry->shape, ", ")));
    }
  }

  bool add_companion(const std::string& key, std::string_view name) {
    for (const auto& [suffix, kind] : companion_suffixes) {
      if (!name.ends_with(suffix)) continue;
      Companions& companions = companions_[std::string(name.substr(0, name.size() - suffix.size()))];
      if (companions.first_key.empty()) companions.first_key = key;
      if (kind == Companion::scale) {
        if (companions.scale) fail_table(table_.checkpoint_, key, "expected one scale of its weight, found two");
        companions.scale = table_.checkpoint_.find(key);
      } else if (kind == Companion::description) {
        if (const auto reason = refusal(text_of(table_.checkpoint_.tensor(key))))
          fail_table(table_.checkpoint_, key, *reason);
      }
      return true;
    }
    return false;
  }

  void attach(const std::string& stem, const Companions& companions) {
    const std::vector<TensorPart> parts = naming_.published(stem + ".weight");
    bool has_weight = false;
    for (const TensorPart& part : parts) {
      const auto found = table_.places_.find(part.name);
      if (found == table_.places_.end()) continue;
      found->second.scale = companions.scale;
      has_weight = true;
    }
    if (!has_weight) {
      fail_table(table_.checkpoint_, companions.first_key, "goes with a weight that is not there; is the file whole?");
    }
  }

  // The newest files describe their layers in the header instead.
  void check_metadata() const {
    const auto metadata = table_.checkpoint_.metadata();
    const auto found = metadata.find("_quantization_metadata");
    if (found == metadata.end()) return;
    const auto json = nlohmann::json::parse(found->second, nullptr, /*allow_exceptions=*/false);
    const auto layers = json.is_object() ? json.find("layers") : json.end();
    if (!json.is_object() || layers == json.end() || !layers->is_object()) {
      fail(ErrorCode::unsupported, "weights",
           "{}: expected _quantization_metadata to describe layers, found other data",
           printable_path(table_.checkpoint_.path()));
    }
    for (const auto& [layer, description] : layers->items()) {
      if (!strip_prefix(layer, naming_.prefixes)) continue;
      if (const auto reason = refusal(description.dump())) fail_table(table_.checkpoint_, layer, *reason);
    }
  }

  TensorTable& table_;
  const TensorNaming& naming_;
  std::map<std::string, Companions> companions_;  // by the name of the module
};

TensorTable::TensorTable(Checkpoint checkpoint, const TensorNaming& naming)
    : component_(naming.component), checkpoint_(std::move(checkpoint)) {
  Builder(*this, naming).build();
}

const TensorTable::Place* TensorTable::find(std::string_view name) const {
  const auto found = places_.find(name);
  return found == places_.end() ? nullptr : &found->second;
}

std::string TensorTable::name_in_file(const std::string& name) const {
  for (const auto& [known, place] : places_) {
    const std::string& key = place.entry->name;
    if (key.ends_with(known)) return key.substr(0, key.size() - known.size()) + name;
  }
  return name;
}

std::vector<int64_t> TensorTable::shape_of(const Place& place) {
  std::vector<int64_t> shape = place.entry->shape;
  if (place.parts > 1) shape[0] /= place.parts;
  return shape;
}

int64_t TensorTable::size(const std::string& name, size_t axis, size_t rank) const {
  constexpr int64_t most = int64_t{1} << 24;
  const Place* place = find(name);
  if (!place) {
    fail(ErrorCode::unsupported, component_, "expected a tensor '{}' in {}, found none; is the file whole?", name,
         printable_path(checkpoint_.path()));
  }
  const auto shape = shape_of(*place);
  if (shape.size() != rank || shape[axis] < 1 || shape[axis] > most) {
    fail(ErrorCode::unsupported, component_, "expected '{}' in {} to have {} sizes from 1 to {}, found [{}]", name,
         printable_path(checkpoint_.path()), rank, most, fmt::join(shape, ", "));
  }
  return shape[axis];
}

int64_t TensorTable::count_indices(std::string_view prefix) const {
  for (int64_t i = 0;; ++i) {
    const std::string start = fmt::format("{}{}.", prefix, i);
    const auto found = places_.lower_bound(start);
    if (found == places_.end() || !found->first.starts_with(start)) return i;
  }
}

}  // namespace llmdit::io
