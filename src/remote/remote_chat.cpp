#include <nlohmann/json.hpp>

#include "base/check.hpp"
#include "io/base64.hpp"
#include "io/encoding.hpp"
#include "io/json.hpp"
#include "llmdit/chat_backend.hpp"
#include "remote/http_client.hpp"

namespace llmdit {
namespace {

using Json = nlohmann::json;
using remote::text_at;

constexpr uint64_t longest_answer = 1 << 24;  // bytes

std::string data_url(const Image& image) {
  const std::vector<uint8_t> png = encode_png(image);
  return "data:image/png;base64," + io::base64_encode(std::as_bytes(std::span(png)));
}

Json messages_of(const ChatRequest& request) {
  Json messages = Json::array();
  if (!request.system_prompt.empty()) messages.push_back({{"role", "system"}, {"content", request.system_prompt}});
  Json content = request.prompt;
  if (request.image) {
    content = Json::array({{{"type", "image_url"}, {"image_url", {{"url", data_url(*request.image)}}}}});
    if (!request.prompt.empty()) content.push_back({{"type", "text"}, {"text", request.prompt}});
  }
  messages.push_back({{"role", "user"}, {"content", std::move(content)}});
  return messages;
}

template <class T>
void set_given(Json& body, const char* name, const std::optional<T>& value) {
  if (value) body[name] = *value;
}

Json body_of(const ChatRequest& request, const std::string& model) {
  Json body = {{"model", model}, {"messages", messages_of(request)}, {"max_tokens", request.max_new_tokens}};
  set_given(body, "temperature", request.temperature);
  set_given(body, "top_p", request.top_p);
  set_given(body, "top_k", request.top_k);
  set_given(body, "min_p", request.min_p);
  set_given(body, "presence_penalty", request.presence_penalty);
  set_given(body, "repetition_penalty", request.repetition_penalty);
  set_given(body, "seed", request.seed);
  if (!request.enable_thinking) body["chat_template_kwargs"] = {{"enable_thinking", false}};
  return body;
}

int64_t count_at(const Json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  return found != object.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

/// An answer as it comes, in one piece or in many.
class Answer {
 public:
  Answer(const remote::HttpClient& http, const ChatRequest& request, ChatReply& reply)
      : http_(http), request_(request), reply_(reply) {}

  /// One line of server-sent events; true when there is no more to read.
  bool take_line(std::string_view line) {
    constexpr std::string_view field = "data:";
    if (!line.starts_with(field)) {
      // An answer that is no stream, or a comment within one.
      if (!is_stream_ && plain_.size() + line.size() <= longest_answer) plain_.append(line);
      return false;
    }
    is_stream_ = true;
    line.remove_prefix(field.size());
    if (line.find("[DONE]") != line.npos && line.find('{') == line.npos) return is_whole_ = true;
    take(parse(line), "delta");
    return is_ended_;
  }

  /// After the last line.
  void finish() {
    if (!is_stream_) take(parse(plain_), "message");  // a server that does not stream answers as a whole
    if (!has_choice_) http_.fail(0, "expected choices in the answer of /v1/chat/completions, got none");
    if (is_stream_ && !is_whole_ && !is_ended_) http_.fail(0, "it closed the connection before its answer was whole");
  }

  void take_whole(std::string_view body) {
    plain_ = body;
    finish();
  }

 private:
  Json parse(std::string_view text) const {
    Json json = io::parse_foreign_json(text);
    if (!json.is_object()) {
      http_.fail(0, fmt::format("expected a JSON object from /v1/chat/completions, got {}", io::printable(text)));
    }
    return json;
  }

  void take(const Json& json, const char* part) {
    if (const auto error = json.find("error"); error != json.end() && !error->is_null()) {
      const std::string text = text_at(*error, "message");
      http_.fail(
          0, fmt::format("it ends its answer with an error: {}", io::printable(text.empty() ? error->dump() : text)));
    }
    if (const std::string model = text_at(json, "model"); !model.empty()) reply_.model = model;
    if (const auto usage = json.find("usage"); usage != json.end()) {
      reply_.prompt_tokens = count_at(*usage, "prompt_tokens");
      reply_.new_tokens = count_at(*usage, "completion_tokens");
    }
    const auto choices = json.find("choices");
    if (choices == json.end() || !choices->is_array() || choices->empty()) return;
    has_choice_ = true;
    const Json& choice = choices->front();
    if (const std::string reason = text_at(choice, "finish_reason"); !reason.empty()) finish_with(reason);
    if (choice.is_object() && choice.contains(part)) take_text(choice[part]);
  }

  void take_text(const Json& message) {
    // vLLM and SGLang name it so; newer ones "reasoning".
    std::string reasoning = text_at(message, "reasoning_content");
    if (reasoning.empty()) reasoning = text_at(message, "reasoning");
    const std::string text = text_at(message, "content");
    if (!reasoning.empty() && !reply_.reasoning) reply_.reasoning.emplace();
    if (reply_.reasoning) *reply_.reasoning += reasoning;
    reply_.text += text;
    if (reply_.text.size() + (reply_.reasoning ? reply_.reasoning->size() : 0) > longest_answer)
      http_.fail(0, "expected an answer of at most 16 MiB, got a longer one");
    const std::string& piece = text.empty() ? reasoning : text;
    if (piece.empty() || !request_.on_token) return;
    if (request_.on_token({.step = step_++, .id = -1, .text = piece})) {
      is_ended_ = true;
      reply_.finish_reason = FinishReason::request;
    }
  }

  void finish_with(const std::string& reason) {
    is_whole_ = true;
    if (reason == "content_filter") http_.fail(0, "it withheld the answer (finish_reason content_filter)");
    reply_.finish_reason = reason == "length" ? FinishReason::length : FinishReason::stop;
  }

  const remote::HttpClient& http_;
  const ChatRequest& request_;
  ChatReply& reply_;
  std::string plain_;
  int64_t step_ = 0;
  bool is_stream_ = false, has_choice_ = false, is_whole_ = false, is_ended_ = false;
};

RemoteOptions without_pauses(RemoteOptions options) {
  // Nothing comes while an answer that is sent as a whole is being written.
  options.read_timeout = options.timeout;
  return options;
}

/// Clients of OpenAI's write the /v1 into the base URL.
std::string prefix_of(const std::string& url) {
  const bool has_version = url.ends_with("/v1") || url.ends_with("/v1/");
  return has_version ? "" : "/v1";
}

}  // namespace

struct RemoteChatBackend::Impl {
  Impl(const RemoteOptions& options, std::string name)
      : streaming(options, "chat"),
        whole(without_pauses(options), "chat"),
        prefix(prefix_of(options.url)),
        model(std::move(name)) {}

