#include "io/weight_write.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>

#include "base/check.hpp"
#include "io/atomic_write.hpp"
#include "io/encoding.hpp"
#include "io/gguf_format.hpp"
#include "io/safetensors_dtype.hpp"

namespace llmdit::io {
namespace {

int64_t count_weights(const TensorSource& tensor) {
  int64_t count = 1;
  for (const int64_t size : tensor.shape) count *= size;
  return count;
}

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

template <class T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_text(std::string& out, std::string_view text) {
  append<uint64_t>(out, text.size());
  out += text;
}

/// Hands a tensor's bytes to the sink. What `make` gives is checked: a wrong size would shift everything behind it.
void write_tensor(const TensorSource& tensor, const ByteSink& sink) {
  const at::Tensor made = tensor.make().contiguous();
  if (made.nbytes() != stored_bytes(tensor)) {
    fail(ErrorCode::internal, "convert", "expected {} bytes for {}, got {}", stored_bytes(tensor), tensor.name,
         made.nbytes());
  }
  if (made.nbytes() > 0) sink({static_cast<const std::byte*>(made.const_data_ptr()), made.nbytes()});
}

std::string_view safetensors_name(at::ScalarType dtype) {
  for (const std::string_view name :
       {"F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "I8", "U8", "F64", "I64", "I32", "I16"}) {
    if (find_safetensors_dtype(name)->type == dtype) return name;
  }
  fail(ErrorCode::internal, "convert",
       std::string_view("a tensor is of a type that safetensors files are not written in"));
}

uint32_t gguf_type_number(const TensorSource& tensor) {
  if (tensor.block) return kernels::block_format(*tensor.block).ggml_type;
  if (const GgufType* type = find_gguf_type(tensor.dtype)) return type->number;
  fail(ErrorCode::unsupported, "convert",
       "expected {} to be of a type that GGUF files have, got {}; choose another one", tensor.name,
       c10::toString(tensor.dtype));
}

nlohmann::ordered_json safetensors_entry(const TensorSource& tensor, uint64_t offset) {
  std::vector<int64_t> shape = tensor.shape;
  std::string_view dtype = "U8";
  if (tensor.block) {
    const auto& format = kernels::block_format(*tensor.block);
    shape.back() = shape.back() / format.weights * format.bytes;
  } else {
    dtype = safetensors_name(tensor.dtype);
  }
  return {{"dtype", dtype}, {"shape", shape}, {"data_offsets", {offset, offset + stored_bytes(tensor)}}};
}

}  // namespace

uint64_t stored_bytes(const TensorSource& tensor) {
  const auto count = static_cast<uint64_t>(count_weights(tensor));
  if (!tensor.block) return count * c10::elementSize(tensor.dtype);
  const auto& format = kernels::block_format(*tensor.block);
  return count / static_cast<uint64_t>(format.weights) * static_cast<uint64_t>(format.bytes);
}

void write_safetensors(const std::filesystem::path& path, const std::vector<TensorSource>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header, blocks;
  uint64_t offset = 0;
  header["__metadata__"] = metadata;
  for (const TensorSource& tensor : tensors) {
    header[tensor.name] = safetensors_entry(tensor, offset);
    if (tensor.block) blocks[tensor.name] = kernels::block_format(*tensor.block).name;
    offset += stored_bytes(tensor);
  }
  if (!blocks.empty()) header["__metadata__"]["llmdit.blocks"] = blocks.dump();
  std::string text = header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');  // so that the data is aligned
  std::string start;
  append<uint64_t>(start, text.size());
  start += text;
  write_file_atomically(path, [&](const ByteSink& sink) {
    sink(bytes_of(start));
    for (const TensorSource& tensor : tensors) write_tensor(tensor, sink);
  });
}

void write_gguf(const std::filesystem::path& path, const std::vector<TensorSource>& tensors,
                const GgufMetadata& metadata) {
  std::string start(gguf_magic);
  append<uint32_t>(start, gguf_version);
  append<uint64_t>(start, tensors.size());
  append<uint64_t>(start, metadata.texts.size() + metadata.numbers.size() + metadata.floats.size());
  const auto append_key = [&](const std::string& key, GgufValue type) {
    append_text(start, key);
    append<uint32_t>(start, static_cast<uint32_t>(type));
  };
  for (const auto& [key, text] : metadata.texts) {
    append_key(key, GgufValue::string);
    append_text(start, text);
  }
  for (const auto& [key, number] : metadata.numbers) {
    append_key(key, GgufValue::u32);
    append<uint32_t>(start, number);
  }
  for (const auto& [key, number] : metadata.floats) {
    append_key(key, GgufValue::f32);
    append<float>(start, number);
  }
  const auto padding = [](uint64_t size) {
    return (gguf_default_alignment - size % gguf_default_alignment) % gguf_default_alignment;
  };
  uint64_t offset = 0;
  for (const TensorSource& tensor : tensors) {
    append_text(start, tensor.name);
    append<uint32_t>(start, static_cast<uint32_t>(std::max<size_t>(1, tensor.shape.size())));
    if (tensor.shape.empty()) append<uint64_t>(start, 1);
    for (auto size = tensor.shape.rbegin(); size != tensor.shape.rend(); ++size)
      append<uint64_t>(start, static_cast<uint64_t>(*size));
    append<uint32_t>(start, gguf_type_number(tensor));
    append<uint64_t>(start, offset);
    offset += stored_bytes(tensor);
    offset += padding(offset);
  }
  start.append(padding(start.size()), '\0');
  write_file_atomically(path, [&](const ByteSink& sink) {
    sink(bytes_of(start));
    const std::string zeros(gguf_default_alignment, '\0');
    for (const TensorSource& tensor : tensors) {
      write_tensor(tensor, sink);
      sink(bytes_of(zeros).first(padding(stored_bytes(tensor))));
    }
  });
}

}  // namespace llmdit::io
