#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "console.hpp"
#include "json_output.hpp"
#include "llmdit/z_image_pipeline.hpp"

namespace llmdit::cli {

/// The flag --from: a picture is made again from the settings inside it, and compared with the file.
class Rerun {
 public:
  explicit Rerun(CLI::App& app);
  Rerun(const Rerun&) = delete;
  Rerun& operator=(const Rerun&) = delete;

  bool is_asked_for() const { return !path_.empty(); }

  /// Reads the file's settings, before flags change any of them.
  void read(LoadOptions& load, GenerateOptions& options);

  const std::string& path() const { return path_; }
  const std::string& prompt() const { return settings_.prompt; }

  /// Throws UsageError for an input that the file cannot hold and that was not given.
  void check_inputs(const GenerateOptions& options) const;

  /// Says whether the first picture is that of the file, and if not, what it was made with and is not now. `text` is
  /// what that picture says of itself.
  void compare(const GenerateResult& result, const ImageText& text, const Console& console);

  /// What compare found, for --json; null without --from.
  Json json() const;

 private:
  /// Something that the file was made with and the picture is not.
  struct Difference {
    std::string name, was, is;
  };

  std::vector<Difference> differences_from(const Json& now) const;

  std::string path_;
  PictureSettings settings_;
  Json recorded_;  ///< the same as it stands in the file
  Image picture_;
  bool is_lossy_ = false;
  std::optional<int> largest_difference_;  ///< of a sample; nothing for another size
  std::vector<Difference> differences_;
};

}  // namespace llmdit::cli
