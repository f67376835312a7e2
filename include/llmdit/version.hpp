#pragma once

#include <string_view>

#include "llmdit/export.hpp"

namespace llmdit {

/// The library's version, e.g. "0.1.0".
LLMDIT_EXPORT std::string_view version() noexcept;

/// The libtorch it was built against.
LLMDIT_EXPORT std::string_view torch_version() noexcept;

}  // namespace llmdit
