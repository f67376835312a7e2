#pragma once

#include <filesystem>

#include "capi/handles.hpp"

namespace llmdit::capi {

/// Throws unsupported for an encoder that is elsewhere or behind a cache of its own.
const ZImageTextEncoder& local_encoder(const llmdit_text_encoder& encoder, std::string_view operation);

/// Its pointers live as long as `text`.
llmdit_generated_text_info describe(const GeneratedText& text);

/// NULL is the demo model.
std::filesystem::path model_path(const char* path);

}  // namespace llmdit::capi
