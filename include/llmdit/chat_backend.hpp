#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "llmdit/export.hpp"
#include "llmdit/image.hpp"
#include "llmdit/options.hpp"
#include "llmdit/remote.hpp"
#include "llmdit/text_encoder.hpp"
#include "llmdit/text_generation.hpp"

namespace llmdit {

/// One question to a language model. Choices of tokens that are not given are the backend's own.
struct ChatRequest {
  std::string system_prompt{};   ///< no system turn when empty
  std::string prompt{};          ///< the user's turn; may be empty with an image
  std::optional<Image> image{};  ///< stands before the text
  bool enable_thinking = true;   ///< off: the model answers at once
  std::optional<double> temperature{}, top_p{}, min_p{}, repetition_penalty{}, presence_penalty{};  ///< SamplingOptions
  std::optional<int64_t> top_k{};
  int64_t max_new_tokens = TextGenerationOptions{}.max_new_tokens;
  std::optional<uint64_t> seed{};
  TokenCallback on_token{};
  std::stop_token stop{};
};

struct ChatReply {
  std::string text;                      ///< as the model wrote it, its think block included
  std::optional<std::string> reasoning;  ///< where a server keeps it apart from the text
  FinishReason finish_reason = FinishReason::stop;
  int64_t prompt_tokens = 0;  ///< 0 where a server does not tell
  int64_t new_tokens = 0;
  std::optional<uint64_t> seed;  ///< the text comes of; nothing where a server chose it
  std::string model;             ///< that answered
};

/// A language model that answers, here or on another machine. Calls are const and thread-safe.
class LLMDIT_EXPORT ChatBackend {
 public:
  virtual ~ChatBackend();

  /// Throws invalid_argument for an image where takes_images() is false, cancelled after a stop, and RemoteError.
  virtual ChatReply chat(const ChatRequest& request) const = 0;

  virtual bool takes_images() const = 0;
};

/// Qwen3's recommended choice of tokens for a text that begins with thinking, and for one that does not.
LLMDIT_EXPORT SamplingOptions qwen3_sampling(bool enable_thinking);

/// `defaults` with what the request gives.
LLMDIT_EXPORT SamplingOptions chosen_sampling(const ChatRequest& request, SamplingOptions defaults);

/// The text encoder's own model. Takes no images.
class LLMDIT_EXPORT LocalChatBackend final : public ChatBackend {
 public:
  explicit LocalChatBackend(ZImageTextEncoder encoder) : encoder_(std::move(encoder)) {}

  ChatReply chat(const ChatRequest& request) const override;
  bool takes_images() const override { return false; }

 private:
  ZImageTextEncoder encoder_;
};

/// A server that speaks OpenAI's /v1/chat/completions. It is sent the choices of tokens that were given and no others,
/// so that the model's own defaults are the server's matter; where thinking is off, also what vLLM and SGLang take for
/// that. Pictures go as PNG data URLs. With `on_token` the answer is streamed.
class LLMDIT_EXPORT RemoteChatBackend final : public ChatBackend {
 public:
  /// `model`: empty for a server that has one model. Throws invalid_argument for options that make no sense.
  explicit RemoteChatBackend(const RemoteOptions& options, std::string model = "");

  ChatReply chat(const ChatRequest& request) const override;
  bool takes_images() const override { return true; }  // whether the model does is for the server to say

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

/// Which language model rewrites prompts: a server's, or those here.
struct RewriterModelOptions {
  std::optional<bool> use_api{};  ///< a server is asked; not given: where api_url names one
  std::string api_url{};          ///< "": the server of the text encoder, where there is one
  std::string api_model{};        ///< its name there; "": the server's only one
  std::string vl_api_model{};     ///< the same for questions with a picture, also without use_api; "": api_model
  double timeout = RemoteOptions{}.timeout;  ///< seconds for an answer of the server
  bool vl_enabled = true;                    ///< off: pictures are refused
  bool preload_vl = false;                   ///< load Qwen3-VL at once, not at the first picture

  /// Whether a question goes to a server.
  bool asks_server(bool with_image) const {
    return use_api.value_or(!api_url.empty()) || (with_image && !vl_api_model.empty());
  }
};

template <>
LLMDIT_EXPORT std::span<const OptionField> option_fields<RewriterModelOptions>();

}  // namespace llmdit
