#include "io/safetensors_header.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "io/safetensors_dtype.hpp"

namespace llmdit::io {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are used as they lie in the little-endian file");

constexpr uint64_t length_bytes = 8;
constexpr uint64_t max_header_bytes = 100'000'000;
constexpr size_t max_dimensions = 64;  // libtorch's own bound in most of its operations

[[noreturn]] void fail_header(const std::filesystem::path& path, std::string_view problem) {
  fail(ErrorCode::unsupported, "safetensors", "{}: {}", printable_path(path), problem);
}

[[noreturn]] void fail_tensor(const std::filesystem::path& path, std::string_view name, std::string_view problem) {
  fail_header(path, fmt::format("tensor \"{}\": {}", printable(name), problem));
}

/// Receives the header token by token: unlike the parser's own tree it sees equal keys and needs no memory for nesting.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderReader(SafetensorsHeader& header, const std::filesystem::path& path) : header_(header), path_(path) {}

  bool null() override { return scalar("null"); }
  bool boolean(bool) override { return scalar("true or false"); }
  bool number_integer(number_integer_t) override { return scalar("a negative number"); }
  bool number_float(number_float_t, const string_t&) override {
    return scalar("a number with a fraction or out of range");
  }
  bool binary(binary_t&) override { return scalar("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    const bool is_shape = place_ == Place::shape;
    if (!is_shape && place_ != Place::offsets) return scalar("a number");
    if (value > uint64_t{std::numeric_limits<int64_t>::max()}) fail_here("a number out of range");
    (is_shape ? entry().shape : offsets_).push_back(static_cast<int64_t>(value));
    if (!is_shape && offsets_.size() > 2) fail_here("a third number");
    if (is_shape && entry().shape.size() > max_dimensions) {
      fail_here(fmt::format("more than {} dimensions", max_dimensions));
    }
    return true;
  }

  bool string(string_t& value) override {
    if (place_ == Place::metadata) {
      if (!header_.metadata.emplace(key_, value).second) fail_here("the same key twice");
    } else if (place_ == Place::tensor && field_ == "dtype") {
      entry().dtype_name = value;
    } else {
      return scalar("a string");
    }
    return true;
  }

  bool key(string_t& value) override {
    if (place_ == Place::tensor) {
      field_ = value;
      if (!is_unknown_field() && !seen_.insert(field_).second) {
        fail_tensor(path_, key_, fmt::format("the key \"{}\" stands there twice", field_));
      }
    } else if (place_ != Place::unknown) {
      key_ = value;
    }
    return true;
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::outside) {
      place_ = Place::file;
    } else if (place_ == Place::file && key_ == "__metadata__") {
      if (has_metadata_) fail_header(path_, "the key \"__metadata__\" stands there twice");
      has_metadata_ = true;
      place_ = Place::metadata;
    } else if (place_ == Place::file) {
      place_ = Place::tensor;
      header_.entries.emplace_back().name = key_;
      seen_.clear();
      offsets_.clear();
    } else {
      enter_unknown("an object");
    }
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ == Place::tensor && field_ == "shape") {
      place_ = Place::shape;
    } else if (place_ == Place::tensor && field_ == "data_offsets") {
      place_ = Place::offsets;
    } else {
      enter_unknown("an array");
    }
    return true;
  }

  bool end_object() override {
    if (place_ == Place::tensor) finish_tensor();
    return leave(place_ == Place::file ? Place::outside : Place::file);
  }

  bool end_array() override { return leave(Place::tensor); }

  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error) override {
    const std::string_view what = error.what();  // "[json.exception.parse_error.101] parse error at line 1, ..."
    const size_t bracket = what.find("] ");
    fail_header(path_,
                "the header is not JSON: " + printable(bracket == what.npos ? what : what.substr(bracket + 2), 300));
  }

 private:
  enum class Place { outside, file, metadata, tensor, shape, offsets, unknown };

  TensorEntry& entry() { return header_.entries.back(); }

  bool is_unknown_field() const {
    return place_ == Place::tensor && field_ != "dtype" && field_ != "shape" && field_ != "data_offsets";
  }

  /// A value where none of its kind is expected; fields that the format does not know are passed over.
  bool scalar(std::string_view found) {
    if (place_ != Place::unknown && !is_unknown_field()) fail_here(found);
    return true;
  }

  void enter_unknown(std::string_view found) {
    if (place_ != Place::unknown && !is_unknown_field()) fail_here(found);
    place_ = Place::unknown;
    ++unknown_depth_;
  }

  bool leave(Place outer) {
    if (place_ != Place::unknown) {
      place_ = outer;
    } else if (--unknown_depth_ == 0) {
      place_ = Place::tensor;
    }
    return true;
  }

  [[noreturn]] void fail_here(std::string_view found) const {
    switch (place_) {
      case Place::outside:
        fail_header(path_, fmt::format("expected the header to be a JSON object, found {}", found));
      case Place::file:
        fail_header(path_, fmt::format("key \"{}\": expected an object, found {}", printable(key_), found));
      case Place::metadata:
        fail_header(path_,
                    fmt::format("__metadata__ key \"{}\": expected one string, found {}", printable(key_), found));
      case Place::shape:
        fail_tensor(path_, key_, fmt::format("shape: expected non-negative whole numbers, found {}", found));
      case Place::offsets:
        fail_tensor(path_, key_, fmt::format("data_offsets: expected two non-negative whole numbers, found {}", found));
      default:
        fail_tensor(path_, key_,
                    fmt::format("{}: expected {}, found {}", printable(field_),
                                field_ == "dtype" ? "a string" : "an array", found));
    }
  }

  void finish_tensor();

  SafetensorsHeader& header_;
  const std::filesystem::path& path_;
  Place place_ = Place::outside;
  bool has_metadata_ = false;
  size_t unknown_depth_ = 0;
  std::string key_;             // tensor name or metadata key
  std::string field_;           // key inside a tensor
  std::set<std::string> seen_;  // known fields of this tensor
  std::vector<int64_t> offsets_;
};

