#pragma once

#include <filesystem>
#include <string_view>

#include "io/json.hpp"

namespace llmdit::io {

/// The configuration of a component: `path` itself when it is a file, else `path/file_name`.
JsonObject read_config(const std::filesystem::path& path, std::string_view file_name = "config.json");

/// A size: throws unsupported unless it is a whole number from 1 to 2^31 - 1, so that products of two cannot overflow.
int64_t positive(const JsonObject& json, std::string_view key);
int64_t positive_or(const JsonObject& json, std::string_view key, int64_t fallback);

/// A number of layers: throws unsupported unless it lies in `least` to 1000, more than any model has, so that a wrong
/// file does not make a model without end.
int64_t layers(const JsonObject& json, std::string_view key);
int64_t layers_or(const JsonObject& json, std::string_view key, int64_t fallback, int64_t least = 1);

/// Throws unsupported when `key` is there and differs from the only value that is handled.
template <class T>
void expect_value(const JsonObject& json, std::string_view key, const T& handled);

/// Throws unsupported when the configuration names another class than `class_name`.
void expect_class(const JsonObject& json, std::string_view class_name);

}  // namespace llmdit::io
