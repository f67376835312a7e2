#pragma once

#include <string>
#include <vector>

#include "capi/llmdit.h"
#include "llmdit/generate_options.hpp"
#include "llmdit/load_options.hpp"

namespace llmdit::capi {

/// The options behind a caller's struct, which may be NULL, older, or newer than this library.
LoadOptions read_options(const llmdit_load_options* given, std::string_view operation);
GenerateOptions read_options(const llmdit_generate_options* given, std::string_view operation);

/// The texts of a list, each NUL-terminated. Throws for NULL among them.
std::vector<std::string> read_texts(const llmdit_texts& texts, std::string_view operation);

/// UTF-8 text of `length` bytes, which may be LLMDIT_NUL_TERMINATED. Throws for NULL, and for lengths no text has.
std::string_view read_text(const char* text, size_t length, std::string_view operation);

}  // namespace llmdit::capi
