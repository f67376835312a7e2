#include "text/tokenizer_json.hpp"

#include <algorithm>
#include <unordered_set>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "io/text_file.hpp"
#include "text/tokenizer_json_sax.hpp"

namespace llmdit::text {
namespace {

using nlohmann::json;

/// GPT-2's pattern: what a ByteLevel pre-tokenizer with use_regex splits by.
constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// A value of the file, or its absence, that knows its name for errors.
class Field {
 public:
  Field(const std::filesystem::path& file, const json& root) : file_(file), value_(&root) {}

  Field at(std::string_view key) const {
    if (!value_ || !value_->is_object()) reject("an object");
    const auto found = value_->find(key);
    return Field(file_, name_.empty() ? std::string(key) : fmt::format("{}.{}", name_, key),
                 found == value_->end() ? nullptr : &*found);
  }

  std::vector<Field> elements() const {
    if (!value_ || !value_->is_array()) reject("an array");
    std::vector<Field> fields;
    for (const json& element : *value_) {
      fields.push_back(Field(file_, fmt::format("{}[{}]", name_, fields.size()), &element));
    }
    return fields;
  }

  bool is_missing() const { return value_ == nullptr; }
  bool is_null() const { return value_ == nullptr || value_->is_null(); }

  const std::string& as_string() const {
    if (!value_ || !value_->is_string()) reject("a string");
    return value_->get_ref<const std::string&>();
  }

  bool as_bool() const {
    if (!value_ || !value_->is_boolean()) reject("true or false");
    return value_->get<bool>();
  }

  int64_t as_id() const {
    const auto bound = static_cast<uint64_t>(ByteLevelDescription::kMaxId);
    if (!value_ || !value_->is_number_unsigned() || value_->get<uint64_t>() > bound) {
      reject(fmt::format("an id of 0 to {}", bound));
    }
    return value_->get<int64_t>();
  }

  /// The "type" of an object, "null" for null.
  std::string type() const { return is_null() ? "null" : at("type").as_string(); }

  [[noreturn]] void reject(std::string_view expected) const {
    fail(ErrorCode::unsupported, "tokenizer", "{}: expected {} at \"{}\", got {}; use the model's own tokenizer.json",
         io::printable_path(file_), expected, name_, io::printable(shown()));
  }

 private:
  Field(const std::filesystem::path& file, std::string name, const json* value)
      : file_(file), name_(std::move(name)), value_(value) {}

  std::string shown() const {
    if (!value_) return "nothing";
    if (value_->is_object() && value_->contains("type") && value_->at("type").is_string()) {
      return value_->at("type").get<std::string>();
    }
    if (value_->is_structured()) return value_->type_name();
    return value_->dump();
  }

  const std::filesystem::path& file_;
  std::string name_;
  const json* value_;
};

void read_model(const std::filesystem::path& file, const Field& model, ParsedTokenizerJson& parsed,
                ByteLevelDescription& result) {
  if (const Field type = model.at("type"); !type.is_missing() && type.as_string() != "BPE") type.reject("\"BPE\"");
  if (!parsed.has_vocab) model.at("vocab").reject("an object of tokens and ids");
  if (!parsed.has_merges) model.at("merges").reject("an array of merges");
  if (const Field dropout = model.at("dropout"); !dropout.is_null()) dropout.reject("null");
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const Field field = model.at(affix);
    if (!field.is_null() && !field.as_string().empty()) field.reject("null or \"\"");
  }
  const auto flag = [&](const char* name) { return !model.at(name).is_null() && model.at(name).as_bool(); };
  result.ignore_merges = flag("ignore_merges");
  result.has_fallback = flag("byte_fallback") || !model.at("unk_token").is_null();

