#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "llmdit/export.hpp"
#include "llmdit/options.hpp"
#include "llmdit/text_encoder.hpp"

namespace llmdit {

struct EncoderServerOptions {
  std::string host = "127.0.0.1";  ///< address to listen on; one that other machines reach needs an api_key
  int64_t port = 8765;             ///< 0: any free one
  std::string api_key{};           ///< that clients have to send as a bearer token; "": none
  int64_t max_text = 1 << 20;      ///< bytes of a text
  int64_t max_tokens = 8192;       ///< tokens of a text; each costs hidden_size numbers of the answer
};

template <>
LLMDIT_EXPORT std::span<const OptionField> option_fields<EncoderServerOptions>();

/// Serves an encoder over HTTP, without TLS: POST /v1/hidden_states with the fields of heylookitsanllm and
/// layer_convention "hf" or "block", GET /v1/encoder and GET /health. Texts are encoded one after another.
/// An address that strangers reach belongs behind a proxy, which limits connections and what comes before the key.
class LLMDIT_EXPORT EncoderServer {
 public:
  /// Listens from now on, on threads of its own. Throws invalid_argument for an open address without a key, not_found
  /// for a port that is taken.
  EncoderServer(const ZImageTextEncoder& encoder, const EncoderServerOptions& options = {});
  /// Stops what is being encoded.
  ~EncoderServer();
  EncoderServer(const EncoderServer&) = delete;
  EncoderServer& operator=(const EncoderServer&) = delete;

  int port() const;
  /// "http://HOST:PORT"
  std::string url() const;
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace llmdit
