#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace llmdit::test {

/// The bytes of a safetensors file with any header, right or wrong.
inline std::string safetensors_bytes(std::string_view header, std::string_view data = "") {
  std::string result;
  for (int shift = 0; shift < 64; shift += 8) result += static_cast<char>(uint64_t{header.size()} >> shift);
  return result.append(header).append(data);
}

/// A valid file of F32 tensors with one element each under these names.
inline std::string safetensors_with(const std::vector<std::string>& names) {
  std::string header = "{";
  for (size_t i = 0; i < names.size(); ++i) {
    header += (i ? ",\"" : "\"") + names[i] + R"(":{"dtype":"F32","shape":[1],"data_offsets":[)" +
              std::to_string(i * 4) + "," + std::to_string(i * 4 + 4) + "]}";
  }
  return safetensors_bytes(header + "}", std::string(names.size() * 4, '\0'));
}

}  // namespace llmdit::test
