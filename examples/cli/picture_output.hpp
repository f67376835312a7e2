#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "console.hpp"
#include "json_output.hpp"
#include "llmdit/image.hpp"
#include "name_pattern.hpp"

namespace llmdit::cli {

struct WrittenPicture {
  std::string path;       ///< "-" is stdout
  bool replaced = false;  ///< a file of that name was there before
};

/// The flags that say where pictures go, and what puts them there.
class PictureOutput {
 public:
  explicit PictureOutput(CLI::App& app);

  /// Whether the pictures can be written, as far as that is to be seen before they are made: a long run is to fail
  /// before its work and not after it. `inputs` are files that may not be replaced. Throws UsageError, and not_found
  /// for a place that cannot be written to. Returns the files' names.
  std::vector<std::filesystem::path> check(std::span<const PictureName> pictures,
                                           std::span<const std::string> inputs) const;

  /// Writes a picture, one of `count`, with its text chunks unless --no-metadata is on; says when it replaces a file.
  WrittenPicture write(const Image& image, const ImageText& text, const PictureName& name, int64_t count,
                       const Console& console) const;

  bool json() const { return json_.given(); }
  bool to_stdout() const { return path_ == "-"; }

 private:
  std::string path_ = "output.png";
  std::optional<int> quality_;
  bool no_metadata_ = false;
  JsonFlag json_;
};

}  // namespace llmdit::cli
