#include "io/gguf.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "io/gguf_format.hpp"

namespace llmdit::io {
namespace {

constexpr GgufType types[] = {
    {0, "F32", 1, 4, at::kFloat},
    {1, "F16", 1, 2, at::kHalf},
    {24, "I8", 1, 1, at::kChar},
    {25, "I16", 1, 2, at::kShort},
    {26, "I32", 1, 4, at::kInt},
    {27, "I64", 1, 8, at::kLong},
    {28, "F64", 1, 8, at::kDouble},
    {30, "BF16", 1, 2, at::kBFloat16},
    // Known by name and size only, so that they stop nobody who does not need them.
    {9, "Q8_1", 32, 36, {}},
    {15, "Q8_K", 256, 292, {}},
    {16, "IQ2_XXS", 256, 66, {}},
    {17, "IQ2_XS", 256, 74, {}},
    {18, "IQ3_XXS", 256, 98, {}},
    {19, "IQ1_S", 256, 50, {}},
    {21, "IQ3_S", 256, 110, {}},
    {22, "IQ2_S", 256, 82, {}},
    {29, "IQ1_M", 256, 56, {}},
    {34, "TQ1_0", 256, 54, {}},
    {35, "TQ2_0", 256, 66, {}},
    {39, "MXFP4", 32, 17, {}},
};

constexpr uint64_t longest_list_told = 64;  // elements of a list that stand in metadata()

/// Bytes of a value of fixed size; 0 for strings and lists.
size_t value_size(GgufValue type) {
  switch (type) {
    case GgufValue::u8:
    case GgufValue::i8:
    case GgufValue::boolean:
      return 1;
    case GgufValue::u16:
    case GgufValue::i16:
      return 2;
    case GgufValue::u32:
    case GgufValue::i32:
    case GgufValue::f32:
      return 4;
    case GgufValue::u64:
    case GgufValue::i64:
    case GgufValue::f64:
      return 8;
    case GgufValue::string:
    case GgufValue::array:
      return 0;
  }
  return 0;
}

template <class T>
T load(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

nlohmann::json number_at(GgufValue type, const std::byte* bytes) {
  switch (type) {
    case GgufValue::u8:
      return load<uint8_t>(bytes);
    case GgufValue::i8:
      return load<int8_t>(bytes);
    case GgufValue::u16:
      return load<uint16_t>(bytes);
    case GgufValue::i16:
      return load<int16_t>(bytes);
    case GgufValue::u32:
      return load<uint32_t>(bytes);
    case GgufValue::i32:
      return load<int32_t>(bytes);
    case GgufValue::f32:
      return load<float>(bytes);
    case GgufValue::boolean:
      return load<uint8_t>(bytes) != 0;
    case GgufValue::u64:
      return load<uint64_t>(bytes);
    case GgufValue::i64:
      return load<int64_t>(bytes);
    case GgufValue::f64:
      return load<double>(bytes);
    default:
      return nullptr;
  }
}

/// Shortest digits that give a float32 again.
std::string number_text(GgufValue type, const std::byte* bytes) {
  if (type == GgufValue::f32) return fmt::format("{}", load<float>(bytes));
  if (type == GgufValue::f64) return fmt::format("{}", load<double>(bytes));
  return number_at(type, bytes).dump();
}

}  // namespace

const GgufType* find_gguf_type(uint32_t number) noexcept {
  const auto found = std::ranges::find(types, number, &GgufType::number);
  return found == std::end(types) ? nullptr : found;
}

const GgufType* find_gguf_type(at::ScalarType dtype) noexcept {
  const auto found = std::ranges::find(types, std::optional(dtype), &GgufType::dtype);
  return found == std::end(types) ? nullptr : found;
}

/// Walks a file's header; every complaint names the file, and no size is believed before there are bytes for it.
class GgufFile::Parser {
 public:
  Parser(GgufFile& file, std::span<const std::byte> bytes) : file_(file), bytes_(bytes) {}

