#include "capi/encoder.hpp"
#include "capi/option_links.hpp"

using namespace llmdit;
using namespace llmdit::capi;

namespace {

llmdit_server_options default_server_options() {
  const EncoderServerOptions defaults;
  return {.struct_size = sizeof(llmdit_server_options),
          .host = keep_text(defaults.host),
          .port = defaults.port,
          .api_key = keep_text(defaults.api_key),
          .max_text = defaults.max_text,
          .max_tokens = defaults.max_tokens};
}

EncoderServerOptions read_options(const llmdit_server_options* given, std::string_view operation) {
  if (!given) return {};
  const llmdit_server_options current = current_struct(*given, default_server_options(), operation);
  return {.host = std::string(read_text(current.host, LLMDIT_NUL_TERMINATED, "host")),
          .port = current.port,
          .api_key = current.api_key ? current.api_key : "",
          .max_text = current.max_text,
          .max_tokens = current.max_tokens};
}

}  // namespace

llmdit_status llmdit_server_options_init_sized(llmdit_server_options* options, size_t struct_size) {
  llmdit_server_options defaults{};
  const llmdit_status status = guarded([&] { defaults = default_server_options(); });
  return status == LLMDIT_OK ? init_struct(options, struct_size, defaults, "server_options_init") : status;
}

llmdit_status llmdit_encoder_server_start(llmdit_encoder_server** server, const llmdit_text_encoder* encoder,
                                          const llmdit_server_options* options) {
  return guarded([&] {
    const char* operation = "encoder_server_start";
    llmdit_encoder_server*& place = output(server, operation);
    const auto held = borrow(encoder, operation);
    auto started = std::make_unique<EncoderServer>(local_encoder(*held, operation), read_options(options, operation));
    std::string url = started->url();
    place = make_handle(llmdit_encoder_server{std::move(started), std::move(url)});
  });
}

const char* llmdit_encoder_server_url(const llmdit_encoder_server* server) {
  return guarded_value<const char*>(nullptr, [&] { return borrow(server, "encoder_server_url")->url.c_str(); });
}

llmdit_status llmdit_encoder_server_stop(llmdit_encoder_server* server) {
  return guarded([&] { borrow(server, "encoder_server_stop")->value->stop(); });
}

void llmdit_encoder_server_free(llmdit_encoder_server* server) { free_handle(server); }
