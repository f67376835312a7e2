#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "llmdit/remote.hpp"
#include "remote/http_exchange.hpp"

namespace llmdit::remote {

/// A text of a JSON object; "" where there is none.
std::string text_at(const nlohmann::json& object, const char* key);

/// Speaks HTTP/1.1 to one server. Calls are const and thread-safe, each on a connection of its own. A stop token ends a
/// call at any moment, with cancelled. Redirects are not followed: the error names the new place.
class HttpClient {
 public:
  /// `operation` begins the messages. Throws invalid_argument for an URL, key or patience that makes no sense.
  HttpClient(RemoteOptions options, std::string operation);

  /// The answer, of a status of success. Throws RemoteError for a server that cannot be reached, is too slow, sends too
  /// much, or answers with another status.
  HttpResponse send(const HttpRequest& request, const std::stop_token& stop = {}) const;

  /// The same for an answer that is read line by line while it comes, as server-sent events are. Nothing is sent again
  /// once a line has come. Exceptions of `on_line` pass through.
  void stream(const HttpRequest& request, const LineSink& on_line, const std::stop_token& stop = {}) const;

  /// Posts `document` and parses the answer; throws RemoteError when that is no JSON.
  nlohmann::json post_json(const std::string& path, const nlohmann::json& document, const std::stop_token& stop = {},
                           uint64_t max_body = HttpRequest{}.max_body) const;

  /// Throws RemoteError: "[operation] URL: message".
  [[noreturn]] void fail(int status, std::string_view message) const { server_.fail(status, message); }

 private:
  void run(const HttpRequest& request, HttpAnswer& answer, const std::stop_token& stop) const;

  HttpServer server_;
};

}  // namespace llmdit::remote
