#include "llmdit/encoder_server.hpp"

#include <ATen/ATen.h>
#include <httplib.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <sys/socket.h>

#include <atomic>
#include <mutex>
#include <nlohmann/json.hpp>
#include <span>
#include <thread>

#include "base/check.hpp"
#include "base/option_table.hpp"
#include "base/translate.hpp"
#include "io/base64.hpp"
#include "io/encoding.hpp"
#include "io/json.hpp"
#include "llmdit/version.hpp"
#include "remote/server_address.hpp"

namespace llmdit {
namespace {

using nlohmann::json;

constexpr const char* kOperation = "encoder_server";
constexpr OptionField server_fields[] = {
    field<EncoderServerOptions, "server_host", &EncoderServerOptions::host>(
        {.section = "server",
         .help = "address to listen on; others than this machine's own need a key",
         .flag = "host"}),
    field<EncoderServerOptions, "server_port", &EncoderServerOptions::port>(
        {.section = "server",
         .help = "port to listen on; 0 is any free one",
         .flag = "port",
         .minimum = 0,
         .maximum = 65535}),
};

constexpr size_t kThreads = 32;  // most of which wait: for slow clients, and for their turn to encode

/// An HTTP server switches SIGPIPE off for the whole process when it is made, which is not for a library to decide.
std::unique_ptr<httplib::Server> make_server() {
  struct sigaction before{};
  sigaction(SIGPIPE, nullptr, &before);
  auto server = std::make_unique<httplib::Server>();
  sigaction(SIGPIPE, &before, nullptr);
  return server;
}

void block_sigpipe() {
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
}

void answer(httplib::Response& response, int status, const json& document) {
  response.status = status;
  response.set_content(document.dump(-1, ' ', false, json::error_handler_t::replace), "application/json");
}

void refuse(httplib::Response& response, int status, std::string_view message) {
  answer(response, status,
         {{"error", {{"message", message}, {"type", status < 500 ? "invalid_request" : "server_error"}}}});
}

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return 400;
    case ErrorCode::unsupported:
      return 422;
    case ErrorCode::out_of_memory:
    case ErrorCode::cancelled:
      return 503;
    default:
      return 500;
  }
}

/// What a client asks for.
struct Request {
  std::string text;
  int64_t layer = -2;  // as it was asked for, told again in the answer
  bool counts_blocks = true;
  bool as_base64 = false;
  int64_t max_length = 0;  // tokens; 0: no limit
};

Request parse(const std::string& body) {
  const json document = io::parse_foreign_json(body);
  check(document.is_object(), kOperation, "expected a JSON object, got something else");
  Request request;
  for (const auto& [key, value] : document.items()) {
    const auto text = [&] {
      check(value.is_string(), key, "expected a text, got {}", value.type_name());
      return value.get<std::string>();
    };
    const auto integer = [&] {
      check(value.is_number_integer(), key, "expected a whole number, got {}", value.type_name());
      return value.get<int64_t>();
    };
    const auto choice = [&](std::string_view yes, std::string_view no) {
      const std::string given = text();
      check(given == yes || given == no, key, "expected \"{}\" or \"{}\", got \"{}\"", yes, no, io::printable(given));
      return given == yes;
    };
    if (key == "input") {
      request.text = text();
    } else if (key == "layer") {
      request.layer = integer();
    } else if (key == "layer_convention") {
      request.counts_blocks = choice("block", "hf");
    } else if (key == "encoding_format") {
      request.as_base64 = choice("base64", "float");
    } else if (key == "max_length") {
      request.max_length = integer();
      check(request.max_length > 0, key, "expected at least 1, got {}", request.max_length);
    } else if (key == "dtype") {
      choice("float32", "auto");
    } else if (key == "return_attention_mask") {
      check(value == false, key, "expected false: every row that is given is a token's, got {}", value.type_name());
    } else if (key != "model") {  // which names the client's own; this server has one
      fail(ErrorCode::invalid_argument, kOperation, "does not know the field \"{}\"", io::printable(key));
    }
  }
  check(!request.text.empty(), "input", "expected a text, got none");
  return request;
}

json rows_json(const at::Tensor& rows, bool as_base64) {
  const auto* numbers = rows.const_data_ptr<float>();
  if (as_base64) return io::base64_encode({reinterpret_cast<const std::byte*>(numbers), rows.nbytes()});
  json lists = json::array();
  for (int64_t row = 0; row < rows.size(0); ++row, numbers += rows.size(1))
    lists.push_back(std::vector<float>(numbers, numbers + rows.size(1)));
  return lists;
}

}  // namespace

