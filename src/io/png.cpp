#include "io/png.hpp"

#include <zlib.h>

namespace llmdit::io {

bool is_png_keyword(std::string_view latin1) noexcept {
  if (latin1.empty() || latin1.size() > 79 || latin1.front() == ' ' || latin1.back() == ' ') return false;
  for (const char c : latin1) {
    const auto code = static_cast<uint8_t>(c);
    if (code < 0x20 || (code > 0x7e && code < 0xa1)) return false;
  }
  return latin1.find("  ") == latin1.npos;
}

uint32_t png_crc(std::string_view type_and_data) noexcept {
  return static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(type_and_data.data()), type_and_data.size()));
}

}  // namespace llmdit::io