  void parse() {
    check_start();
    const uint64_t tensor_count = take<uint64_t>("the number of tensors");
    const uint64_t value_count = take<uint64_t>("the number of values");
    for (uint64_t i = 0; i < value_count; ++i) read_value();
    for (uint64_t i = 0; i < tensor_count; ++i) read_tensor();
    place_data();
    std::ranges::sort(file_.entries_, {}, &TensorEntry::name);
    const auto twice = std::ranges::adjacent_find(file_.entries_, {}, &TensorEntry::name);
    if (twice != file_.entries_.end()) fail_at(twice->name, "stands there twice");
    apply_original_shapes();
  }

 private:
  [[noreturn]] void fail_file(std::string_view problem) const {
    fail(ErrorCode::unsupported, "gguf", "{}: {}", printable_path(file_.path()), problem);
  }
  [[noreturn]] void fail_at(std::string_view key, std::string_view problem) const {
    fail(ErrorCode::unsupported, "gguf", "{}: \"{}\": {}", printable_path(file_.path()), printable(key), problem);
  }

  const std::byte* take_bytes(uint64_t count, std::string_view what) {
    if (count > bytes_.size() - at_) {
      fail_file(fmt::format("expected {} more bytes of the GGUF header for {}, found {}; is the file whole?", count,
                            what, bytes_.size() - at_));
    }
    const std::byte* start = bytes_.data() + at_;
    at_ += count;
    return start;
  }

  template <class T>
  T take(std::string_view what) {
    return load<T>(take_bytes(sizeof(T), what));
  }

  std::string_view take_string(std::string_view what) {
    const auto length = take<uint64_t>(what);
    const std::string_view text(reinterpret_cast<const char*>(take_bytes(length, what)), length);
    if (!is_utf8(text)) fail_file(fmt::format("expected {} in UTF-8, found \"{}\"", what, printable(text)));
    return text;
  }

  void check_start() {
    const auto* magic = reinterpret_cast<const char*>(take_bytes(gguf_magic.size(), "the start"));
    if (std::string_view(magic, gguf_magic.size()) != gguf_magic) fail_file("expected a GGUF file, found other data");
    const auto version = take<uint32_t>("the version");
    if (version == 2u << 24 || version == 3u << 24) fail_file("big-endian files are not handled");
    if (version != 2 && version != 3) fail_file(fmt::format("expected version 2 or 3, found {}", version));
  }

  GgufValue take_type(std::string_view key) {
    const auto type = take<uint32_t>("a type");
    if (type > static_cast<uint32_t>(GgufValue::f64))
      fail_at(key, fmt::format("expected a type 0 to 12, found {}", type));
    return static_cast<GgufValue>(type);
  }

  void read_value() {
    const std::string key(take_string("a key"));
    if (file_.metadata_.contains(key)) fail_at(key, "stands there twice");
    const GgufValue type = take_type(key);
    std::string text;
    if (type == GgufValue::string) {
      text = take_string("a string");
    } else if (type == GgufValue::array) {
      text = read_list(key);
    } else {
      text = number_text(type, take_bytes(value_size(type), "a number"));
    }
    file_.metadata_.emplace(key, std::move(text));
  }

  std::string read_list(const std::string& key) {
    const GgufValue type = take_type(key);
    if (type == GgufValue::array) fail_at(key, "lists of lists are not handled");
    const auto count = take<uint64_t>("the length of a list");
    file_.lists_.emplace(key, List{static_cast<uint32_t>(type), count, at_});
    const bool is_told = count <= longest_list_told;
    auto json = nlohmann::json::array();
    if (type == GgufValue::string) {
      for (uint64_t i = 0; i < count; ++i) {
        const std::string_view text = take_string("a string of a list");
        if (is_told) json.push_back(std::string(text));
      }
    } else {
      const size_t size = value_size(type);
      if (count > bytes_.size() / size) fail_at(key, fmt::format("expected {} numbers, found the file's end", count));
      const std::byte* start = take_bytes(count * size, "a list");
      for (uint64_t i = 0; i < count && is_told; ++i) json.push_back(number_at(type, start + i * size));
    }
    return is_told ? json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)
                   : fmt::format("[{} values]", count);
  }

