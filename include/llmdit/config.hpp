#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llmdit/chat_backend.hpp"
#include "llmdit/encoder_server.hpp"
#include "llmdit/export.hpp"
#include "llmdit/generate_options.hpp"
#include "llmdit/load_options.hpp"
#include "llmdit/options.hpp"
#include "llmdit/prompt_rewriter.hpp"
#include "llmdit/remote_text_encoder.hpp"

namespace llmdit {

/// The settings in force: what a Config says, as the option structs that the library's calls take.
struct RuntimeConfig {
  std::string model{};  ///< folder, file or cached hub id; empty is the demo model
  LoadOptions load{};
  GenerateOptions generate{};
  RewriteOptions rewrite{};
  RewriterModelOptions rewriter{};
  RemoteEncoderOptions encoder{};  ///< without a url the encoder is the model's own
  EncoderServerOptions server{};   ///< of `llmdit serve-encoder`
};

template <>
LLMDIT_EXPORT std::span<const OptionField> option_fields<RuntimeConfig>();

/// A key of configuration files and what it sets; the fields of all option structs, each once.
struct Setting {
  std::string key;          ///< below a profile, e.g. "generation.width", "model_path"; "server.port" beside profiles
  std::string environment;  ///< the variable, e.g. "LLMDIT_WIDTH"
  const OptionField* field = nullptr;
  void* (*options)(RuntimeConfig& config) = nullptr;  ///< the struct that the field is of

  OptionValue get(const RuntimeConfig& config) const { return field->get(options(const_cast<RuntimeConfig&>(config))); }
};

/// Every setting, in the order of the tables.
LLMDIT_EXPORT std::span<const Setting> settings();

/// A value that was given, under its setting's key.
struct ConfigEntry {
  std::string key;
  OptionValue value;
  std::string origin;  ///< e.g. "config.toml:12:1", "profile low_vram", "environment LLMDIT_WIDTH"
};

/// A place in a configuration file and what is to be said of it.
struct ConfigRemark {
  std::string file;
  int64_t line = 0;    ///< from 1
  int64_t column = 0;  ///< from 1
  std::string text;
};

/// "file:line:column: text".
LLMDIT_EXPORT std::string to_string(const ConfigRemark& remark);

/// Settings that were given, each at most once: a profile of a file, the environment, or both.
class LLMDIT_EXPORT Config {
 public:
  Config() = default;

  /// One profile of a TOML file, with those it extends; a profile that the file has not may be one of the library's
  /// own. Throws not_found for a file that cannot be read, invalid_argument with every mistake of the file.
  static Config from_toml(const std::filesystem::path& file, std::string_view profile = "default");
  /// The same from text; `name` stands for the file in messages.
  static Config parse(std::string_view text, std::string_view profile = "default",
                      const std::string& name = "config.toml");
  /// From keys as a profile has them, older names included. Throws invalid_argument naming the nearest known key.
  static Config from_entries(std::span<const ConfigEntry> entries);

  /// What is given, in the order of `settings()`.
  const std::vector<ConfigEntry>& entries() const { return entries_; }
  const ConfigEntry* find(std::string_view key) const;

  /// Takes the entries of `other` in, which win over those that are here.
  void overlay(const Config& other);

 private:
  std::vector<ConfigEntry> entries_;
};

/// The variables LLMDIT_* as settings, named as `settings()` tells; a list of texts is separated by semicolons. Throws
/// invalid_argument for a bad value, and for a variable that is likely to be a setting misspelt.
LLMDIT_EXPORT Config environment_config();

/// Where settings are looked for when no file is named: LLMDIT_CONFIG (empty: nowhere), else llmdit/config.toml in
/// XDG_CONFIG_HOME (~/.config), else in each of XDG_CONFIG_DIRS (/etc/xdg). Nothing when there is none.
LLMDIT_EXPORT std::optional<std::filesystem::path> find_config();

/// A profile of `file`, by default of find_config(), by default the one that LLMDIT_PROFILE names, else "default".
LLMDIT_EXPORT Config load_config(const std::optional<std::filesystem::path>& file = {},
                                 const std::optional<std::string>& profile = {});

/// The settings in force: the option structs' own values, with what `config` gives in their place.
LLMDIT_EXPORT RuntimeConfig runtime_config(const Config& config);

/// The language model that settings name for a PromptRewriter: that of a server, which is sent `api_key` where it is
/// not empty, else the text encoder's own, and Qwen3-VL for pictures. Models here are loaded at their first question.
/// Throws invalid_argument for use_api without a url, and for preload_vl where no Qwen3-VL here is asked.
LLMDIT_EXPORT std::shared_ptr<const ChatBackend> load_chat_backend(const RuntimeConfig& config,
                                                                   const std::string& api_key = {});

/// What a look at a whole file finds.
struct ConfigReport {
  std::vector<std::string> profiles;
  std::vector<ConfigRemark> errors;
  std::vector<ConfigRemark> notes;  ///< of keys that work under an older name
};

/// Checks every profile. Throws not_found for a file that cannot be read.
LLMDIT_EXPORT ConfigReport check_config(const std::filesystem::path& file);
LLMDIT_EXPORT ConfigReport check_config_text(std::string_view text, const std::string& name = "config.toml");

/// A configuration file with every setting, its help and its default, all commented out, and the library's own
/// profiles.
LLMDIT_EXPORT std::string config_example();

/// A value as TOML writes it; "" for not given.
LLMDIT_EXPORT std::string to_toml(const OptionValue& value);

}  // namespace llmdit
