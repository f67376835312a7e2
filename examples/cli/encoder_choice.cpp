#include "encoder_choice.hpp"

#include <fmt/format.h>

#include <cstdlib>

#include "exit_codes.hpp"
#include "help.hpp"

namespace llmdit::cli {
namespace {

constexpr std::string_view kUrlFlag = "encoder-url";

}  // namespace

EncoderChoice::EncoderChoice(CLI::App& app) : flags_(OptionFlags::of<RemoteEncoderOptions>(app, "Model")) {
  add_text_flag(app, "--encoder-api-key", key_, "KEY", "key of the encoder's server; default LLMDIT_ENCODER_API_KEY")
      ->group(kFinePoints);
}

void EncoderChoice::apply(const RuntimeConfig& settings, bool has_other_server) {
  options_ = settings.encoder;
  flags_.apply(options_);
  for (const OptionField& field : option_fields<RemoteEncoderOptions>()) {
    if (is_remote() || has_other_server || field.flag == kUrlFlag || !flags_.is_given(field)) continue;
    throw UsageError(fmt::format("--{} has no effect without --{}", field.flag, kUrlFlag));
  }
  if (!key_.empty() && !is_remote() && !has_other_server)
    throw UsageError(fmt::format("--encoder-api-key has no effect without --{}", kUrlFlag));
  is_flag_given_ = is_remote() && flags_.is_given(kUrlFlag);
  options_.server.api_key = encoder_key(key_);
}

std::shared_ptr<const TextEncoder> EncoderChoice::connect(const ModelSources& model, const std::stop_token& stop,
                                                          const std::string& url) const {
  RemoteEncoderOptions options = options_;
  if (!url.empty()) options.server.url = url;
  return std::make_shared<const RemoteTextEncoder>(options, RemoteEncoderModel::of(model), stop);
}

Json EncoderChoice::json() const { return is_remote() ? settings_json(options_) : Json(); }

std::string encoder_key(const std::string& flag) {
  if (!flag.empty()) return flag;
  for (const char* name : {"LLMDIT_ENCODER_API_KEY", "LLMDIT_API_KEY"}) {
    const char* value = std::getenv(name);
    if (value && *value) return value;
  }
  return {};
}

}  // namespace llmdit::cli