template <>
std::span<const OptionField> option_fields<EncoderServerOptions>() {
  return server_fields;
}

struct EncoderServer::Impl {
  Impl(const ZImageTextEncoder& encoder, const EncoderServerOptions& options)
      : encoder(encoder), options(options), server(make_server()) {}

  bool is_allowed(const httplib::Request& request) const {
    if (options.api_key.empty()) return true;
    const std::string expected = "Bearer " + options.api_key, given = request.get_header_value("Authorization");
    return given.size() == expected.size() && CRYPTO_memcmp(given.data(), expected.data(), expected.size()) == 0;
  }

  json describe() const {
    const Qwen3Config& config = encoder.config();
    return {{"server", fmt::format("llmdit/{}", version())},
            {"hidden_size", config.hidden_size},
            {"num_hidden_layers", config.num_hidden_layers},
            {"vocab_size", config.vocab_size},
            {"fingerprint", encoder.fingerprint()}};
  }

  /// Entry of hidden_states that a client means, who may count blocks as heylookitsanllm does.
  int64_t hidden_layer(const Request& request) const {
    if (!request.counts_blocks || request.layer < -1) return request.layer;
    check(request.layer >= 0 && request.layer + 1 < encoder.config().num_hidden_layers, "layer",
          "expected a block from 0 to {}, or from -2 down, got {}: the raw output of the last block is not given; with "
          "layer_convention \"hf\", -1 is its normed one",
          encoder.config().num_hidden_layers - 2, request.layer);
    return request.layer + 1;
  }

  json encode(const std::string& body) {
    const Request request = parse(body);
    check(static_cast<int64_t>(request.text.size()) <= options.max_text, "input",
          "expected a text of at most {} bytes, got {}", options.max_text, request.text.size());
    const std::vector<int64_t> ids = encoder.tokenizer().encode(request.text);
    check(request.max_length == 0 || static_cast<int64_t>(ids.size()) <= request.max_length, "max_length",
          "expected a text of at most {} tokens, got {}; nothing is cut here", request.max_length, ids.size());
    check(static_cast<int64_t>(ids.size()) <= options.max_tokens, "input",
          "expected a text of at most {} tokens, got {}", options.max_tokens, ids.size());
    const std::lock_guard one_at_a_time(encoding);
    const EncodeOptions encode_options{.hidden_layer = hidden_layer(request), .stop = stopping.get_token()};
    const at::Tensor rows = encoder.encode(std::span(&request.text, 1), encode_options)
                                .embeddings.front()
                                .to(at::kCPU, at::kFloat)
                                .contiguous();
    return {{"hidden_states", rows_json(rows, request.as_base64)},
            {"shape", rows.sizes().vec()},
            {"layer", request.layer},
            {"layer_convention", request.counts_blocks ? "block" : "hf"},
            {"dtype", "float32"},
            {"encoding_format", request.as_base64 ? "base64" : "float"},
            {"input_ids", ids},
            {"fingerprint", encoder.fingerprint()}};
  }

  /// Answers with what `work` gives, or why it failed.
  template <class Work>
  void serve(httplib::Response& response, const Work& work) {
    try {
      answer(response, 200, work());
    } catch (const Error& error) {
      refuse(response, status_of(error.code()), error.what());
    } catch (const std::exception& error) {
      refuse(response, 500, error.what());
    }
  }

  /// Before a body is read, whose limit holds only for one that tells its size, and as it comes.
  httplib::Server::HandlerResponse admit(const httplib::Request& request, httplib::Response& response) const {
    const bool has_key = is_allowed(request) || request.path == "/health";
    const bool is_plain = !request.has_header("Transfer-Encoding") && !request.has_header("Content-Encoding");
    // Which the library would read as fields, and refuse beyond 8 kB.
    const bool is_form = request.get_header_value("Content-Type").starts_with("application/x-www-form-urlencoded");
    if (has_key && is_plain && !is_form) return httplib::Server::HandlerResponse::Unhandled;
    response.set_header("Connection", "close");  // its body would be taken for the next request
    if (!has_key) {
      response.set_header("WWW-Authenticate", "Bearer");
      refuse(response, 401, "expected this server's key as a bearer token");
    } else if (is_form) {
      refuse(response, 415,
             "expected a body of the type application/json, got a form's; with curl add "
             "-H 'Content-Type: application/json'");
    } else {
      refuse(response, 411, "expected a plain body with its Content-Length");
    }
    return httplib::Server::HandlerResponse::Handled;
  }

