#include "text/split_regex.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <cstdint>
#include <new>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "text/unicode_versions.hpp"
#include "text/utf8.hpp"

namespace llmdit::text {
namespace {

/// Throws `unsupported` for one pattern.
struct Reject {
  const std::string& pattern;
  std::string_view source;

  [[noreturn]] void operator()(std::string_view reason) const {
    fail(ErrorCode::unsupported, "tokenizer", "{}: the split pattern \"{}\" is not supported: {}", source,
         io::printable(pattern), reason);
  }
};

/// Refuses what Oniguruma (Ruby syntax) and PCRE2 read differently.
void check_portable(const std::string& pattern, const Reject& reject) {
  constexpr std::string_view kSameEscapes = "pPsSdDnrtf";
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    const std::string_view rest = std::string_view(pattern).substr(i);
    if (c == '\\' && i + 1 < pattern.size()) {
      const char escape = pattern[++i];
      const bool is_word =
          (escape >= '0' && escape <= '9') || (escape >= 'A' && escape <= 'Z') || (escape >= 'a' && escape <= 'z');
      if (is_word && kSameEscapes.find(escape) == std::string_view::npos) {
        reject(fmt::format("the escape \\{} differs between regular expression engines", escape));
      }
      if (escape == 'p' || escape == 'P') {
        const size_t end = pattern.find('}', i);
        if (pattern.substr(i + 1, 1) != "{" || end == std::string::npos) reject("a property without braces");
        i = end;
      }
    } else if (in_class) {
      if (c == ']') in_class = false;
      if (c == '[' || rest.starts_with("&&")) reject("nested classes and intersections");
    } else if (c == '[') {
      in_class = true;
      if (rest.starts_with("[^")) ++i;
    } else if (c == '^' || c == '$' || c == '.') {
      reject(fmt::format("'{}' differs between regular expression engines", c));
    } else if (rest.starts_with("}+")) {
      reject("\"}+\" is possessive in some engines only");
    } else if (rest.starts_with("(?") && rest.find_first_not_of("imsx-", 2) == rest.find(')')) {
      reject("options without a group of their own, such as (?i), reach differently far");
    }
  }
}

}  // namespace

SplitRegex::SplitRegex(const std::string& pattern, std::string_view source) {
  const Reject reject{pattern, source};
  check_portable(pattern, reject);
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                   PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
  if (code == nullptr) {
    PCRE2_UCHAR message[256] = {};
    pcre2_get_error_message(error, message, sizeof message);
    reject(fmt::format("{} at byte {}", reinterpret_cast<const char*>(message), offset));
  }
  code_.reset(code, [](pcre2_code* owned) { pcre2_code_free(owned); });
  // Where this fails, matching is interpreted: slower, with the same results.
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
}

void SplitRegex::Words::Deleter::operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
void SplitRegex::Words::Deleter::operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }

SplitRegex::Words::Words(const SplitRegex& regex, std::string_view text)
    : code_(regex.code_.get()),
      text_(text),
      stand_in_(with_reference_categories(text)),
      subject_(stand_in_ ? std::string_view(*stand_in_) : text),
      context_(pcre2_match_context_create(nullptr)),
      data_(pcre2_match_data_create_from_pattern(code_, nullptr)) {
  if (!context_ || !data_) throw std::bad_alloc();
  // A run of blanks may be walked back once; more steps than that for each byte mean a pattern that backtracks wildly.
  constexpr uint64_t kLeastSteps = 10'000'000;
  const uint64_t steps = std::max<uint64_t>(kLeastSteps, 16 * static_cast<uint64_t>(text.size()));
  pcre2_set_match_limit(context_.get(), static_cast<uint32_t>(std::min<uint64_t>(steps, UINT32_MAX)));
}

/// Sets match_begin_ and match_end_ to the next match, with the reference's rule for empty ones.
bool SplitRegex::Words::find_match() {
  while (search_ <= subject_.size()) {
    const auto match = [&](uint32_t options) {
      return pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(subject_.data()), subject_.size(), search_,
                         PCRE2_NO_UTF_CHECK | options, data_.get(), context_.get());
    };
    int result = match(0);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = match(PCRE2_NO_JIT);
    if (result == PCRE2_ERROR_NOMATCH) return false;
    if (result < 0) {
      fail(ErrorCode::unsupported, "tokenizer",
           "the tokenizer's split pattern fails on this text (PCRE2 error {}); shorten the text", result);
    }
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(data_.get());
    if (bounds[0] == bounds[1] && bounds[1] == at_) {  // an empty match cuts nothing here
      search_ += search_ < subject_.size() ? next_code_point(subject_, search_).length : 1;
      continue;
    }
    match_begin_ = bounds[0];
    match_end_ = search_ = bounds[1];
    return true;
  }
  return false;
}

std::optional<std::string_view> SplitRegex::Words::next() {
  if (at_ == text_.size()) return std::nullopt;
  if (!match_begin_ && !find_match()) match_begin_ = match_end_ = text_.size();
  const size_t begin = at_;
  at_ = *match_begin_ > at_ ? *match_begin_ : match_end_;
  if (at_ == match_end_) match_begin_.reset();
  return text_.substr(begin, at_ - begin);
}

}  // namespace llmdit::text
