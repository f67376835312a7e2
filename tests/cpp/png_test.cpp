#include <sys/resource.h>
#include <sys/stat.h>
#include <zlib.h>

#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <random>

#include "llmdit/image.hpp"
#include "llmdit/inspect.hpp"
#include "temp_folder.hpp"
#include "thrown_error.hpp"

namespace llmdit {
namespace {

using test::TempFolder;
using test::thrown_by;

Image make_image(int64_t width, int64_t height) {
  Image image{width, height, {}};
  std::mt19937 random(7);
  for (int64_t i = 0; i < width * height * 3; ++i) image.pixels.push_back(static_cast<uint8_t>(i / 5 + random() % 9));
  return image;
}

std::string encode(const Image& image, const ImageText& text = {}) {
  const auto bytes = encode_png(image, text);
  return {bytes.begin(), bytes.end()};
}

std::string big_endian(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

uint32_t number_at(const std::string& bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes.at(at + i));
  return value;
}

std::string chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const auto crc = crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big_endian(static_cast<uint32_t>(data.size())) + body + big_endian(static_cast<uint32_t>(crc));
}

constexpr size_t behind_header = 33;

/// A good file with more chunks behind its IHDR.
std::string png_with(const std::string& chunks) { return encode(make_image(3, 2)).insert(behind_header, chunks); }

ImageInfo read(const std::string& bytes) {
  const TempFolder folder;
  return read_image_info(folder.write("picture.png", bytes));
}

std::string refusal(const std::string& bytes) {
  const auto error = thrown_by([&] { read(bytes); });
  CHECK(error.code == ErrorCode::unsupported);
  CHECK(error.says("picture.png: "));
  return error.text;
}

std::string deflate(const std::string& data) {
  uLongf size = compressBound(data.size());
  std::string result(size, '\0');
  REQUIRE(compress(reinterpret_cast<Bytef*>(result.data()), &size, reinterpret_cast<const Bytef*>(data.data()),
                   data.size()) == Z_OK);
  result.resize(size);
  return result;
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

/// Undoes the filters of 8-bit RGB rows, in the words of the PNG standard.
std::vector<uint8_t> unfilter(const std::string& raw, size_t row_bytes) {
  std::vector<uint8_t> pixels;
  for (size_t at = 0; at < raw.size(); ++at) {
    const size_t column = at % (row_bytes + 1);
    if (column == 0) continue;
    const bool has_left = column > 3, has_up = at > row_bytes;
    const int a = has_left ? pixels[pixels.size() - 3] : 0, b = has_up ? pixels[pixels.size() - row_bytes] : 0;
    const int c = has_left && has_up ? pixels[pixels.size() - row_bytes - 3] : 0;
    const int pa = std::abs(b - c), pb = std::abs(a - c), pc = std::abs(a + b - 2 * c);
    const int predictions[] = {0, a, b, (a + b) / 2, pa <= pb && pa <= pc ? a : pb <= pc ? b : c};
    pixels.push_back(static_cast<uint8_t>(raw[at] + predictions[static_cast<uint8_t>(raw[at - column])]));
  }
  return pixels;
}

}  // namespace

TEST_CASE("a written picture has its size and, unfiltered, its pixels", "[png]") {
  for (const auto& [width, height] : {std::pair<int64_t, int64_t>{1, 1}, {5, 3}, {64, 48}, {1, 200}, {333, 1}}) {
    const Image image = make_image(width, height);
    const std::string bytes = encode(image, {{"a", "b"}});
    const ImageInfo info = read(bytes);
    CHECK((info.width == width && info.height == height));
    CHECK((info.format == ImageFormat::png && info.bit_depth == 8 && info.color == "RGB" && !info.has_alpha));

    const size_t data_at = bytes.find("IDAT");
    uLongf size = (width * 3 + 1) * height;
    std::string raw(size, '\0');
    REQUIRE(uncompress(reinterpret_cast<Bytef*>(raw.data()), &size, reinterpret_cast<const Bytef*>(&bytes[data_at + 4]),
                       number_at(bytes, data_at - 4)) == Z_OK);
    CHECK(size == raw.size());
    CHECK(unfilter(raw, width * 3) == image.pixels);
  }
}

TEST_CASE("text of every script survives the file", "[png]") {
  const ImageText text = {{"parameters", "a cat\nNegative prompt: \nSteps: 8"},
                          {"parameters", "the same keyword again"},
                          {"Größe", "naïve £ ÿ"},
                          {"prompt", "кот 猫 🐈‍⬛\nвторая строка"},
                          {"llmdit", "{\"seed\": 18446744073709551615}"},
                          {"empty", ""},
                          {"control", "\x7f \xc2\x80 \t\r\n"},
                          {"long", std::string(300'000, 'x') + "ж"}};
  const TempFolder folder;
  const auto path = folder.path() / "picture.png";
  write_png(path, make_image(4, 4), text);
  CHECK(read_image_info(path).text == text);
  CHECK(inspect(path).kind == FileKind::picture);
  CHECK(inspect(path).picture.text == text);

  const std::string bytes = test::read_bytes(path);
  CHECK(bytes.substr(behind_header + 4, 15) == std::string("tEXtparameters\0", 15));
  CHECK(has(bytes,
            "tEXtGr\xf6\xdf"
            "e"));
  CHECK(has(bytes, std::string("iTXtprompt\0\0\0\0\0кот", 15 + 6)));
}

TEST_CASE("what a PNG cannot hold is refused before anything is written", "[png]") {
  const auto code = [](const Image& image, const ImageText& text = {}) {
    return thrown_by([&] { encode_png(image, text); }).code;
  };
  Image image = make_image(4, 4);
  for (const std::string keyword : {"", " a", "a ", "a  b", "a\nb", "ключ", "\xff", std::string(80, 'k').c_str()}) {
    INFO(keyword);
    CHECK(code(image, {{keyword, "x"}}) == ErrorCode::invalid_argument);
  }
  CHECK(code(image, {{std::string(79, 'k'), "x"}}) == ErrorCode::ok);
  CHECK(code(image, {{"a", "\xff"}}) == ErrorCode::invalid_argument);
  CHECK(code(image, {{"a", std::string("\0", 1)}}) == ErrorCode::invalid_argument);
  image.pixels.pop_back();
  CHECK(code(image) == ErrorCode::invalid_argument);
  CHECK(code({}) == ErrorCode::invalid_argument);
  CHECK(code({-1, 5, {}}) == ErrorCode::invalid_argument);
  CHECK(code({int64_t{1} << 62, 4, {}}) == ErrorCode::invalid_argument);
  CHECK(code({int64_t{1} << 20, int64_t{1} << 20, {}}) == ErrorCode::invalid_argument);

  const TempFolder folder;
  CHECK(thrown_by([&] { write_png(folder.path() / "a.png", image); }).code == ErrorCode::invalid_argument);
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("compressed texts of other writers are read", "[png]") {
  const std::string nul(1, '\0');
  const ImageInfo info =
      read(png_with(chunk("zTXt", "parameters" + nul + nul + deflate("caf\xe9")) +
                    chunk("iTXt", "prompt" + nul + "\1" + nul + "ru" + nul + "ключ" + nul + deflate("кот"))));
  CHECK(info.text == ImageText{{"parameters", "café"}, {"prompt", "кот"}});
}

TEST_CASE("broken texts are refused", "[png]") {
  const std::string nul(1, '\0');
  CHECK(has(refusal(png_with(chunk("tEXt", "no end"))), "ends too early"));
  CHECK(has(refusal(png_with(chunk("tEXt", nul + "no keyword"))), "no keyword"));
  CHECK(has(refusal(png_with(chunk("zTXt", "a" + nul))), "compression method"));
  CHECK(has(refusal(png_with(chunk("zTXt", "a" + nul + "\1x"))), "compression method"));
  CHECK(has(refusal(png_with(chunk("zTXt", "a" + nul + nul + "no deflate"))), "damaged"));
  CHECK(has(refusal(png_with(chunk("zTXt", "a" + nul + nul + deflate("cut").substr(0, 6)))), "damaged"));
  CHECK(has(refusal(png_with(chunk("iTXt", "a" + nul + "\2"))), "compression"));
  CHECK(has(refusal(png_with(chunk("iTXt", "a" + nul + nul + nul + "en" + nul))), "ends too early"));
  CHECK(has(refusal(png_with(chunk("iTXt", "a" + std::string(5, '\0') + "\xff"))), "not UTF-8"));
}

TEST_CASE("a text that unpacks without end is stopped", "[png]") {
  const std::string bomb = deflate(std::string(size_t{40} << 20, 'x'));
  CHECK(bomb.size() < 100'000);
  const std::string text = chunk("zTXt", "a" + std::string(2, '\0') + bomb);
  CHECK(read(png_with(text)).text.at(0).second.size() == size_t{40} << 20);
  CHECK(has(refusal(png_with(text + text)), "grow beyond"));
}

TEST_CASE("files that are no PNG or a damaged one are refused", "[png]") {
  const std::string good = encode(make_image(3, 2), {{"a", "text"}});
  CHECK(has(refusal(""), "an empty file"));
  CHECK(has(refusal("plain text"), "expected a PNG, JPEG or WebP picture, found other data"));
  CHECK(has(refusal(good.substr(0, 8) + good.substr(behind_header)), "IHDR"));
  CHECK(has(refusal(png_with(good.substr(8, 25))), "second IHDR"));
  CHECK(has(refusal(good.substr(0, behind_header) + chunk("IEND", "")), "IDAT"));
  CHECK(has(refusal(png_with(chunk("t XT", ""))), "found other data"));
  CHECK(has(refusal(png_with(big_endian(0xffffffff) + "tEXt" + std::string(8, 'x'))), "found other data"));
  CHECK(has(refusal(png_with(big_endian(0x7fffffff) + "tEXt" + std::string(8, 'x'))), "cut off"));

  const auto with_header = [&](uint32_t width, uint32_t height, const std::string& rest) {
    return good.substr(0, 8) + chunk("IHDR", big_endian(width) + big_endian(height) + rest) +
           good.substr(behind_header);
  };
  CHECK(read(with_header(7, 9, std::string("\x10\6\0\0\1", 5))).bit_depth == 16);
  for (const std::string rest : {"\3\2", "\4\2", "\x10\3", "\10\1", "\10\5", "\10\7", "\x40\2"}) {
    CHECK(has(refusal(with_header(1, 1, rest + std::string(3, '\0'))), "color type"));
  }
  CHECK(has(refusal(with_header(1, 1, std::string("\0\2\0\0\0", 5))), "bit depth 0"));
  CHECK(has(refusal(with_header(1, 1, std::string("\10\2\0\0\2", 5))), "interlace"));
  CHECK(has(refusal(with_header(0, 1, std::string("\10\2\0\0\0", 5))), "0 x 1"));
  CHECK(has(refusal(with_header(1, 0x80000000, std::string("\10\2\0\0\0", 5))), "2147483648"));
}

TEST_CASE("a PNG cut at any byte or with any byte changed is refused", "[png]") {
  const TempFolder folder;
  const std::string nul(1, '\0');
  const std::string good =
      png_with(chunk("zTXt", "z" + nul + nul + deflate("text")) + chunk("iTXt", "i" + std::string(5, '\0') + "ы"));
  REQUIRE(read(good).text.size() == 2);
  for (size_t at = 0; at < good.size(); ++at) {
    const auto cut = folder.write("cut.png", good.substr(0, at));
    CHECK(thrown_by([&] { read_image_info(cut); }).code == ErrorCode::unsupported);
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    const auto changed = folder.write("changed.png", bytes);
    CHECK(thrown_by([&] { read_image_info(changed); }).code == ErrorCode::unsupported);
  }
}

TEST_CASE("chunks with right checksums and random content never do more than throw", "[png]") {
  const TempFolder folder;
  std::mt19937 random(11);
  const std::string packed = deflate("a text that is packed");
  int accepted = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string data =
        (random() % 2 ? "key" : "k") + std::string(random() % 6, '\0') + (random() % 2 ? packed : "text");
    for (auto flips = random() % 4; flips > 0; --flips)
      data[random() % data.size()] = static_cast<char>(random() % 256);
    data.resize(random() % 4 ? data.size() : random() % data.size());
    const char* types[] = {"tEXt", "zTXt", "iTXt"};
    const auto path = folder.write("fuzzed.png", png_with(chunk(types[random() % 3], data)));
    const auto error = thrown_by([&] { accepted += read_image_info(path).text.size() == 1; });
    if (error.code != ErrorCode::ok) CHECK(error.code == ErrorCode::unsupported);
  }
  CHECK(accepted > 100);
}

TEST_CASE("a picture is replaced whole or stays as it was", "[png]") {
  namespace fs = std::filesystem;
  const TempFolder folder;
  const auto path = folder.path() / "picture.png";
  write_png(path, make_image(8, 8));
  const std::string old = test::read_bytes(path);

  SECTION("an ordinary write replaces it and leaves nothing else") {
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
    write_png(path, make_image(9, 9));
    CHECK(read_image_info(path).width == 9);
    CHECK(fs::status(path).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
    CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
  }
  SECTION("a new file has the permissions the process gives new files") {
    const mode_t mask = ::umask(022);
    write_png(folder.path() / "new.png", make_image(1, 1));
    ::umask(mask);
    CHECK(fs::status(folder.path() / "new.png").permissions() == static_cast<fs::perms>(0644));
  }
  SECTION("a symbolic link keeps its place") {
    fs::create_symlink("picture.png", folder.path() / "link.png");
    write_png(folder.path() / "link.png", make_image(9, 9));
    CHECK(fs::is_symlink(folder.path() / "link.png"));
    CHECK(read_image_info(path).width == 9);
  }
  SECTION("a symbolic link to a file that is not there yet is written through") {
    fs::create_directory(folder.path() / "there");
    fs::create_symlink("second.png", folder.path() / "first.png");
    fs::create_symlink("there/third.png", folder.path() / "second.png");
    write_png(folder.path() / "first.png", make_image(9, 9));
    CHECK(fs::is_symlink(folder.path() / "first.png"));
    CHECK(fs::is_symlink(folder.path() / "second.png"));
    CHECK(read_image_info(folder.path() / "there" / "third.png").width == 9);
  }
  SECTION("a ring of symbolic links is an error") {
    fs::create_symlink("one.png", folder.path() / "other.png");
    fs::create_symlink("other.png", folder.path() / "one.png");
    const auto error = thrown_by([&] { write_png(folder.path() / "one.png", make_image(1, 1)); });
    CHECK(error.code == ErrorCode::not_found);
    CHECK(fs::is_symlink(folder.path() / "one.png"));
  }
  SECTION("a full disk, here a limit on file size, keeps the old file") {
    rlimit limit{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
    const rlimit small{100, limit.rlim_max};
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    const auto error = thrown_by([&] { write_png(path, make_image(64, 64)); });
    ::setrlimit(RLIMIT_FSIZE, &limit);
    std::signal(SIGXFSZ, handler);
    CHECK(error.code == ErrorCode::not_found);
    CHECK(error.says("cannot write " + test::as_text(path) + ": File too large"));
    CHECK(test::read_bytes(path) == old);
    CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
  }
  SECTION("what is no file cannot be written") {
    const auto is_folder = thrown_by([&] { write_png(folder.path(), make_image(1, 1)); });
    CHECK(is_folder.code == ErrorCode::not_found);
    CHECK(is_folder.says("Is a directory"));
    const auto no_folder = thrown_by([&] { write_png(folder.path() / "missing" / "a.png", make_image(1, 1)); });
    CHECK(no_folder.code == ErrorCode::not_found);
    CHECK(no_folder.says("No such file or directory"));
  }
}

TEST_CASE("a device is written to and not replaced", "[png]") {
  if (!std::filesystem::is_character_file("/dev/full")) SKIP("no /dev/full on this system");
  const auto error = thrown_by([&] { write_png("/dev/full", make_image(64, 64)); });
  CHECK(error.code == ErrorCode::not_found);
  CHECK(error.says("cannot write /dev/full: No space left on device"));
  CHECK(std::filesystem::is_character_file("/dev/full"));
}

}  // namespace llmdit