  void add_routes() {
    server->set_pre_routing_handler(
        [this](const httplib::Request& request, httplib::Response& response) { return admit(request, response); });
    server->Get("/health", [](const httplib::Request&, httplib::Response& response) {
      answer(response, 200, {{"status", "ok"}});
    });
    server->Get("/v1/encoder", [this](const httplib::Request&, httplib::Response& response) {
      serve(response, [&] { return describe(); });
    });
    server->Post("/v1/hidden_states", [this](const httplib::Request& request, httplib::Response& response) {
      serve(response, [&] { return encode(request.body); });
    });
    server->set_error_handler([](const httplib::Request&, httplib::Response& response) {
      if (response.body.empty()) refuse(response, response.status, fmt::format("status {}", response.status));
    });
  }

  void listen() {
    server->new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
    server->set_payload_max_length(static_cast<size_t>(options.max_text) * 6 + (64 << 10));  // escaped as JSON
    server->set_read_timeout(10);
    server->set_keep_alive_max_count(1);
    server->set_write_timeout(60);
    server->set_tcp_nodelay(true);
    // Two servers on one port would each get some of the requests.
    server->set_socket_options([](int socket) {
      const int yes = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    if (options.port == 0) {
      port = server->bind_to_any_port(options.host);
    } else if (server->bind_to_port(options.host, static_cast<int>(options.port))) {
      port = static_cast<int>(options.port);
    }
    if (port <= 0) {
      fail(ErrorCode::not_found, kOperation, "cannot listen on {}:{}; the port may be taken",
           io::printable(options.host), options.port);
    }
    thread = std::thread([this] {
      block_sigpipe();  // its workers inherit that
      server->listen_after_bind();
      has_ended = true;
    });
  }

  void stop() {
    stopping.request_stop();
    const std::lock_guard one_stop(ending);
    while (thread.joinable() && !server->is_running() && !has_ended) std::this_thread::yield();
    server->stop();
    if (thread.joinable()) thread.join();
  }

  ZImageTextEncoder encoder;
  EncoderServerOptions options;
  std::unique_ptr<httplib::Server> server;
  std::stop_source stopping;
  std::mutex encoding;
  std::mutex ending;
  std::thread thread;
  std::atomic<bool> has_ended = false;
  int port = -1;
};

EncoderServer::EncoderServer(const ZImageTextEncoder& encoder, const EncoderServerOptions& options) {
  translate_errors(kOperation, [&] {
    check(!options.host.empty(), kOperation, "expected an address to listen on, got an empty host");
    const bool is_local = options.host == "127.0.0.1" || options.host == "localhost" || options.host == "::1";
    check(is_local || !options.api_key.empty(), kOperation,
          "expected an API key where other machines reach the server, as on {}, got none", io::printable(options.host));
    check(!remote::has_blank_or_control(options.api_key), kOperation,
          "expected an API key without blanks and control characters");
    check(options.port >= 0 && options.port <= 65535, kOperation, "expected a port from 0 to 65535, got {}",
          options.port);
    check(options.max_tokens >= 1, kOperation, "expected max_tokens of at least 1, got {}", options.max_tokens);
    check(options.max_text >= 1 && options.max_text <= (1 << 28), kOperation,
          "expected max_text from 1 to {} bytes, got {}", 1 << 28, options.max_text);
    impl_ = std::make_unique<Impl>(encoder, options);
    impl_->encoder.fingerprint();  // reads all weights, now rather than while a client waits
    impl_->add_routes();
    impl_->listen();
  });
}

EncoderServer::~EncoderServer() { stop(); }

int EncoderServer::port() const { return impl_->port; }

std::string EncoderServer::url() const {
  const std::string& host = impl_->options.host;
  return host.find(':') == std::string::npos ? fmt::format("http://{}:{}", host, impl_->port)
                                             : fmt::format("http://[{}]:{}", host, impl_->port);
}

void EncoderServer::stop() {
  if (impl_) impl_->stop();
}

}  // namespace llmdit