  int64_t size = 0;
  for (const auto& [token, id] : parsed.vocab) size = std::max(size, id + 1);
  result.tokens.resize(static_cast<size_t>(size));
  for (auto& [token, id] : parsed.vocab) {
    auto& slot = result.tokens[static_cast<size_t>(id)];
    if (slot) {
      fail(ErrorCode::unsupported, "tokenizer",
           "{}: expected one token of each id in \"model.vocab\", got \"{}\" and \"{}\" with {}; the file is damaged",
           io::printable_path(file), io::printable(*slot), io::printable(token), id);
    }
    slot = std::move(token);
  }
  result.merges = std::move(parsed.merges);
}

void read_added_tokens(const Field& list, ByteLevelDescription& result) {
  if (list.is_null()) return;
  constexpr size_t kMaxLength = ByteLevelDescription::kMaxAddedLength;
  std::unordered_set<std::string_view> contents;
  std::unordered_set<int64_t> ids;
  for (const Field& field : list.elements()) {
    AddedToken token;
    token.content = field.at("content").as_string();
    token.id = field.at("id").as_id();
    token.is_special = field.at("special").as_bool();
    token.is_normalized = field.at("normalized").as_bool();
    token.strips_left = field.at("lstrip").as_bool();
    token.strips_right = field.at("rstrip").as_bool();
    if (field.at("single_word").as_bool()) field.at("single_word").reject("false");
    if (token.content.empty() || token.content.size() > kMaxLength) {
      field.at("content").reject(fmt::format("1 to {} bytes", kMaxLength));
    }
    if (!contents.insert(field.at("content").as_string()).second) field.at("content").reject("each token once");
    if (!ids.insert(token.id).second) field.at("id").reject("each id once");
    const auto id = static_cast<size_t>(token.id);
    if (id < result.tokens.size() && result.tokens[id] && *result.tokens[id] != token.content) {
      field.at("id").reject("an id that no other token has");
    }
    result.added_tokens.push_back(std::move(token));
  }
}

/// Checks that a ByteLevel step adds no space, and returns its use_regex.
bool read_byte_level(const Field& step) {
  if (step.type() != "ByteLevel") step.reject("ByteLevel");
  if (step.at("add_prefix_space").as_bool()) step.at("add_prefix_space").reject("false");
  return step.at("use_regex").is_missing() || step.at("use_regex").as_bool();
}

std::string read_split(const Field& pre_tokenizer) {
  if (pre_tokenizer.type() == "ByteLevel") {
    if (!read_byte_level(pre_tokenizer)) pre_tokenizer.at("use_regex").reject("true");
    return std::string(kGpt2Pattern);
  }
  if (pre_tokenizer.type() != "Sequence") pre_tokenizer.reject("a ByteLevel or a Sequence of Split and ByteLevel");
  const std::vector<Field> steps = pre_tokenizer.at("pretokenizers").elements();
  if (steps.size() != 2) pre_tokenizer.at("pretokenizers").reject("two steps, Split and ByteLevel");
  if (steps[0].type() != "Split") steps[0].reject("Split");
  if (steps[0].at("behavior").as_string() != "Isolated") steps[0].at("behavior").reject("\"Isolated\"");
  if (steps[0].at("invert").as_bool()) steps[0].at("invert").reject("false");
  if (read_byte_level(steps[1])) steps[1].at("use_regex").reject("false");
  return steps[0].at("pattern").at("Regex").as_string();
}

}  // namespace

ByteLevelDescription read_tokenizer_json(const std::filesystem::path& file) {
  ParsedTokenizerJson parsed = parse_tokenizer_json(file, io::read_text_file(file));
  const json rest = std::move(parsed.rest);
  const Field root(file, rest);
  if (const Field version = root.at("version"); !version.is_missing() && version.as_string() != "1.0") {
    version.reject("\"1.0\"");
  }
  ByteLevelDescription result;
  result.keys = {"model.vocab", "model.merges", "added_tokens"};
  read_model(file, root.at("model"), parsed, result);
  read_added_tokens(root.at("added_tokens"), result);
  const Field normalizer = root.at("normalizer");
  if (!normalizer.is_null() && normalizer.type() != "NFC") normalizer.reject("NFC or null");
  result.normalizes = !normalizer.is_null();
  result.split_pattern = read_split(root.at("pre_tokenizer"));
  if (root.at("decoder").type() != "ByteLevel") root.at("decoder").reject("ByteLevel");
  // Anything else here would add tokens of its own. "truncation" and "padding" are the caller's, as in transformers.
  const Field post_processor = root.at("post_processor");
  if (!post_processor.is_null() && post_processor.type() != "ByteLevel") post_processor.reject("ByteLevel or null");
  return result;
}

}  // namespace llmdit::text
