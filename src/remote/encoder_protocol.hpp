#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "llmdit/remote_text_encoder.hpp"
#include "remote/http_client.hpp"

namespace llmdit::remote {

inline constexpr const char* kEncoderOperation = "remote_encoder";

/// One text and the layer of it that is wanted.
struct StatesRequest {
  const std::string& text;
  std::optional<std::vector<int64_t>> ids;  ///< where the tokenizer is known
  int64_t layer = 0;        ///< as in transformers: 0 the embeddings, k after block k, num_hidden_layers normed
  int64_t asked_layer = 0;  ///< the same counted from the end: -1 normed, -2 and so on

  /// More rows than can come.
  size_t most_rows() const { return ids ? ids->size() + 8 : text.size() + 64; }
};

/// What a server answered, before it is checked.
struct States {
  at::Tensor rows;             ///< [tokens, width] float32
  std::vector<int64_t> ids{};  ///< that the server counted, where it tells them
  std::string why_short{};     ///< the flag to blame for missing rows
};

/// How one kind of server is spoken to.
class EncoderProtocol {
 public:
  virtual ~EncoderProtocol() = default;
  virtual States fetch(const StatesRequest& request, const std::stop_token& stop) const = 0;
  /// Of the encoder behind the server; empty where it does not tell.
  virtual std::string fingerprint() const { return {}; }
};

struct ProtocolParts {
  std::shared_ptr<const HttpClient> client;
  RemoteEncoderOptions options;
  RemoteEncoderModel model;

  /// Bytes of an answer whose numbers take up to `bytes_each`.
  uint64_t max_body(const StatesRequest& request, uint64_t bytes_each) const;
};

std::shared_ptr<const EncoderProtocol> make_heylook_protocol(ProtocolParts parts);
std::shared_ptr<const EncoderProtocol> make_sglang_protocol(ProtocolParts parts);
std::shared_ptr<const EncoderProtocol> make_vllm_file_protocol(ProtocolParts parts);
/// Asks the server what it runs, and completes `model` by that.
std::shared_ptr<const EncoderProtocol> make_llmdit_protocol(ProtocolParts parts, RemoteEncoderModel& model,
                                                            const std::stop_token& stop);

// What answers hold. They throw RemoteError for anything else.

/// [[number, ...], ...] as [rows, width] float32.
at::Tensor rows_of_lists(const HttpClient& client, const nlohmann::json& lists);
/// Little-endian float32 in base64.
at::Tensor rows_of_base64(const HttpClient& client, const std::string& text, const std::vector<int64_t>& shape);
/// The columns of the layer `id` among those of all that the server was started with.
at::Tensor columns_of_layer(const ProtocolParts& parts, const at::Tensor& rows, int64_t id, std::string_view flag);
std::vector<int64_t> integers_at(const HttpClient& client, const nlohmann::json& object, const char* key);

}  // namespace llmdit::remote
