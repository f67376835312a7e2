#include "config/keys.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "io/encoding.hpp"

namespace llmdit::config {
namespace {

OptionValue same(const OptionValue& value) { return value; }

bool truth(const OptionValue& value) {
  const bool* on = std::get_if<bool>(&value);
  check(on != nullptr, "config", "expected true or false, got '{}'", to_string(value));
  return *on;
}

OptionValue tiling_of(const OptionValue& value) { return std::string(truth(value) ? "on" : "off"); }
OptionValue eight_bits(const OptionValue& value) {
  return truth(value) ? OptionValue(std::string("int8")) : OptionValue();
}
OptionValue four_bits(const OptionValue& value) {
  return truth(value) ? OptionValue(std::string("int4")) : OptionValue();
}

OptionValue flash_attention(const OptionValue& value) {
  return truth(value) ? OptionValue(std::string("flash_attn_2")) : OptionValue();
}
/// A switch that older files have in several places: off says nothing.
OptionValue switched_on(const OptionValue& value) { return truth(value) ? OptionValue(true) : OptionValue(); }

/// An older name of a key, which still works.
struct Alias {
  std::string_view key;
  std::string_view target;
  OptionValue (*convert)(const OptionValue&) = same;
};

constexpr Alias aliases[] = {
    {"encoder.load_in_8bit", "encoder.quantization", eight_bits},
    {"encoder.load_in_4bit", "encoder.quantization", four_bits},
    {"encoder.cpu_offload", "optimization.cpu_offload", switched_on},
    {"pipeline.enable_model_cpu_offload", "optimization.cpu_offload", switched_on},
    {"pipeline.enable_sequential_cpu_offload", "optimization.cpu_offload", switched_on},
    {"optimization.flash_attn", "pytorch.attention_backend", flash_attention},
    {"pipeline.torch_dtype", "encoder.torch_dtype"},
    {"generation.enable_thinking", "generation.force_think_block"},
    {"generation.default_template", "generation.template"},
    {"templates_dir", "generation.templates_dir"},
    {"pytorch.embedding_cache", "pytorch.enable_cache"},
    {"pytorch.long_prompt_mode", "pipeline.long_prompt_mode"},
    {"vl.default_alpha", "vl.alpha"},
    {"vl.default_hidden_layer", "vl.hidden_layer"},
    {"rewriter.max_tokens", "rewriter.max_new_tokens"},
    {"pytorch.tiled_vae", "pipeline.vae_tiling", tiling_of},
    {"pytorch.tile_size", "pipeline.vae_tile_size"},
    {"pytorch.tile_overlap", "pipeline.vae_tile_overlap"},
};

/// Keys of older files that name nothing here, and why.
struct Retired {
  std::string_view key;
  std::string_view reason;
};

constexpr Retired retired_keys[] = {
    {"encoder.trust_remote_code", "no code out of a model is ever run; delete the key"},
    {"encoder.max_length", "prompts are not cut; the transformer's own limit is read from the model. Delete the key"},
    {"vl.text_tokens_only", "vl.token_selection says which rows are taken; delete the key"},
    {"pytorch.use_custom_scheduler", "there is one scheduler, whose shift is scheduler.shift; delete the key"},
};

constexpr std::string_view scales_key = "lora.scales";  // with lora.paths one setting

std::string join(std::string_view section, std::string_view key) {
  return section.empty() ? std::string(key) : fmt::format("{}.{}", section, key);
}

std::string_view section_of(std::string_view key) {
  const size_t dot = key.find('.');
  return dot == key.npos ? std::string_view() : key.substr(0, dot);
}

std::string_view last_part(std::string_view key) { return key.substr(key.find('.') + 1); }

const Setting* find_setting(std::string_view key) {
  const auto found = std::ranges::find(settings(), key, &Setting::key);
  return found == settings().end() ? nullptr : &*found;
}

const Alias* find_alias(std::string_view key) {
  const auto* found = std::ranges::find(aliases, key, &Alias::key);
  return found == std::end(aliases) ? nullptr : found;
}

std::vector<std::string_view> known_keys() {
  std::vector<std::string_view> keys = {scales_key};
  for (const Setting& setting : settings()) keys.push_back(setting.key);
  for (const Alias& alias : aliases) keys.push_back(alias.key);
  return keys;
}

std::vector<std::string_view> sections() {
  std::vector<std::string_view> names;
  for (std::string_view key : known_keys()) {
    const std::string_view section = section_of(key);
    if (!section.empty() && std::ranges::find(names, section) == names.end()) names.push_back(section);
  }
  return names;
}

std::vector<std::string_view> keys_in(std::string_view section) {
  std::vector<std::string_view> names;
  for (std::string_view key : known_keys()) {
    if (section_of(key) == section) names.push_back(last_part(key));
  }
  return names;
}

std::string place_of(std::string_view key) {
  const std::string_view section = section_of(key);
  if (section == top_section) return fmt::format("in the table [{}], beside the profiles", section);
  return section.empty() ? "at the root of the profile" : fmt::format("in the section {}", section);
}

[[noreturn]] void unknown_key(std::string_view section, std::string_view key) {
  if (section.empty() && is_section(key)) {
    fail(ErrorCode::invalid_argument, "config", "is a section and has no value of its own; its keys are {}",
         fmt::join(keys_in(key), ", "));
  }
  for (std::string_view known : known_keys()) {
    if (last_part(known) == key)
      fail(ErrorCode::invalid_argument, "config", "there is no such key here; it stands {}", place_of(known));
  }
  const std::vector<std::string_view> here = keys_in(section);
  if (const std::string_view guess = nearest_name(key, here); !guess.empty())
    fail(ErrorCode::invalid_argument, "config", "there is no such key; did you mean {}?", guess);
  std::vector<std::string_view> names;
  for (std::string_view known : known_keys()) names.push_back(last_part(known));
  if (const std::string_view guess = nearest_name(key, names); !guess.empty()) {
    const std::vector<std::string_view> known = known_keys();
    const auto full = std::ranges::find(known, guess, last_part);
    fail(ErrorCode::invalid_argument, "config", "there is no such key; did you mean {}, {}?", guess, place_of(*full));
  }
  fail(ErrorCode::invalid_argument, "config", "there is no such key; known here are {}", fmt::join(here, ", "));
}

}  // namespace

OptionValue checked(const Setting& setting, OptionValue value) {
  const OptionField& field = *setting.field;
  // TOML's integers have 63 bits, a seed has 64.
  const auto* text = std::get_if<std::string>(&value);
  if (text && field.kind == OptionKind::unsigned_integer) value = parse_value(field, *text);
  const auto* numbers = std::get_if<std::vector<double>>(&value);
  if (numbers && numbers->empty() && field.kind == OptionKind::texts) value = std::vector<std::string>();
  // Texts with a form of their own are read where they are set.
  RuntimeConfig scratch;
  field.set(setting.options(scratch), check_value(field, std::move(value)));
  return setting.get(scratch);
}

void check_key(std::string_view section, std::string_view key) {
  const std::string full = join(section, key);
  if (full == scales_key || find_setting(full) || find_alias(full)) return;
  for (const Retired& retired : retired_keys) {
    if (retired.key == full) fail(ErrorCode::invalid_argument, "config", "has no use here: {}", retired.reason);
  }
  unknown_key(section, key);
}

Meaning interpret(std::string_view section, std::string_view key, const OptionValue& value) {
  check_key(section, key);
  const std::string full = join(section, key);
  if (const Setting* setting = find_setting(full)) return {setting, checked(*setting, value), ""};
  const Alias& alias = *find_alias(full);
  const Setting& setting = *find_setting(alias.target);
  const std::string note = fmt::format("an older name of {}", alias.target);
  OptionValue converted = alias.convert(value);
  if (std::holds_alternative<std::monostate>(converted)) return {nullptr, {}, note};
  return {&setting, checked(setting, std::move(converted)), note};
}

bool is_section(std::string_view name) {
  const std::vector<std::string_view> known = sections();
  return std::ranges::find(known, name) != known.end();
}

void unknown_section(std::string_view name) {
  const std::vector<std::string_view> known = sections();
  const std::string_view guess = nearest_name(name, known);
  if (guess.empty())
    fail(ErrorCode::invalid_argument, "config", "there is no such section; known are {}", fmt::join(known, ", "));
  fail(ErrorCode::invalid_argument, "config", "there is no such section; did you mean {}?", guess);
}

std::string message_of(const Error& error) {
  const std::string_view text = error.what();
  const size_t end = text.starts_with('[') ? text.find("] ") : text.npos;
  return std::string(end == text.npos ? text : text.substr(end + 2));
}

void ProfileBuilder::add(std::string_view section, std::string_view key, const OptionValue& value,
                         const std::string& origin) {
  note_.clear();
  if (join(section, key) == scales_key) {
    const auto* numbers = std::get_if<std::vector<double>>(&value);
    check(numbers != nullptr, "config", "expected a list of numbers, one for each of lora.paths, got '{}'",
          io::printable(to_string(value)));
    scales_ = *numbers;
    has_scales_ = true;
    return;
  }
  Meaning meaning = interpret(section, key, value);
  note_ = std::move(meaning.note);
  if (!meaning.setting) return;
  const auto other = std::ranges::find(entries_, meaning.setting->key, &ConfigEntry::key);
  if (other == entries_.end()) {
    entries_.push_back({meaning.setting->key, std::move(meaning.value), origin});
    return;
  }
  check(other->value == meaning.value, "config", "{} is given twice: '{}' here and '{}' at {}", meaning.setting->key,
        io::printable(to_string(meaning.value)), io::printable(to_string(other->value)), other->origin);
}

std::vector<ConfigEntry> ProfileBuilder::finish() {
  if (has_scales_) {
    const auto paths = std::ranges::find(entries_, std::string_view("lora.paths"), &ConfigEntry::key);
    check(paths != entries_.end(), "config", "expected lora.paths beside lora.scales, found none");
    auto& files = std::get<std::vector<std::string>>(paths->value);
    check(files.size() == scales_.size(), "config", "expected one of lora.scales for each of {} lora.paths, got {}",
          files.size(), scales_.size());
    constexpr std::string_view encoder_mark = ":te";  // stands last, see parse_lora
    for (size_t i = 0; i < files.size(); ++i) {
      const bool is_marked = files[i].ends_with(encoder_mark);
      if (is_marked) files[i].resize(files[i].size() - encoder_mark.size());
      files[i] += fmt::format(":{}{}", scales_[i], is_marked ? encoder_mark : "");
    }
  }
  return std::move(entries_);
}

}  // namespace llmdit::config
