#include <ATen/ATen.h>

#include "base/check.hpp"
#include "remote/encoder_protocol.hpp"

namespace llmdit::remote {
namespace {

/// SGLang gives the layers that it was started with; its ids mean "after block id + 1".
class SglangProtocol final : public EncoderProtocol {
 public:
  explicit SglangProtocol(ProtocolParts parts) : parts_(std::move(parts)) {}

  States fetch(const StatesRequest& request, const std::stop_token& stop) const override {
    if (request.layer == 0) {
      fail(ErrorCode::unsupported, kEncoderOperation,
           std::string_view("expected a layer other than 0, the token embeddings, which SGLang does not give"));
    }
    const nlohmann::json message = {{"input_ids", *request.ids},
                                    {"sampling_params", {{"max_new_tokens", 1}, {"temperature", 0}}},
                                    {"return_hidden_states", true}};
    const nlohmann::json answer = parts_.client->post_json("/generate", message, stop, parts_.max_body(request, 26));
    const at::Tensor rows = read_prompt(answer);
    return {.rows = columns_of_layer(parts_, rows, request.layer - 1, "--return-aux-hidden-state-layer-ids"),
            .why_short = "its cache answered the rest; start it with --disable-radix-cache"};
  }

 private:
  /// The rows of the prompt: one list of rows for each chunk of it come first, then one row for each new token.
  at::Tensor read_prompt(const nlohmann::json& answer) const {
    const HttpClient& client = *parts_.client;
    static const nlohmann::json none;
    const nlohmann::json& meta = answer.is_object() && answer.contains("meta_info") ? answer["meta_info"] : none;
    const auto states = meta.is_object() ? meta.find("hidden_states") : meta.end();
    if (!meta.is_object() || states == meta.end() || !states->is_array() || states->empty()) {
      client.fail(
          0,
          "expected meta_info.hidden_states in its answer, got none; start it with --enable-return-hidden-states, "
          "and for a layer below the last with --enable-return-aux-hidden-states --speculative-algorithm EAGLE3 "
          "--return-aux-hidden-state-layer-ids");
    }
    std::vector<at::Tensor> chunks;
    for (const nlohmann::json& part : *states) {
      if (!part.is_array() || part.empty() || !part.front().is_array()) break;
      chunks.push_back(rows_of_lists(client, part));
      if (chunks.back().size(1) != chunks.front().size(1)) client.fail(0, "expected chunks of one width, got several");
    }
    if (chunks.empty())
      client.fail(0,
                  "expected the states of the whole prompt, got those of single tokens; it has to be asked through "
                  "/generate, and started with --return-hidden-states-mode full where it has that flag");
    return at::cat(chunks);
  }

  ProtocolParts parts_;
};

}  // namespace

std::shared_ptr<const EncoderProtocol> make_sglang_protocol(ProtocolParts parts) {
  check(parts.model.tokenizer.has_value(), kEncoderOperation,
        "expected the model's tokenizer beside SGLang, which is sent token ids; name a model or tokenizer_path");
  return std::make_shared<const SglangProtocol>(std::move(parts));
}

}  // namespace llmdit::remote
