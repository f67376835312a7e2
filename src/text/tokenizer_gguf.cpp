#include "text/tokenizer_gguf.hpp"

#include <unordered_set>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "io/gguf.hpp"

namespace llmdit::text {
namespace {

/// What "qwen2" stands for: the pattern of Qwen's own tokenizer.json.
constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

enum TokenType : int64_t { normal = 1, unknown, control, user_defined, unused, byte };

/// The header values of the tokenizer, which name themselves in errors.
class Values {
 public:
  explicit Values(const std::filesystem::path& path) : file_(io::GgufFile::open(path)) {}

  void expect(std::string_view name, std::string_view value) const {
    const std::string* found = find(name);
    if (!found || *found != value) reject(name, fmt::format("\"{}\"", value), found ? *found : "nothing");
  }

  /// For what would add tokens that no tokenizer.json of Qwen adds.
  void expect_off(std::string_view name) const {
    if (const std::string* found = find(name); found && *found != "false") reject(name, "false", *found);
  }

  std::vector<std::string> strings(std::string_view name) const {
    auto list = file_->strings(key_of(name));
    if (!list) reject(name, "a list of strings", find(name) ? "another value" : "nothing");
    return std::move(*list);
  }

  std::vector<int64_t> integers(std::string_view name) const {
    auto list = file_->integers(key_of(name));
    if (!list) reject(name, "a list of numbers", find(name) ? "another value" : "nothing");
    return std::move(*list);
  }

  [[noreturn]] void reject(std::string_view name, std::string_view expected, std::string_view got) const {
    fail(ErrorCode::unsupported, "tokenizer", "{}: expected {} at \"{}\", got {}; use the model's own tokenizer.json",
         io::printable_path(file_->path()), expected, key_of(name), io::printable(got));
  }

 private:
  static std::string key_of(std::string_view name) { return fmt::format("tokenizer.ggml.{}", name); }

  const std::string* find(std::string_view name) const {
    const auto found = file_->metadata().find(key_of(name));
    return found == file_->metadata().end() ? nullptr : &found->second;
  }

  std::shared_ptr<const io::GgufFile> file_;
};

void read_tokens(const Values& values, ByteLevelDescription& result) {
  std::vector<std::string> tokens = values.strings("tokens");
  const std::vector<int64_t> types = values.integers("token_type");
  constexpr size_t most = ByteLevelDescription::kMaxId + 1;
  if (tokens.size() > most) values.reject("tokens", fmt::format("at most {}", most), std::to_string(tokens.size()));
  if (types.size() != tokens.size()) {
    values.reject("token_type", fmt::format("one of each of {} tokens", tokens.size()), std::to_string(types.size()));
  }
  result.tokens.resize(tokens.size());
  for (size_t id = 0; id < tokens.size(); ++id) {
    const int64_t type = types[id];
    if (type == normal) {
      result.tokens[id] = std::move(tokens[id]);
    } else if (type == control || type == user_defined) {
      result.added_tokens.push_back(
          {.content = std::move(tokens[id]), .id = static_cast<int64_t>(id), .is_special = type == control});
    } else if (type != unused) {  // rows of the model that no token has
      values.reject("token_type", "1, 3, 4 or 5", fmt::format("{} at {}", type, id));
    }
  }
  // Unused ids at the end are no part of the vocabulary.
  while (!result.tokens.empty() && !result.tokens.back()) result.tokens.pop_back();
}

void check_added_tokens(const Values& values, const ByteLevelDescription& result) {
  constexpr size_t most = ByteLevelDescription::kMaxAddedLength;
  std::unordered_set<std::string_view> contents;
  for (const AddedToken& token : result.added_tokens) {
    const bool fits = !token.content.empty() && token.content.size() <= most;
    if (!fits) values.reject("tokens", fmt::format("added tokens of 1 to {} bytes", most), token.content);
    if (!contents.insert(token.content).second) values.reject("tokens", "each added token once", token.content);
  }
}

void read_merges(const Values& values, ByteLevelDescription& result) {
  for (const std::string& merge : values.strings("merges")) {
    const size_t blank = merge.find(' ');
    if (blank == merge.npos || merge.find(' ', blank + 1) != merge.npos) values.reject("merges", "\"a b\"", merge);
    result.merges.emplace_back(merge.substr(0, blank), merge.substr(blank + 1));
  }
}

}  // namespace

ByteLevelDescription read_tokenizer_gguf(const std::filesystem::path& file) {
  const Values values(file);
  values.expect("model", "gpt2");
  values.expect("pre", "qwen2");
  for (const char* name : {"add_bos_token", "add_eos_token", "add_sep_token", "add_space_prefix"})
    values.expect_off(name);
  ByteLevelDescription result;
  result.keys = {"tokenizer.ggml.tokens", "tokenizer.ggml.merges", "tokenizer.ggml.token_type"};
  result.split_pattern = kQwen2Pattern;
  result.normalizes = true;
  read_tokens(values, result);
  check_added_tokens(values, result);
  read_merges(values, result);
  return result;
}

}  // namespace llmdit::text