void HeaderReader::finish_tensor() {
  TensorEntry& tensor = entry();
  for (const std::string_view field : {"dtype", "shape", "data_offsets"}) {
    if (!seen_.contains(std::string(field))) {
      fail_tensor(path_, key_, fmt::format("expected a key \"{}\", found none", field));
    }
  }
  if (offsets_.size() != 2) {
    fail_tensor(path_, key_, fmt::format("data_offsets: expected two numbers, found {}", offsets_.size()));
  }
  if (offsets_[0] > offsets_[1]) {
    fail_tensor(path_, key_, fmt::format("data_offsets: begin {} is behind end {}", offsets_[0], offsets_[1]));
  }
  tensor.offset = static_cast<uint64_t>(offsets_[0]);
  tensor.bytes = static_cast<uint64_t>(offsets_[1] - offsets_[0]);

  const SafetensorsDtype* dtype = find_safetensors_dtype(tensor.dtype_name);
  if (!dtype) return;  // an error only for whoever needs this tensor
  tensor.dtype = dtype->type;
  const auto bytes = count_bytes(*dtype, tensor.shape);
  const std::string what = fmt::format("shape [{}] of {}", fmt::join(tensor.shape, ", "), tensor.dtype_name);
  if (!bytes) fail_tensor(path_, key_, what + " has too many elements, or not a whole number of bytes");
  if (*bytes != tensor.bytes) {
    fail_tensor(path_, key_,
                fmt::format("expected {} bytes for {}, found data_offsets with {} bytes", *bytes, what, tensor.bytes));
  }
}

/// The tensors must fill the `data_bytes` behind the header one after the other.
void check_layout(const std::vector<TensorEntry>& entries, uint64_t data_start, uint64_t data_bytes,
                  const std::filesystem::path& path) {
  std::vector<const TensorEntry*> order;
  for (const TensorEntry& entry : entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const TensorEntry* a, const TensorEntry* b) {
    return std::pair(a->offset, a->bytes) < std::pair(b->offset, b->bytes);
  });
  uint64_t end = 0;
  const TensorEntry* previous = nullptr;
  for (const TensorEntry* entry : order) {
    if (entry->offset != end) {
      fail_tensor(path, entry->name,
                  fmt::format("expected its data to begin at {}, where {} ends, found {}: {}", end,
                              previous ? fmt::format("\"{}\"", printable(previous->name)) : "the header", entry->offset,
                              entry->offset < end ? "they overlap" : "there is a hole"));
    }
    end += entry->bytes;
    previous = entry;
  }
  if (end > data_bytes) {
    fail_header(path, fmt::format("the file is cut off: expected {} bytes, found {}; get it again", data_start + end,
                                  data_start + data_bytes));
  }
  if (end < data_bytes) {
    fail_header(path, fmt::format("expected {} bytes, found {}: the last {} belong to no tensor", data_start + end,
                                  data_start + data_bytes, data_bytes - end));
  }
}

std::string_view header_text(std::span<const std::byte> file, const std::filesystem::path& path) {
  if (file.size() < length_bytes) {
    fail_header(path, fmt::format("expected at least {} bytes, found {}: it is cut off or no safetensors file",
                                  length_bytes, file.size()));
  }
  uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof(length));
  if (length > max_header_bytes) {
    const std::string_view start(reinterpret_cast<const char*>(file.data()), std::min<size_t>(file.size(), 16));
    fail_header(path, fmt::format("expected a safetensors file, with a header of at most {} bytes, found one that "
                                  "begins with '{}'",
                                  max_header_bytes, printable(start)));
  }
  if (length > file.size() - length_bytes) {
    fail_header(path,
                fmt::format("the file is cut off inside its header: expected at least {} bytes, found {}; get it again",
                            length_bytes + length, file.size()));
  }
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + length_bytes, length);
  if (!text.starts_with('{')) fail_header(path, "expected the header to be a JSON object that begins with {");
  // The parser takes a NUL for the end of the text and would pass over what follows.
  if (text.find('\0') != text.npos) fail_header(path, "the header is not JSON: it holds a NUL byte");
  return text;
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file, const std::filesystem::path& path) {
  const std::string_view text = header_text(file, path);
  SafetensorsHeader header;
  HeaderReader reader(header, path);
  nlohmann::json::sax_parse(text, &reader);

  const uint64_t data_start = length_bytes + text.size();
  auto& entries = header.entries;
  std::sort(entries.begin(), entries.end(), [](const TensorEntry& a, const TensorEntry& b) { return a.name < b.name; });
  const auto twin = std::adjacent_find(entries.begin(), entries.end(),
                                       [](const TensorEntry& a, const TensorEntry& b) { return a.name == b.name; });
  if (twin != entries.end()) fail_tensor(path, twin->name, "the name stands there twice");
  check_layout(entries, data_start, file.size() - data_start, path);
  for (TensorEntry& entry : entries) entry.offset += data_start;
  return header;
}

}  // namespace llmdit::io
