#include "text/tokenizer_json_sax.hpp"

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "text/byte_level_description.hpp"

namespace llmdit::text {
namespace {

using nlohmann::json;

class Handler : public nlohmann::json_sax<json> {
 public:
  explicit Handler(const std::filesystem::path& file) : file_(file) {}

  ParsedTokenizerJson take() { return std::move(parsed_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_float(double value, const std::string&) override { return add(value); }
  bool binary(json::binary_t&) override { return false; }  // not in JSON text
  bool number_integer(int64_t value) override { return part_ == Part::vocab ? add_token(value) : add(value); }
  bool number_unsigned(uint64_t value) override {
    if (part_ == Part::vocab) {
      return add_token(value <= static_cast<uint64_t>(ByteLevelDescription::kMaxId) ? static_cast<int64_t>(value) : -1);
    }
    return add(value);
  }

  bool string(std::string& value) override {
    switch (part_) {
      case Part::merges: {
        if (value.starts_with("#version")) return true;
        const size_t blank = value.find(' ');
        if (blank == std::string::npos || value.find(' ', blank + 1) != std::string::npos) reject_merge();
        parsed_.merges.emplace_back(value.substr(0, blank), value.substr(blank + 1));
        return true;
      }
      case Part::merge_pair: {
        if (pair_size_ == 2) reject_merge();
        auto& [left, right] = parsed_.merges.back();
        (pair_size_++ == 0 ? left : right) = std::move(value);
        return true;
      }
      default:
        return add(std::move(value));
    }
  }

  bool start_object(size_t) override {
    if (part_ == Part::rest && is_in_model() && key_ == "vocab") {
      add("");  // stands for the key, so that it is noticed when it comes again
      part_ = Part::vocab;
      return parsed_.has_vocab = true;
    }
    return open(json::object());
  }

  bool start_array(size_t) override {
    if (part_ == Part::rest && is_in_model() && key_ == "merges") {
      add("");
      part_ = Part::merges;
      return parsed_.has_merges = true;
    }
    if (part_ == Part::merges) {
      part_ = Part::merge_pair;
      pair_size_ = 0;
      parsed_.merges.emplace_back();
      return true;
    }
    return open(json::array());
  }

  bool key(std::string& key) override {
    key_ = std::move(key);
    return true;
  }

  bool end_object() override { return part_ == Part::vocab ? leave_to(Part::rest) : close(); }

  bool end_array() override {
    if (part_ == Part::merges) return leave_to(Part::rest);
    if (part_ != Part::merge_pair) return close();
    if (pair_size_ != 2) reject_merge();
    return leave_to(Part::merges);
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) override {
    fail(ErrorCode::unsupported, "tokenizer", "{}: expected JSON, got something else at byte {}; the file is damaged",
         io::printable_path(file_), position);
  }

 private:
  enum class Part { rest, vocab, merges, merge_pair };

  static constexpr size_t kMaxDepth = 64;

  template <class... Args>
  [[noreturn]] void reject(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorCode::unsupported, "tokenizer", "{}: {}; the file is damaged or of another kind",
         io::printable_path(file_), fmt::format(format, std::forward<Args>(args)...));
  }

  [[noreturn]] void reject_merge() const {
    reject("expected \"a b\" or [\"a\", \"b\"] in \"model.merges\", got something else at entry {}",
           parsed_.merges.size());
  }

  bool is_in_model() const { return open_.size() == 2 && open_keys_.back() == "model"; }

  bool leave_to(Part part) {
    part_ = part;
    return true;
  }

  bool add_token(int64_t id) {
    if (id < 0) {
      reject("expected ids of 0 to {} in \"model.vocab\", got another number for \"{}\"", ByteLevelDescription::kMaxId,
             io::printable(key_));
    }
    parsed_.vocab.emplace_back(std::move(key_), id);
    return true;
  }

  /// Where the next value of the rest goes.
  json& place() {
    if (part_ == Part::vocab) reject("expected a number in \"model.vocab\" for \"{}\"", io::printable(key_));
    if (part_ != Part::rest) reject_merge();
    if (open_.empty()) return parsed_.rest;
    json& parent = *open_.back();
    if (parent.is_array()) return parent.emplace_back();
    if (parent.contains(key_)) reject("the key \"{}\" stands twice in one object", io::printable(key_));
    return parent[key_];
  }

  bool add(json value) {
    place() = std::move(value);
    return true;
  }

  bool open(json container) {
    if (open_.size() == kMaxDepth) reject("expected at most {} levels of nesting", kMaxDepth);
    json& opened = place();
    opened = std::move(container);
    open_.push_back(&opened);
    open_keys_.push_back(key_);
    return true;
  }

  bool close() {
    open_.pop_back();
    open_keys_.pop_back();
    return true;
  }

  const std::filesystem::path& file_;
  ParsedTokenizerJson parsed_;
  Part part_ = Part::rest;
  std::string key_;
  size_t pair_size_ = 0;
  std::vector<json*> open_;  // the containers around the next value, outermost first
  std::vector<std::string> open_keys_;
};

}  // namespace

ParsedTokenizerJson parse_tokenizer_json(const std::filesystem::path& file, std::string_view text) {
  Handler handler(file);
  json::sax_parse(text, &handler);
  ParsedTokenizerJson parsed = handler.take();
  if (!parsed.rest.is_object()) {
    fail(ErrorCode::unsupported, "tokenizer", "{}: expected a JSON object, got {}; use the model's own tokenizer.json",
         io::printable_path(file), parsed.rest.type_name());
  }
  return parsed;
}

}  // namespace llmdit::text