  void read_tensor() {
    TensorEntry entry;
    entry.name = take_string("a tensor's name");
    const auto dims = take<uint32_t>("a number of dimensions");
    if (dims == 0 || dims > gguf_max_dims) {
      fail_at(entry.name, fmt::format("expected 1 to {} dimensions, found {}", gguf_max_dims, dims));
    }
    uint64_t count = 1;
    for (uint32_t i = 0; i < dims; ++i) {
      const auto size = take<uint64_t>("a dimension");
      constexpr uint64_t most = std::numeric_limits<int64_t>::max() / 16;
      if (size == 0 || size > most / count) {
        fail_at(entry.name,
                fmt::format("expected sizes of at least 1 whose product is a number of 60 bits, found {}", size));
      }
      count *= size;
      entry.shape.insert(entry.shape.begin(), static_cast<int64_t>(size));  // the innermost comes first in the file
    }
    set_type(entry, take<uint32_t>("a tensor's type"), count);
    entry.offset = take<uint64_t>("a tensor's offset");
    file_.entries_.push_back(std::move(entry));
  }

  void set_type(TensorEntry& entry, uint32_t number, uint64_t count) const {
    int64_t weights = 1, bytes = 0;
    const std::span blocks = kernels::block_formats;
    if (const auto found = std::ranges::find(blocks, number, &kernels::BlockFormat::ggml_type); found != blocks.end()) {
      entry.block = found->type;
      entry.dtype_name = found->name;
      weights = found->weights;
      bytes = found->bytes;
    } else if (const GgufType* type = find_gguf_type(number)) {
      entry.dtype = type->dtype;
      entry.dtype_name = type->name;
      weights = type->weights;
      bytes = type->bytes;
    } else {
      entry.dtype_name = fmt::format("ggml type {}", number);  // an error only for whoever needs this tensor
    }
    if (entry.shape.back() % weights != 0) {
      fail_at(entry.name, fmt::format("expected rows of a multiple of {} weights for {}, found {}", weights,
                                      entry.dtype_name, entry.shape.back()));
    }
    entry.bytes = count / static_cast<uint64_t>(weights) * static_cast<uint64_t>(bytes);
  }

  uint64_t alignment() const {
    const auto found = file_.metadata_.find("general.alignment");
    if (found == file_.metadata_.end()) return gguf_default_alignment;
    const auto value = nlohmann::json::parse(found->second, nullptr, /*allow_exceptions=*/false);
    const uint64_t alignment = value.is_number_unsigned() ? value.get<uint64_t>() : 0;
    if (alignment < 8 || alignment > (1u << 20) || (alignment & (alignment - 1)) != 0) {
      fail_at(found->first,
              fmt::format("expected a power of two from 8 to {}, found {}", 1u << 20, printable(found->second, 40)));
    }
    return alignment;
  }

  /// Where the data of the tensor behind `i` begins, or the data ends.
  static uint64_t next_offset(const std::vector<TensorEntry*>& order, size_t i, uint64_t size) {
    return i + 1 < order.size() ? order[i + 1]->offset : std::max(size, order[i]->offset);
  }

  /// Turns offsets into the data into offsets into the file, and checks them.
  void place_data() {
    const uint64_t unit = alignment();
    const uint64_t start = (at_ + unit - 1) / unit * unit;
    std::vector<TensorEntry*> order;
    for (TensorEntry& entry : file_.entries_) order.push_back(&entry);
    std::ranges::sort(order, {}, &TensorEntry::offset);
    const uint64_t size = bytes_.size() - std::min<uint64_t>(start, bytes_.size());
    uint64_t end = 0;
    for (size_t i = 0; i < order.size(); ++i) {
      TensorEntry& entry = *order[i];
      if (entry.offset % unit != 0) {
        fail_at(entry.name, fmt::format("expected an offset of a multiple of {}, found {}", unit, entry.offset));
      }
      if (entry.offset < end) fail_at(entry.name, "its data overlaps another tensor's");
      // Of an unknown type: all up to the next one.
      if (entry.bytes == 0) entry.bytes = next_offset(order, i, size) - entry.offset;
      if (entry.offset > size || entry.bytes > size - entry.offset) {
        fail_at(entry.name, fmt::format("expected {} bytes at {} of the data, found a file of {} bytes; is it whole?",
                                        entry.bytes, entry.offset, bytes_.size()));
      }
      end = entry.offset + entry.bytes;
      entry.offset += start;
    }
  }

