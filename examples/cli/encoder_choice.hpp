#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "json_output.hpp"
#include "llmdit/model_sources.hpp"
#include "llmdit/remote_text_encoder.hpp"
#include "option_flags.hpp"

namespace llmdit::cli {

/// The flags of a text encoder on another machine.
class EncoderChoice {
 public:
  explicit EncoderChoice(CLI::App& app);
  EncoderChoice(const EncoderChoice&) = delete;
  EncoderChoice& operator=(const EncoderChoice&) = delete;

  /// Reads the flags over the settings. Throws UsageError for flags without a server, whose URL may also be named
  /// apart.
  void apply(const RuntimeConfig& settings, bool has_other_server = false);

  /// The same for settings that stand over others, with the flag as what each came from.
  void overlay(Config& config) const { flags_.overlay(config); }

  bool is_remote() const { return !options_.server.url.empty(); }
  /// Whether a flag names the server, which then has to have an effect, and not a profile or the environment.
  bool is_asked_for() const { return is_flag_given_; }
  const RemoteEncoderOptions& options() const { return options_; }

  /// The encoder that the flags name, or that of `url`.
  std::shared_ptr<const TextEncoder> connect(const ModelSources& model, const std::stop_token& stop,
                                             const std::string& url = {}) const;

  /// For --json; null without a server.
  Json json() const;

 private:
  OptionFlags flags_;
  std::string key_;
  RemoteEncoderOptions options_;
  bool is_flag_given_ = false;
};

/// The flag's, else the environment's LLMDIT_ENCODER_API_KEY, else LLMDIT_API_KEY, else "".
std::string encoder_key(const std::string& flag);

}  // namespace llmdit::cli