  /// The server's only model.
  std::string find_model(const std::stop_token& stop) const {
    const auto response = streaming.send({.method = "GET", .path = prefix + "/models"}, stop);
    const Json json = io::parse_foreign_json(response.body);
    std::vector<std::string> names;
    if (json.is_object() && json.contains("data") && json["data"].is_array()) {
      for (const Json& entry : json["data"]) names.push_back(text_at(entry, "id"));
    }
    if (names.size() == 1) return names.front();
    streaming.fail(0, fmt::format("expected one model, it has {}{}; name the model", names.size(),
                                  names.empty() ? "" : ": " + io::printable_list(names)));
  }

  remote::HttpClient streaming, whole;
  std::string prefix, model;
};

RemoteChatBackend::RemoteChatBackend(const RemoteOptions& options, std::string model)
    : impl_(std::make_shared<const Impl>(options, std::move(model))) {}

ChatReply RemoteChatBackend::chat(const ChatRequest& request) const {
  ChatReply reply{.seed = request.seed, .model = impl_->model.empty() ? impl_->find_model(request.stop) : impl_->model};
  Json body = body_of(request, reply.model);
  if (request.on_token) body["stream"] = true;
  remote::HttpRequest http{.path = impl_->prefix + "/chat/completions",
                           .body = body.dump(-1, ' ', false, Json::error_handler_t::replace)};
  if (request.on_token) {
    http.accept = "text/event-stream";
    Answer answer(impl_->streaming, request, reply);
    impl_->streaming.stream(http, [&](std::string_view line) { return answer.take_line(line); }, request.stop);
    answer.finish();
  } else {
    Answer(impl_->whole, request, reply).take_whole(impl_->whole.send(http, request.stop).body);
  }
  return reply;
}

}  // namespace llmdit
