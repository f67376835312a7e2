#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmdit::cli {

/// What a picture's file name may tell of it.
struct PictureName {
  int64_t index = 1;  ///< among the pictures of the command, from 1
  std::optional<uint64_t> seed;
  std::string prompt;
};

/// A file name with the fields {index}, {seed} and {prompt}; without any, several files are numbered.
class NamePattern {
 public:
  /// Throws UsageError naming the nearest field for one that is not there.
  explicit NamePattern(std::string_view text);

  /// A seed that is not known yet stays a field. `count` is the number of pictures.
  std::filesystem::path name(const PictureName& picture, int64_t count) const;

 private:
  struct Part {
    bool is_field;
    std::string text;
  };

  std::vector<Part> parts_;
  bool has_fields_ = false;
};

}  // namespace llmdit::cli
