#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct pcre2_real_code_8;
struct pcre2_real_match_context_8;
struct pcre2_real_match_data_8;

namespace llmdit::text {

/// The pattern by which a tokenizer cuts text into words: matches and what lies between them are words alike. It is
/// written for Oniguruma, so only what PCRE2 reads in the same way is taken.
class SplitRegex {
 public:
  /// Throws unsupported, naming `source`, for a pattern that PCRE2 rejects or would read in another way.
  SplitRegex(const std::string& pattern, std::string_view source);

  /// Walks through the words of one text. The regex and the text must outlive it.
  class Words {
   public:
    /// `text` is valid UTF-8.
    Words(const SplitRegex& regex, std::string_view text);
    /// The next word; nothing at the end. Throws unsupported when the pattern needs too many steps on this text.
    std::optional<std::string_view> next();

   private:
    bool find_match();

    struct Deleter {
      void operator()(pcre2_real_match_context_8* context) const;
      void operator()(pcre2_real_match_data_8* data) const;
    };

    const pcre2_real_code_8* code_;
    std::string_view text_;
    std::optional<std::string> stand_in_;  // see with_reference_categories
    std::string_view subject_;
    std::unique_ptr<pcre2_real_match_context_8, Deleter> context_;
    std::unique_ptr<pcre2_real_match_data_8, Deleter> data_;
    size_t at_ = 0;                      // end of the last word
    size_t search_ = 0;                  // where the next search starts
    std::optional<size_t> match_begin_;  // a match that was found behind a word without one
    size_t match_end_ = 0;
  };

 private:
  std::shared_ptr<const pcre2_real_code_8> code_;
};

}  // namespace llmdit::text