  /// Some writers flatten a tensor to fill its blocks, and note the shape it has.
  void apply_original_shapes() {
    for (TensorEntry& entry : file_.entries_) {
      const std::string key = "comfy.gguf.orig_shape." + entry.name;
      const auto shape = file_.integers(key);
      if (!shape) continue;
      int64_t count = 1;
      for (const int64_t size : *shape) {
        if (size < 1 || size > std::numeric_limits<int32_t>::max() || count > (int64_t{1} << 58) / size)
          fail_at(key, "expected sizes of at least 1");
        count *= size;
      }
      int64_t stored = 1;
      for (const int64_t size : entry.shape) stored *= size;
      if (shape->empty() || shape->size() > 8 || count != stored) {
        fail_at(key, fmt::format("expected a shape of {} weights, found [{}]", stored, fmt::join(*shape, ", ")));
      }
      entry.shape = *shape;
    }
  }

  GgufFile& file_;
  std::span<const std::byte> bytes_;
  size_t at_ = 0;
};

std::shared_ptr<const GgufFile> GgufFile::open(const std::filesystem::path& path) {
  auto result = std::make_shared<GgufFile>();
  result->file_ = MappedFile::open(path);
  Parser(*result, result->file_->bytes()).parse();
  return result;
}

at::Tensor GgufFile::tensor(const TensorEntry& entry) const {
  if (!entry.dtype && !entry.block) {
    fail(ErrorCode::unsupported, "gguf", "{}: tensor \"{}\": its type {} is not handled", printable_path(path()),
         printable(entry.name), entry.dtype_name);
  }
  const at::ScalarType type = entry.block ? at::kByte : *entry.dtype;
  const std::vector<int64_t> shape = entry.block ? std::vector{static_cast<int64_t>(entry.bytes)} : entry.shape;
  // The format's alignment, 8 at least, serves every type. libtorch has no tensor of const data.
  const std::byte* data = file_->bytes().data() + entry.offset;
  return at::from_blob(const_cast<std::byte*>(data), shape, [keep_alive = file_](void*) {}, type);
}

std::optional<std::vector<std::string>> GgufFile::strings(std::string_view key) const {
  const auto found = lists_.find(key);
  if (found == lists_.end() || found->second.type != static_cast<uint32_t>(GgufValue::string)) return std::nullopt;
  std::vector<std::string> result;
  result.reserve(found->second.count);
  const std::byte* at = file_->bytes().data() + found->second.offset;
  for (uint64_t i = 0; i < found->second.count; ++i) {
    const auto length = load<uint64_t>(at);
    result.emplace_back(reinterpret_cast<const char*>(at + sizeof length), length);
    at += sizeof length + length;
  }
  return result;
}

std::optional<std::vector<int64_t>> GgufFile::integers(std::string_view key) const {
  const auto found = lists_.find(key);
  if (found == lists_.end()) return std::nullopt;
  const auto type = static_cast<GgufValue>(found->second.type);
  if (type == GgufValue::string || type == GgufValue::f32 || type == GgufValue::f64) return std::nullopt;
  std::vector<int64_t> result;
  result.reserve(found->second.count);
  const std::byte* at = file_->bytes().data() + found->second.offset;
  for (uint64_t i = 0; i < found->second.count; ++i) {
    const auto number = number_at(type, at + i * value_size(type));
    result.push_back(number.is_boolean() ? static_cast<int64_t>(number.get<bool>()) : number.get<int64_t>());
  }
  return result;
}

}  // namespace llmdit::io
