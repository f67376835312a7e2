#pragma once

#include <string>
#include <string_view>

#include "llmdit/config.hpp"

namespace llmdit::cli {

/// Remembers what gave a setting its value, so that an error about it can tell.
void remember_origin(const OptionField& field, const std::string& origin);
void remember_origins(const Config& config);

/// "; set by profile low_vram" for the setting that the "[name]" before a message stands for; "" where nothing gave it
/// a value.
std::string origin_of(std::string_view message);

}  // namespace llmdit::cli
