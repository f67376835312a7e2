#include "remote/http_client.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <random>
#include <utility>

#include "base/check.hpp"
#include "base/stop.hpp"
#include "io/encoding.hpp"
#include "io/json.hpp"

namespace llmdit {

RemoteError::~RemoteError() = default;

namespace remote {
namespace {

using Clock = HttpExchange::Clock;
using Seconds = std::chrono::duration<double>;

/// Doubling from half a second, and spread so that clients that failed together do not come back together.
double backoff(int64_t attempt) {
  thread_local std::minstd_rand random{std::random_device{}()};
  const double full = std::min(8.0, 0.5 * std::exp2(static_cast<double>(attempt)));
  return full * std::uniform_real_distribution(0.5, 1.0)(random);
}

/// What a server says of a failure: the texts that OpenAI's and FastAPI's error bodies carry, else the body itself.
std::string failure_text(const std::string& body) {
  const auto json = io::parse_foreign_json(body);
  if (json.is_object()) {
    const nlohmann::json error = json.value("error", nlohmann::json());
    for (const std::string& text :
         {text_at(error, "message"), text_at(json, "error"), text_at(json, "detail"), text_at(json, "message")}) {
      if (!text.empty()) return io::printable(text, 300);
    }
  }
  return body.empty() ? "without a word on why" : io::printable(body, 300);
}

void wait_for(double seconds, const std::stop_token& stop) {
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any().wait_for(lock, stop, Seconds(seconds), [] { return false; });
}

}  // namespace

std::string text_at(const nlohmann::json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

HttpClient::HttpClient(RemoteOptions options, std::string operation)
    : server_{.options = std::move(options), .operation = std::move(operation)} {
  const RemoteOptions& given = server_.options;
  server_.address = parse_server_url(given.url, server_.operation);
  check(!has_blank_or_control(given.api_key), server_.operation,
        "expected an API key without blanks and control characters");
  for (const auto& [name, value] : {std::pair{"connect_timeout", given.connect_timeout},
                                    {"read_timeout", given.read_timeout},
                                    {"timeout", given.timeout}}) {
    check(value > 0 && value <= 1e6, server_.operation, "expected {} above 0 and up to 1000000 seconds, got {}", name,
          value);
  }
  check(given.retries >= 0 && given.retries <= 100, server_.operation, "expected retries from 0 to 100, got {}",
        given.retries);
}

void HttpClient::run(const HttpRequest& request, HttpAnswer& answer, const std::stop_token& stop) const {
  const RemoteOptions& options = server_.options;
  const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(Seconds(options.timeout));
  for (int64_t attempt = 0;; ++attempt) {
    check_stop(stop, server_.operation);
    HttpExchange exchange(server_, request, answer, stop, deadline);
    exchange.run();
    const bool is_answered = exchange.failure().empty();
    const int status = is_answered ? answer.response.status : 0;
    if (is_answered && exchange.is_success()) return;
    if (status / 100 == 3) {
      fail(status, fmt::format("it answers with status {} and names {}; give that place as its URL", status,
                               io::printable(exchange.location(), 300)));
    }
    const std::string problem =
        is_answered ? fmt::format("it answers with status {}: {}", status, failure_text(answer.response.body))
                    : exchange.failure();
    const bool may_pass = !is_answered || status == 429 || status == 503;
    const bool is_repeatable = !answer.lines || !answer.lines->has_passed();
    if (!may_pass || !is_repeatable || attempt >= options.retries) fail(status, problem);
    const double wait = exchange.wait_wanted().value_or(backoff(attempt));
    if (Clock::now() + Seconds(wait) >= deadline) {
      fail(status, fmt::format("{}; to try again in {:.3g} seconds would take longer than the timeout of {}", problem,
                               wait, options.timeout));
    }
    wait_for(wait, stop);
  }
}

HttpResponse HttpClient::send(const HttpRequest& request, const std::stop_token& stop) const {
  HttpAnswer answer;
  run(request, answer, stop);
  return std::move(answer.response);
}

void HttpClient::stream(const HttpRequest& request, const LineSink& on_line, const std::stop_token& stop) const {
  HttpAnswer answer;
  answer.lines.emplace(on_line);
  run(request, answer, stop);
  if (!answer.is_enough) answer.lines->finish();
}

nlohmann::json HttpClient::post_json(const std::string& path, const nlohmann::json& document,
                                     const std::stop_token& stop, uint64_t max_body) const {
  HttpRequest request{.path = path, .max_body = max_body};
  try {
    request.body = document.dump();
  } catch (const nlohmann::json::type_error&) {
    llmdit::fail(ErrorCode::invalid_argument, server_.operation, std::string_view("expected texts in valid UTF-8"));
  }
  const HttpResponse response = send(request, stop);
  nlohmann::json answer = io::parse_foreign_json(response.body);
  if (answer.is_discarded()) {
    fail(0, fmt::format("expected JSON from {}, got {}", path, io::printable(response.body)));
  }
  return answer;
}

}  // namespace remote
}  // namespace llmdit
