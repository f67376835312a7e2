#include "io/safetensors.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstring>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "io/safetensors_header.hpp"

namespace llmdit::io {
namespace {

[[noreturn]] void fail_dtype(const std::filesystem::path& path, const TensorEntry& entry, std::string_view problem) {
  fail(ErrorCode::unsupported, "safetensors", "{}: tensor \"{}\": {}", printable_path(path), printable(entry.name),
       problem);
}

}  // namespace

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  SafetensorsFile result;
  result.file_ = MappedFile::open(path);
  auto header = parse_safetensors_header(result.file_->bytes(), path);
  result.entries_ = std::move(header.entries);
  result.metadata_ = std::move(header.metadata);
  return result;
}

const TensorEntry* SafetensorsFile::find(std::string_view name) const {
  const auto found = std::lower_bound(entries_.begin(), entries_.end(), name,
                                      [](const TensorEntry& entry, std::string_view key) { return entry.name < key; });
  return found != entries_.end() && found->name == name ? &*found : nullptr;
}

at::Tensor SafetensorsFile::tensor(const TensorEntry& entry) const {
  if (!entry.dtype) {
    fail_dtype(path(), entry, fmt::format("its dtype {} is not handled", printable(entry.dtype_name, 40)));
  }
  std::vector<int64_t> shape = entry.shape;
  if (*entry.dtype == at::kFloat4_e2m1fn_x2) {  // libtorch's element is a pair of these
    if (shape.empty() || shape.back() % 2 != 0) fail_dtype(path(), entry, "expected an even last size for F4");
    shape.back() /= 2;
  }
  if (entry.bytes == 0) return at::empty(shape, *entry.dtype);

  const std::byte* data = file_->bytes().data() + entry.offset;
  if (entry.offset % c10::elementSize(*entry.dtype) != 0) {  // the mapping itself begins on a page
    at::Tensor copy = at::empty(shape, *entry.dtype);
    std::memcpy(copy.data_ptr(), data, entry.bytes);
    return copy;
  }
  // libtorch has no tensor of const data; the mapping is read-only, so that a write is a fault and not a changed model.
  return at::from_blob(const_cast<std::byte*>(data), shape, [keep_alive = file_](void*) {}, *entry.dtype);
}

}  // namespace llmdit::io
