#include "base/check.hpp"
#include "io/encoding.hpp"
#include "remote/encoder_protocol.hpp"

namespace llmdit::remote {
namespace {

/// heylookitsanllm counts blocks: -2 is the output of the last but one, as in transformers, but -1 is not normed, and k
/// is after block k + 1.
class HeylookProtocol final : public EncoderProtocol {
 public:
  explicit HeylookProtocol(ProtocolParts parts) : parts_(std::move(parts)) {}

  States fetch(const StatesRequest& request, const std::stop_token& stop) const override {
    const int64_t layer = servers_layer(request);
    // A length of 512 and a layer of -2 are taken for "not given" there, and replaced by the model's own settings.
    int64_t max_length = static_cast<int64_t>(request.most_rows());
    if (max_length == 512) ++max_length;
    nlohmann::json message = {
        {"input", request.text}, {"layer", layer}, {"max_length", max_length}, {"encoding_format", "base64"}};
    if (!parts_.options.model.empty()) message["model"] = parts_.options.model;
    const nlohmann::json answer =
        parts_.client->post_json("/v1/hidden_states", message, stop, parts_.max_body(request, 26));
    check_layer(answer, layer);
    return {.rows = read_rows(answer),
            .why_short = "it cuts texts at the model's own max_length, which has to be raised there"};
  }

 private:
  int64_t servers_layer(const StatesRequest& request) const {
    const int64_t last = parts_.model.num_hidden_layers;
    if (request.layer == 0 || request.layer == last) {
      fail(ErrorCode::unsupported, kEncoderOperation,
           "expected a layer from 1 to {} or from -{} to -2, got {} ({}): heylook gives the raw outputs of blocks, "
           "neither "
           "the token embeddings nor the normed last layer",
           last - 1, last, request.layer, request.asked_layer);
    }
    return request.asked_layer;  // counted from the end, all agree
  }

  void check_layer(const nlohmann::json& answer, int64_t layer) const {
    const auto told = answer.is_object() ? answer.find("layer") : answer.end();
    if (!answer.is_object() || told == answer.end() || !told->is_number_integer()) return;
    if (told->get<int64_t>() == layer || told->get<int64_t>() == layer + parts_.model.num_hidden_layers) return;
    parts_.client->fail(
        0, fmt::format(
               "asked for layer {}, it gave layer {}: it puts the model's own hidden_layer in the place of -2; set "
               "that to -2 in its models file, or ask for layer {} (counted from 0 at the embeddings)",
               layer, told->get<int64_t>(), parts_.model.num_hidden_layers + 1 + layer));
  }

  at::Tensor read_rows(const nlohmann::json& answer) const {
    const HttpClient& client = *parts_.client;
    if (!answer.is_object() || !answer.contains("hidden_states")) {
      const bool is_pooled = answer.is_object() && answer.contains("data");
      client.fail(
          0, is_pooled ? "expected hidden_states, got one pooled vector a text, which no picture can be made from"
                       : "expected hidden_states in its answer, got none; is this heylookitsanllm with an MLX model?");
    }
    const nlohmann::json& states = answer["hidden_states"];
    at::Tensor rows = states.is_string() ? rows_of_base64(client, states.get_ref<const std::string&>(),
                                                          integers_at(client, answer, "shape"))
                                         : rows_of_lists(client, states);
    if (answer.contains("shape")) {
      const auto shape = integers_at(client, answer, "shape");
      if (rows.sizes() != at::IntArrayRef(shape))
        client.fail(0, fmt::format("says that its hidden states are [{}], they are [{}]", fmt::join(shape, ", "),
                                   fmt::join(rows.sizes(), ", ")));
    }
    return rows;
  }

  ProtocolParts parts_;
};

}  // namespace

std::shared_ptr<const EncoderProtocol> make_heylook_protocol(ProtocolParts parts) {
  return std::make_shared<const HeylookProtocol>(std::move(parts));
}

}  // namespace llmdit::remote
