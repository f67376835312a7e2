#pragma once

#include "capi/handles.hpp"

namespace llmdit::capi {

/// The options behind a caller's struct, which may be NULL, older, or newer than this library.
LoadOptions read_options(const llmdit_load_options* given, std::string_view operation);
GenerateOptions read_options(const llmdit_generate_options* given, std::string_view operation);
TextGenerationOptions read_options(const llmdit_text_options* given, std::string_view operation);
RewriteOptions read_options(const llmdit_rewrite_options* given, std::string_view operation);
VLExtractOptions read_options(const llmdit_vl_options* given, std::string_view operation);
RemoteEncoderOptions read_options(const llmdit_remote_options* given, std::string_view operation);
ConvertOptions read_options(const llmdit_convert_options* given, std::string_view operation);

/// Those of them that are the text encoder's.
EncodeOptions encode_options(const GenerateOptions& options);

}  // namespace llmdit::capi
