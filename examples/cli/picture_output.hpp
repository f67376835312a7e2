#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "console.hpp"
#include "json_output.hpp"
#include "llmdit/image.hpp"

namespace llmdit::cli {

struct WrittenPicture {
  std::string path;       ///< "-" is stdout
  bool replaced = false;  ///< a file of that name was there before
};

/// The flags that say where pictures go, and what puts them there.
class PictureOutput {
 public:
  explicit PictureOutput(CLI::App& app);

  /// Whether `count` pictures can be written, as far as that is to be seen before they are made: a long run is to fail
  /// before its work and not after it. `inputs` are files that may not be replaced. Throws UsageError, and not_found
  /// for a place that cannot be written to.
  void check(int64_t count, std::span<const std::string> inputs) const;

  /// Writes the pictures with the text chunks that `text_of` gives for each index, unless --no-metadata is on.
  std::vector<WrittenPicture> write(std::span<const Image> images, const std::function<ImageText(size_t)>& text_of,
                                    const Console& console) const;

  bool json() const { return json_.given(); }
  bool to_stdout() const { return path_ == "-"; }

 private:
  WrittenPicture write_one(const std::filesystem::path& path, const Image& image, const ImageText& text,
                           const Console& console) const;

  std::string path_ = "output.png";
  std::optional<int> quality_;
  bool no_metadata_ = false;
  JsonFlag json_;
};

}  // namespace llmdit::cli
