#include "remote/http_exchange.hpp"

#include <httplib.h>

#include <algorithm>
#include <ctime>

#include "base/check.hpp"
#include "base/stop.hpp"
#include "io/encoding.hpp"
#include "llmdit/version.hpp"
#include "remote/host_addresses.hpp"

namespace llmdit::remote {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr int kTimedOut = 504;
constexpr uint64_t kMaxFailureBody = 64 << 10;

/// Seconds of a Retry-After header, given as a number or a date; nothing for another text.
std::optional<double> retry_after(const std::string& text) {
  if (text.empty()) return std::nullopt;
  if (text.size() < 10 && std::ranges::all_of(text, [](unsigned char c) { return c >= '0' && c <= '9'; }))
    return std::stod(text);
  std::tm date{};
  if (!strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date)) return std::nullopt;
  return std::max(0.0, std::difftime(timegm(&date), std::time(nullptr)));
}

/// Whether the connection did not even come about, so that another address of the host may answer.
bool is_unconnected(httplib::Error error) {
  return error == httplib::Error::Connection || error == httplib::Error::ConnectionTimeout;
}

}  // namespace

void HttpServer::fail(int status, std::string_view message) const {
  throw RemoteError(status, fmt::format("[{}] {}: {}", operation, io::printable(options.url), message));
}

HttpExchange::HttpExchange(const HttpServer& server, const HttpRequest& request, HttpAnswer& answer,
                           const std::stop_token& stop, Clock::time_point deadline)
    : server_(server),
      request_(request),
      answer_(answer),
      stop_(stop),
      deadline_(deadline),
      watchdog_(deadline, stop) {}

void HttpExchange::run() {
  const Seconds patience(server_.options.connect_timeout);
  const auto resolved_by = std::min(deadline_, Clock::now() + std::chrono::duration_cast<Clock::duration>(patience));
  const HostAddresses addresses = resolve_host(server_.address.host, resolved_by, stop_);
  check_stop(stop_, server_.operation);
  if (addresses.numeric.empty()) {
    failure_ = addresses.problem.empty() ? "its name was not resolved in time"
                                         : fmt::format("its name was not resolved: {}", addresses.problem);
  }
  for (const std::string& numeric : addresses.numeric) {
    if (try_address(numeric)) return;
  }
}

/// False when another address is worth trying.
bool HttpExchange::try_address(const std::string& numeric) {
  const SigpipeBlock block;
  const auto to = connection(numeric);
  httplib::Request sent = message();
  httplib::Response head;
  auto error = httplib::Error::Success;
  failure_.clear();
  answer_.response = {};
  if (answer_.lines) answer_.lines->restart();
  received_ = 0;
  last_byte_ = Clock::now();
  to->send(sent, head, error);
  if (thrown_) std::rethrow_exception(thrown_);
  // An answer without a length ends where its connection is cut.
  if (error != httplib::Error::Success || watchdog_.has_fired()) interpret(error);
  return !is_unconnected(error);
}

std::unique_ptr<httplib::ClientImpl> HttpExchange::connection(const std::string& numeric) {
  const ServerAddress& to = server_.address;
  std::unique_ptr<httplib::ClientImpl> connection;
  if (to.is_tls) {
    connection = std::make_unique<httplib::SSLClient>(to.host, to.port);
  } else {
    connection = std::make_unique<httplib::ClientImpl>(to.host, to.port);
  }
  connection->set_hostname_addr_map({{to.host, numeric}});
  connection->set_connection_timeout(Seconds(server_.options.connect_timeout));
  connection->set_read_timeout(Seconds(server_.options.read_timeout));
  connection->set_write_timeout(Seconds(server_.options.read_timeout));
  connection->set_tcp_nodelay(true);
  connection->set_socket_options([this](int socket) { watchdog_.watch(socket); });
  return connection;
}

httplib::Request HttpExchange::message() {
  httplib::Request message;
  message.method = request_.method;
  message.path = server_.address.path + request_.path;
  message.body = request_.body;
  message.headers = {{"Host", server_.address.authority()},
                     {"User-Agent", fmt::format("llmdit/{}", version())},
                     {"Accept", request_.accept}};
  if (!message.body.empty()) message.headers.emplace("Content-Type", request_.content_type);
  if (!server_.options.api_key.empty()) message.headers.emplace("Authorization", "Bearer " + server_.options.api_key);
  message.response_handler = [this](const httplib::Response& head) {
    last_byte_ = Clock::now();
    answer_.response.status = head.status;
    answer_.response.content_type = head.get_header_value("Content-Type");
    location_ = head.get_header_value("Location");
    wait_wanted_ = retry_after(head.get_header_value("Retry-After"));
    return true;
  };
  message.content_receiver = [this](const char* data, size_t size, uint64_t, uint64_t) {
    last_byte_ = Clock::now();
    return take({data, size});
  };
  return message;
}

/// False ends the reading.
bool HttpExchange::take(std::string_view bytes) {
  received_ += bytes.size();
  if (received_ > (is_success() ? request_.max_body : kMaxFailureBody)) {
    is_too_long_ = is_success();
    return false;
  }
  if (!is_success() || !answer_.lines) {
    answer_.response.body += bytes;
    return true;
  }
  try {  // an exception does not travel through the HTTP library
    answer_.is_enough = answer_.lines->take(bytes);
  } catch (...) {
    thrown_ = std::current_exception();
  }
  return !answer_.is_enough && !thrown_;
}

/// Throws, sets `failure_`, or does nothing where the reading ended as wanted.
void HttpExchange::interpret(httplib::Error error) {
  check_stop(stop_, server_.operation);
  const RemoteOptions& options = server_.options;
  if (answer_.is_enough || (answer_.response.status > 0 && !is_success())) return;  // a failure's status says enough
  if (is_too_long_) {
    server_.fail(0, fmt::format("expected an answer of at most {} bytes, got more", request_.max_body));
  }
  if (watchdog_.has_fired()) {
    server_.fail(kTimedOut, fmt::format("expected its whole answer within {} seconds; see whether it is busy, or allow "
                                        "a longer timeout",
                                        options.timeout));
  }
  switch (error) {
    case httplib::Error::SSLServerVerification:
    case httplib::Error::SSLLoadingCerts:
      server_.fail(
          0,
          "its TLS certificate is not trusted or is another host's; the environment's SSL_CERT_FILE may name a "
          "file with the authority that signed it");
    case httplib::Error::SSLConnection:
      server_.fail(0, "no TLS connection came about; see whether its URL begins with http:// instead");
    case httplib::Error::Connection:
      failure_ = "nothing answers there";
      return;
    case httplib::Error::ConnectionTimeout:
      failure_ = fmt::format("it could not be connected to within {} seconds", options.connect_timeout);
      return;
    default:
      break;
  }
  if (Clock::now() - last_byte_ >= Seconds(0.98 * options.read_timeout)) {
    server_.fail(kTimedOut, fmt::format("it has sent nothing for {} seconds; see whether it is busy, or allow a longer "
                                        "read timeout",
                                        options.read_timeout));
  }
  failure_ = "it closed the connection before its answer was whole";
}

}  // namespace llmdit::remote
