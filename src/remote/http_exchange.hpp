#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "llmdit/remote.hpp"
#include "remote/line_splitter.hpp"
#include "remote/server_address.hpp"
#include "remote/watchdog.hpp"

namespace httplib {
class ClientImpl;
struct Request;
enum class Error;
}  // namespace httplib

namespace llmdit::remote {

struct HttpRequest {
  std::string method = "POST";  ///< or "GET"
  std::string path{};           ///< below the server's URL, e.g. "/v1/hidden_states"
  std::string body{};
  std::string content_type = "application/json";
  std::string accept = "application/json";
  uint64_t max_body = uint64_t{64} << 20;  ///< bytes of an answer, unpacked; a longer one is an error
};

struct HttpResponse {
  int status = 0;
  std::string content_type;
  std::string body;
};

/// Where the bytes of an answer go: lines to their sink where there is one, the rest into the response.
struct HttpAnswer {
  HttpResponse response;
  std::optional<LineSplitter> lines;
  bool is_enough = false;  ///< the sink wants no more
};

/// The server an exchange is with.
struct HttpServer {
  RemoteOptions options{};
  ServerAddress address{};
  std::string operation{};  ///< begins the messages

  /// Throws RemoteError: "[operation] URL: message".
  [[noreturn]] void fail(int status, std::string_view message) const;
};

/// One attempt at a request.
class HttpExchange {
 public:
  using Clock = std::chrono::steady_clock;

  HttpExchange(const HttpServer& server, const HttpRequest& request, HttpAnswer& answer, const std::stop_token& stop,
               Clock::time_point deadline);
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;

  /// Returns with an answer of any status in its place, or with a `failure` that may pass. Throws RemoteError for one
  /// that would come again, cancelled after a stop, and whatever a sink of lines throws.
  void run();

  const std::string& failure() const { return failure_; }
  bool is_success() const { return answer_.response.status / 100 == 2; }
  const std::string& location() const { return location_; }           ///< that the answer names
  std::optional<double> wait_wanted() const { return wait_wanted_; }  ///< seconds that the answer asks for

 private:
  bool try_address(const std::string& numeric);
  std::unique_ptr<httplib::ClientImpl> connection(const std::string& numeric);
  httplib::Request message();
  bool take(std::string_view bytes);
  void interpret(httplib::Error error);

  const HttpServer& server_;
  const HttpRequest& request_;
  HttpAnswer& answer_;
  const std::stop_token& stop_;
  Clock::time_point deadline_;
  Watchdog watchdog_;
  std::string failure_, location_;
  std::optional<double> wait_wanted_;
  uint64_t received_ = 0;
  bool is_too_long_ = false;
  std::exception_ptr thrown_;
  Clock::time_point last_byte_;
};

}  // namespace llmdit::remote
