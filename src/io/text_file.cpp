#include "io/text_file.hpp"

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "io/mapped_file.hpp"

namespace llmdit::io {

std::string read_text_file(const std::filesystem::path& path, size_t max_bytes) {
  const auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  if (bytes.size() > max_bytes) {
    fail(ErrorCode::unsupported, "file", "expected {} to have at most {} bytes, found {}", printable_path(path),
         max_bytes, bytes.size());
  }
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace llmdit::io
