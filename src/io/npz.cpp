#include "io/npz.hpp"

#include <c10/util/Half.h>

#include <bit>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>
#include <type_traits>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "io/npy_header.hpp"
#include "io/zip.hpp"

namespace llmdit::io {
namespace {

constexpr size_t max_bytes = size_t{256} << 20;  // of all arrays of a file
constexpr std::string_view suffix = ".npy";

static_assert(std::endian::native == std::endian::little, "arrays are copied as they lie in the file");

/// Reads one member; every complaint names the file and the array.
class NpyReader {
 public:
  NpyReader(const std::filesystem::path& path, const ZipMember& member)
      : path_(path),
        name_(member.name),
        bytes_(reinterpret_cast<const char*>(member.bytes.data()), member.bytes.size()) {}

  NpyArray read() {
    std::string problem;
    const auto header = parse_npy_header(bytes_, problem);
    if (!header) damaged(problem);
    data_ = bytes_.substr(header->data_offset);
    return {.shape = header->shape, .values = values(*header)};
  }

 private:
  [[noreturn]] void damaged(std::string_view problem) const {
    fail(ErrorCode::unsupported, "npz", "{}: array {}: {}", printable_path(path_), printable(name_, 60), problem);
  }

  NpyArray::Values values(const NpyHeader& header) const {
    const std::string_view type = header.type;
    if (type == "f2") return convert<float, c10::Half>(header.count);
    if (type == "f4") return convert<float, float>(header.count);
    if (type == "f8") return convert<double, double>(header.count);
    if (type == "b1" || type == "u1") return convert<int64_t, uint8_t>(header.count);
    if (type == "i1") return convert<int64_t, int8_t>(header.count);
    if (type == "i2") return convert<int64_t, int16_t>(header.count);
    if (type == "i4") return convert<int64_t, int32_t>(header.count);
    if (type == "i8") return convert<int64_t, int64_t>(header.count);
    if (type == "u2") return convert<int64_t, uint16_t>(header.count);
    if (type == "u4") return convert<int64_t, uint32_t>(header.count);
    if (type == "u8") return convert<int64_t, uint64_t>(header.count);
    if (type.starts_with('U') && header.shape.empty()) return text(type.substr(1));
    if (type.starts_with('O')) damaged("Python objects are not loaded; save numbers");
    damaged(fmt::format("expected numbers or a single text, found elements of type {}", printable(type, 20)));
  }

  template <class To, class From>
  std::vector<To> convert(size_t count) const {
    if (count > data_.size() / sizeof(From) || count * sizeof(From) != data_.size()) {
      damaged(fmt::format("expected {} elements of {} bytes, found {} bytes", count, sizeof(From), data_.size()));
    }
    std::vector<From> stored(count);
    if (count > 0) std::memcpy(stored.data(), data_.data(), data_.size());
    if constexpr (std::is_same_v<From, uint64_t>) {
      for (uint64_t value : stored) {
        if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) damaged("an integer above 2^63 - 1");
      }
    }
    if constexpr (std::is_same_v<To, From>) {
      return stored;
    } else {
      return {stored.begin(), stored.end()};
    }
  }

  /// UTF-32, padded by zeros.
  std::string text(std::string_view length) const {
    size_t count = 0;
    const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), count);
    if (error != std::errc() || end != length.data() + length.size() || count > data_.size() / 4 ||
        data_.size() != count * 4) {
      damaged("a text of another length than told");
    }
    std::u32string code_points(count, U'\0');
    if (count > 0) std::memcpy(code_points.data(), data_.data(), data_.size());
    code_points.resize(code_points.find_last_not_of(U'\0') + 1);
    if (const auto utf8 = utf32_to_utf8(code_points)) return *utf8;
    damaged("a text with code points that are none");
  }

  const std::filesystem::path& path_;
  const std::string& name_;
  std::string_view bytes_;
  std::string_view data_;
};

void append(std::string& to, const void* data, size_t size) { to.append(static_cast<const char*>(data), size); }

/// The .npy file of an array.
std::string to_npy(const NpyArray& array) {
  std::string type, data;
  std::visit(
      [&]<class V>(const V& values) {
        if constexpr (std::is_same_v<V, std::string>) {
          const std::u32string code_points = utf8_to_utf32(values);
          type = fmt::format("U{}", code_points.size());
          append(data, code_points.data(), code_points.size() * sizeof(char32_t));
        } else {
          using T = typename V::value_type;
          type = fmt::format("{}{}", std::is_floating_point_v<T> ? 'f' : 'i', sizeof(T));
          append(data, values.data(), values.size() * sizeof(T));
        }
      },
      array.values);
  return npy_header(type, array.shape) + data;
}

}  // namespace

std::map<std::string, NpyArray> read_npz(const std::filesystem::path& path) {
  std::map<std::string, NpyArray> arrays;
  for (const ZipMember& member : read_zip(path, max_bytes)) {
    if (!member.name.ends_with(suffix)) {
      fail(ErrorCode::unsupported, "npz", "{}: expected members that end in .npy, found {}", printable_path(path),
           printable(member.name, 60));
    }
    arrays.emplace(member.name.substr(0, member.name.size() - suffix.size()), NpyReader(path, member).read());
  }
  return arrays;
}

void write_npz(const std::filesystem::path& path, const std::map<std::string, NpyArray>& arrays) {
  std::vector<ZipMember> members;
  for (const auto& [name, array] : arrays) {
    const std::string npy = to_npy(array);
    const auto bytes = std::as_bytes(std::span(npy));
    members.push_back({name + std::string(suffix), {bytes.begin(), bytes.end()}});
  }
  write_zip(path, members);
}

}  // namespace llmdit::io
