#include "capi/option_links.hpp"
#include "capi/options.hpp"

// Options of vision-language models, of servers, and of conversions.

namespace llmdit::capi {

std::span<const Link> Struct<VLExtractOptions>::links() {
  static const Link links[] = {
      LLMDIT_LINK(type, hidden_layer),       LLMDIT_LINK(type, token_selection), LLMDIT_LINK(type, system_prompt),
      LLMDIT_LINK(type, force_think_block),  LLMDIT_LINK(type, scale_to_text),   LLMDIT_LINK(type, target_std),
      LLMDIT_LINK(type, normalization_mode), LLMDIT_LINK(type, outlier_masking), LLMDIT_LINK(type, outlier_threshold),
  };
  return links;
}

std::span<const Link> Struct<RemoteEncoderOptions>::links() {
  static const Link links[] = {
      LLMDIT_LINK(type, api_url),          LLMDIT_LINK(type, encoder_api), LLMDIT_LINK(type, api_model),
      LLMDIT_LINK(type, api_layer_ids),    LLMDIT_LINK(type, api_folder),  LLMDIT_LINK(type, api_connect_timeout),
      LLMDIT_LINK(type, api_read_timeout), LLMDIT_LINK(type, api_timeout), LLMDIT_LINK(type, api_retries),
  };
  return links;
}

std::span<const Link> Struct<ConvertOptions>::links() {
  static const Link links[] = {
      LLMDIT_LINK(type, layout),
      LLMDIT_LINK(type, dtype),
      LLMDIT_LINK(type, quantization),
  };
  return links;
}

VLExtractOptions read_options(const llmdit_vl_options* given, std::string_view operation) {
  if (!given) return {};
  const llmdit_vl_options current = current_struct<VLExtractOptions>(*given, operation);
  VLExtractOptions options = read_fields<VLExtractOptions>(current);
  if (current.statistics) options.statistics = borrow(current.statistics, "statistics")->value;
  options.stop = read_stop(current.cancellation, "cancellation");
  return options;
}

RemoteEncoderOptions read_options(const llmdit_remote_options* given, std::string_view operation) {
  if (!given) return {};
  const llmdit_remote_options current = current_struct<RemoteEncoderOptions>(*given, operation);
  RemoteEncoderOptions options = read_fields<RemoteEncoderOptions>(current);
  if (current.api_key) options.server.api_key = current.api_key;
  return options;
}

ConvertOptions read_options(const llmdit_convert_options* given, std::string_view operation) {
  if (!given) return {};
  return read_fields<ConvertOptions>(current_struct<ConvertOptions>(*given, operation));
}

}  // namespace llmdit::capi

using namespace llmdit;
using namespace llmdit::capi;

llmdit_status llmdit_vl_options_init_sized(llmdit_vl_options* options, size_t struct_size) {
  return init<VLExtractOptions>(options, struct_size, "vl_options_init");
}

llmdit_status llmdit_remote_options_init_sized(llmdit_remote_options* options, size_t struct_size) {
  return init<RemoteEncoderOptions>(options, struct_size, "remote_options_init");
}

llmdit_status llmdit_convert_options_init_sized(llmdit_convert_options* options, size_t struct_size) {
  return init<ConvertOptions>(options, struct_size, "convert_options_init");
}
