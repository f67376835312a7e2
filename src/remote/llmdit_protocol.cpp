#include "base/check.hpp"
#include "io/encoding.hpp"
#include "io/json.hpp"
#include "remote/encoder_protocol.hpp"

namespace llmdit::remote {
namespace {

/// Our own server: counts layers as transformers does, and tells what it runs.
class LlmditProtocol final : public EncoderProtocol {
 public:
  LlmditProtocol(ProtocolParts parts, std::string fingerprint)
      : parts_(std::move(parts)), fingerprint_(std::move(fingerprint)) {}

  States fetch(const StatesRequest& request, const std::stop_token& stop) const override {
    nlohmann::json message = {{"input", request.text},
                              {"layer", request.asked_layer},
                              {"layer_convention", "hf"},
                              {"encoding_format", "base64"}};
    const HttpClient& client = *parts_.client;
    const nlohmann::json answer = client.post_json("/v1/hidden_states", message, stop, parts_.max_body(request, 6));
    if (!answer.is_object() || answer.value("layer", nlohmann::json()) != request.asked_layer ||
        text_at(answer, "layer_convention") != "hf")
      client.fail(0, fmt::format("expected layer {} as transformers counts, got {}", request.asked_layer,
                                 answer.is_object() ? answer.value("layer", nlohmann::json()).dump() : "no object"));
    if (text_at(answer, "fingerprint") != fingerprint_)
      client.fail(0, "runs another encoder than it said before; connect to it again");
    return {.rows = rows_of_base64(client, text_at(answer, "hidden_states"), integers_at(client, answer, "shape")),
            .ids = integers_at(client, answer, "input_ids"),
            .why_short = "it cut the text"};
  }

  std::string fingerprint() const override { return fingerprint_; }

 private:
  ProtocolParts parts_;
  std::string fingerprint_;
};

}  // namespace

std::shared_ptr<const EncoderProtocol> make_llmdit_protocol(ProtocolParts parts, RemoteEncoderModel& model,
                                                            const std::stop_token& stop) {
  const HttpClient& client = *parts.client;
  const HttpResponse response = client.send({.method = "GET", .path = "/v1/encoder"}, stop);
  const auto told = io::parse_foreign_json(response.body);
  const auto integer_at = [&](const char* key) {
    const auto found = told.is_object() ? told.find(key) : told.end();
    if (!told.is_object() || found == told.end() || !found->is_number_integer() || *found < 1 || *found > (1 << 20))
      client.fail(
          0, "expected a server of llmdit serve-encoder, got another one; its kind is named by --encoder-api (api)");
    return found->get<int64_t>();
  };
  const int64_t width = integer_at("hidden_size");
  if (model.hidden_size > 0 && model.hidden_size != width)
    client.fail(0, fmt::format("expected an encoder of width {}, it runs one of {}", model.hidden_size, width));
  model.hidden_size = width;
  model.num_hidden_layers = integer_at("num_hidden_layers");
  parts.model = model;
  const nlohmann::json fingerprint = told.value("fingerprint", nlohmann::json());
  const std::string digest = fingerprint.is_string() ? fingerprint.get<std::string>() : std::string();
  const bool is_digest = digest.size() == 64 && digest.find_first_not_of("0123456789abcdef") == digest.npos;
  if (!is_digest) client.fail(0, "expected the 64 hexadecimal digits of its encoder's fingerprint, got something else");
  return std::make_shared<const LlmditProtocol>(std::move(parts), digest);
}

}  // namespace llmdit::remote
