#include "picture_output.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "exit_codes.hpp"
#include "help.hpp"
#include "llmdit/error.hpp"
#include "option_flags.hpp"
#include "output_files.hpp"

namespace llmdit::cli {

namespace fs = std::filesystem;

PictureOutput::PictureOutput(CLI::App& app) : json_(app) {
  constexpr const char* group = "Output";
  add_text_flag(
      app, "-o,--output", path_, "FILE",
      fmt::format(".png, .jpg or .webp; may hold {{index}}, {{seed}}, {{prompt}}; - is stdout (default {})", path_))
      ->group(group);
  add_number_flag(app, "--quality", quality_, 1, 100,
                  fmt::format("of JPEG and WebP, 1 small to 100 good (default {})", default_image_quality))
      ->group(kFinePoints);
  app.add_flag("--no-metadata", no_metadata_, "leave prompt and settings out of the file")->group(kFinePoints);
}

std::vector<fs::path> PictureOutput::check(std::span<const PictureName> pictures,
                                           std::span<const std::string> inputs) const {
  if (quality_ && image_format_of(path_) == ImageFormat::png) {
    throw UsageError("--quality is for JPEG and WebP files; PNG is lossless");
  }
  if (to_stdout()) {
    if (json()) throw UsageError("--json and --output - cannot both have stdout");
    if (pictures.size() > 1) throw UsageError("--output - takes one picture");
    if (isatty(STDOUT_FILENO)) throw UsageError("--output - would write a PNG file to the terminal; redirect it");
    return {path_};
  }
  const NamePattern pattern(path_);
  const auto count = static_cast<int64_t>(pictures.size());
  std::vector<fs::path> paths;
  std::set<fs::path> known;
  for (const PictureName& picture : pictures) {
    paths.push_back(pattern.name(picture, count));
    check_output(paths.back(), "--output", inputs);
    // Seeds that are still to be drawn will differ.
    const bool is_open = !picture.seed && pattern.name({.seed = 0, .prompt = ""}, count) != pattern.name({}, count);
    if (!known.insert(paths.back()).second && !is_open) {
      throw UsageError(
          fmt::format("--output: {} is the name of several pictures; put {{index}} into it", paths.back().string()));
    }
  }
  return paths;
}

WrittenPicture PictureOutput::write(const Image& image, const ImageText& full_text, const PictureName& name,
                                    int64_t count, const Console& console) const {
  const ImageText text = no_metadata_ ? ImageText{} : full_text;
  if (to_stdout()) {
    const std::vector<uint8_t> png = encode_png(image, text);
    write_stdout({reinterpret_cast<const char*>(png.data()), png.size()});
    return {.path = path_};
  }
  const fs::path path = NamePattern(path_).name(name, count);
  const WrittenPicture written{.path = path.string(), .replaced = would_replace(path)};
  create_parent_folders(path);
  try {
    write_image(path, image, text, quality_);
  } catch (const Error& error) {
    // A picture without its texts, where they are too long for JPEG, is better than none.
    if (error.code() != ErrorCode::invalid_argument || text.empty()) throw;
    write_image(path, image, {}, quality_);
    console.warn(fmt::format("left prompt and settings out of {}: {}", written.path, error.what()));
  }
  if (written.replaced) console.warn(fmt::format("replaced the file {}", written.path));
  return written;
}

}  // namespace llmdit::cli
