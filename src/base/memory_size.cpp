#include "base/memory_size.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "base/check.hpp"

namespace llmdit {
namespace {

struct Unit {
  std::string_view name;
  uint64_t bytes;
};

// The larger before the smaller; the first of a size is the one that is written.
constexpr Unit units[] = {{"TiB", 1ULL << 40},
                          {"TB", 1'000'000'000'000},
                          {"GiB", 1ULL << 30},
                          {"GB", 1'000'000'000},
                          {"MiB", 1ULL << 20},
                          {"MB", 1'000'000},
                          {"KiB", 1ULL << 10},
                          {"KB", 1'000},
                          {"T", 1'000'000'000'000},
                          {"G", 1'000'000'000},
                          {"M", 1'000'000},
                          {"K", 1'000},
                          {"B", 1},
                          {"", 1}};

bool same_word(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

}  // namespace

MemorySize parse_memory_size(std::string_view text) {
  const auto refuse = [&]() {
    fail(ErrorCode::invalid_argument, "max_memory", "expected a positive size such as 8GB, 7.5GiB or 512MB, got '{}'",
         text);
  };
  double number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || !std::isfinite(number)) refuse();
  std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  const auto* found = std::ranges::find_if(units, [&](const Unit& known) { return same_word(known.name, unit); });
  if (found == std::end(units)) refuse();
  const double bytes = number * static_cast<double>(found->bytes);
  if (!(bytes >= 1) || bytes > 0x1p60) refuse();
  return {static_cast<uint64_t>(std::llround(bytes))};
}

std::string memory_size_text(const MemorySize& size) {
  for (const Unit& unit : units) {
    if (unit.bytes > 1 && size.bytes % unit.bytes == 0) return fmt::format("{}{}", size.bytes / unit.bytes, unit.name);
  }
  return std::to_string(size.bytes);
}

}  // namespace llmdit
