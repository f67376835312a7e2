#include "io/safetensors.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <cstring>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "io/json.hpp"
#include "io/safetensors_header.hpp"

namespace llmdit::io {
namespace {

[[noreturn]] void fail_dtype(const std::filesystem::path& path, const TensorEntry& entry, std::string_view problem) {
  fail(ErrorCode::unsupported, "safetensors", "{}: tensor \"{}\": {}", printable_path(path), printable(entry.name),
       problem);
}

/// Turns U8 tensors into the blocks that the header says they are.
void apply_blocks(std::vector<TensorEntry>& entries, const std::map<std::string, std::string>& metadata,
                  const std::filesystem::path& path) {
  const auto found = metadata.find("llmdit.blocks");
  if (found == metadata.end()) return;
  const JsonObject blocks = JsonObject::parse(path, found->second);
  for (TensorEntry& entry : entries) {
    if (!blocks.has(entry.name)) continue;
    const auto name = blocks.get<std::string>(entry.name);
    const kernels::BlockFormat* format = kernels::find_block_format(name);
    if (!format) fail_dtype(path, entry, fmt::format("its blocks {} are not known", printable(name, 40)));
    if (entry.dtype != at::kByte || entry.shape.empty() || entry.shape.back() % format->bytes != 0) {
      fail_dtype(path, entry,
                 fmt::format("expected U8 rows of a multiple of {} bytes for {}, found {} [{}]", format->bytes, name,
                             entry.dtype_name, fmt::join(entry.shape, ", ")));
    }
    entry.dtype.reset();
    entry.dtype_name = format->name;
    entry.block = format->type;
    entry.shape.back() = entry.shape.back() / format->bytes * format->weights;
  }
}

}  // namespace

std::shared_ptr<const SafetensorsFile> SafetensorsFile::open(const std::filesystem::path& path) {
  auto result = std::make_shared<SafetensorsFile>();
  result->file_ = MappedFile::open(path);
  auto header = parse_safetensors_header(result->file_->bytes(), path);
  result->entries_ = std::move(header.entries);
  result->metadata_ = std::move(header.metadata);
  apply_blocks(result->entries_, result->metadata_, path);
  return result;
}

at::Tensor SafetensorsFile::tensor(const TensorEntry& entry) const {
  if (!entry.dtype && !entry.block) {
    fail_dtype(path(), entry, fmt::format("its dtype {} is not handled", printable(entry.dtype_name, 40)));
  }
  const at::ScalarType type = entry.block ? at::kByte : *entry.dtype;
  std::vector<int64_t> shape = entry.block ? std::vector{static_cast<int64_t>(entry.bytes)} : entry.shape;
  if (type == at::kFloat4_e2m1fn_x2) {  // libtorch's element is a pair of these
    if (shape.empty() || shape.back() % 2 != 0) fail_dtype(path(), entry, "expected an even last size for F4");
    shape.back() /= 2;
  }
  if (entry.bytes == 0) return at::empty(shape, type);

  const std::byte* data = file_->bytes().data() + entry.offset;
  if (entry.offset % c10::elementSize(type) != 0) {  // the mapping itself begins on a page
    at::Tensor copy = at::empty(shape, type);
    std::memcpy(copy.data_ptr(), data, entry.bytes);
    return copy;
  }
  // libtorch has no tensor of const data; the mapping is read-only, so that a write is a fault and not a changed model.
  return at::from_blob(const_cast<std::byte*>(data), shape, [keep_alive = file_](void*) {}, type);
}

}  // namespace llmdit::io
