#include "io/weight_file.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "io/gguf.hpp"
#include "io/mapped_file.hpp"
#include "io/safetensors.hpp"

namespace llmdit::io {

std::shared_ptr<const WeightFile> WeightFile::open(const std::filesystem::path& path) {
  const auto mapping = MappedFile::open(path);
  const std::string_view bytes(reinterpret_cast<const char*>(mapping->bytes().data()), mapping->bytes().size());
  if (bytes.starts_with("GGUF") || bytes.starts_with("FUGG")) return GgufFile::open(path);
  // A zip archive or a bare pickle: formats that run code when they are read. The length of a safetensors header, which
  // follows, may begin with the same bytes.
  const bool has_header = bytes.size() > 8 && bytes[8] == '{';
  if (!has_header && (bytes.starts_with("PK\x03\x04") || bytes.starts_with("\x80\x02"))) {
    fail(ErrorCode::unsupported, "weights",
         "{}: expected safetensors or GGUF, found a PyTorch pickle, which is never opened; convert it to safetensors",
         printable_path(path));
  }
  return SafetensorsFile::open(path);
}

const TensorEntry* WeightFile::find(std::string_view name) const {
  const auto all = entries();
  const auto found = std::lower_bound(all.begin(), all.end(), name,
                                      [](const TensorEntry& entry, std::string_view key) { return entry.name < key; });
  return found != all.end() && found->name == name ? &*found : nullptr;
}

}  // namespace llmdit::io
