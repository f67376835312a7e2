#include "picture_output.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "exit_codes.hpp"
#include "option_flags.hpp"
#include "output_files.hpp"

namespace llmdit::cli {

namespace fs = std::filesystem;

PictureOutput::PictureOutput(CLI::App& app) : json_(app) {
  constexpr const char* group = "Output";
  add_text_flag(
      app, "-o,--output", path_, "FILE",
      fmt::format(
          "PNG file, - is stdout; several are numbered like cat-0001.png; missing folders are made, a file that is "
          "replaced is named (default {})",
          path_))
      ->group(group);
  app.add_flag("--no-metadata", no_metadata_, "leave prompt and settings out of the file")->group(group);
}

void PictureOutput::check(int64_t count) const {
  if (!to_stdout()) {
    for (const fs::path& path : numbered_paths(path_, count)) check_output(path);
    return;
  }
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
    written.push_back(write_one(paths[i], images[i], no_metadata_ ? ImageText{} : text_of(i)));
    if (written.back().replaced) console.warn(fmt::format("replaced the file {}", written.back().path));
  }
  return written;
}

WrittenPicture PictureOutput::write_one(const fs::path& path, const Image& image, const ImageText& text) const {
  WrittenPicture written{.path = path.string()};
  if (to_stdout()) {
    const std::vector<uint8_t> png = encode_png(image, text);
    write_stdout({reinterpret_cast<const char*>(png.data()), png.size()});
    return written;
  }
  std::error_code ignored;
  written.replaced = fs::is_regular_file(path, ignored);
  create_parent_folders(path);
  write_png(path, image, text);
  return written;
}

}  // namespace llmdit::cli
