#include "picture_output.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "exit_codes.hpp"
#include "llmdit/error.hpp"
#include "option_flags.hpp"
#include "output_files.hpp"

namespace llmdit::cli {

namespace fs = std::filesystem;

PictureOutput::PictureOutput(CLI::App& app) : json_(app) {
  constexpr const char* group = "Output";
  add_text_flag(app, "-o,--output", path_, "FILE",
                fmt::format(".png, .jpg or .webp, several are numbered; - is a PNG on stdout (default {})", path_))
      ->group(group);
  app.add_option("--quality", quality_,
                 fmt::format("of JPEG and WebP files, 1 small to 100 good; WebP of 100 is lossless (default {})",
                             default_image_quality))
      ->type_name("N")
      ->check(CLI::Range(1, 100).description(""))
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
      ->group(group);
  app.add_flag("--no-metadata", no_metadata_, "leave prompt and settings out of the file")->group(group);
}

void PictureOutput::check(int64_t count, std::span<const std::string> inputs) const {
  if (!to_stdout()) {
    for (const fs::path& path : numbered_paths(path_, count)) check_output(path, "--output", inputs);
  }
  if (quality_ && image_format_of(path_) == ImageFormat::png) {
    throw UsageError("--quality is for JPEG and WebP files; PNG is lossless");
  }
  if (!to_stdout()) return;
  if (json()) throw UsageError("--json and --output - cannot both have stdout");
  if (count > 1) throw UsageError("--output - takes one picture");
  if (isatty(STDOUT_FILENO)) throw UsageError("--output - would write a PNG file to the terminal; redirect it");
}

std::vector<WrittenPicture> PictureOutput::write(std::span<const Image> images,
                                                 const std::function<ImageText(size_t)>& text_of,
                                                 const Console& console) const {
  const std::vector<fs::path> paths = numbered_paths(path_, static_cast<int64_t>(images.size()));
  std::vector<WrittenPicture> written;
  for (size_t i = 0; i < paths.size(); ++i) {
    written.push_back(write_one(paths[i], images[i], no_metadata_ ? ImageText{} : text_of(i), console));
    if (written.back().replaced) console.warn(fmt::format("replaced the file {}", written.back().path));
  }
  return written;
}

WrittenPicture PictureOutput::write_one(const fs::path& path, const Image& image, const ImageText& text,
                                        const Console& console) const {
  WrittenPicture written{.path = path.string()};
  if (to_stdout()) {
    const std::vector<uint8_t> png = encode_png(image, text);
    write_stdout({reinterpret_cast<const char*>(png.data()), png.size()});
    return written;
  }
  std::error_code ignored;
  written.replaced = fs::is_regular_file(path, ignored);
  create_parent_folders(path);
  try {
    write_image(path, image, text, quality_);
  } catch (const Error& error) {
    // A picture without its texts, where they are too long for JPEG, is better than none.
    if (error.code() != ErrorCode::invalid_argument || text.empty()) throw;
    write_image(path, image, {}, quality_);
    console.warn(fmt::format("left prompt and settings out of {}: {}", written.path, error.what()));
  }
  return written;
}

}  // namespace llmdit::cli
