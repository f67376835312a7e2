#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace llmdit::io {

/// An array of numbers, or a single text, as NumPy keeps it.
struct NpyArray {
  using Values = std::variant<std::vector<float>, std::vector<double>, std::vector<int64_t>, std::string>;

  std::vector<int64_t> shape;  ///< empty for a single value
  Values values;
};

/// The arrays of a .npz file as numpy.savez and savez_compressed write it, by name. Read are float16 (as float),
/// float32, float64, booleans, integers that int64 can hold, and single texts; little-endian and in C order. Throws
/// not_found when the file cannot be read, unsupported when it is damaged or holds something else (pickled objects are
/// never loaded).
std::map<std::string, NpyArray> read_npz(const std::filesystem::path& path);

/// As numpy.savez: float32, float64, int64, or a text as a single value of type U.
void write_npz(const std::filesystem::path& path, const std::map<std::string, NpyArray>& arrays);

}  // namespace llmdit::io
