#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace llmdit::text {

/// A `tokenizer.json` whose two long parts, hundreds of thousands of entries, never became JSON values.
struct ParsedTokenizerJson {
  std::vector<std::pair<std::string, int64_t>> vocab;  ///< ids within 0 .. ByteLevelDescription::kMaxId
  std::vector<std::pair<std::string, std::string>> merges;
  bool has_vocab = false;
  bool has_merges = false;
  nlohmann::json rest;  ///< an object: everything else
};

/// Throws unsupported, naming `file` and the key, for text that is not a JSON object, nests absurdly deep, repeats a
/// key, or has vocabulary or merge entries of a wrong form.
ParsedTokenizerJson parse_tokenizer_json(const std::filesystem::path& file, std::string_view text);

}  // namespace llmdit::text
