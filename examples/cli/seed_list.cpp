#include "seed_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "exit_codes.hpp"

namespace llmdit::cli {
namespace {

constexpr uint64_t kMostSeeds = 100000;

uint64_t parse_seed(std::string_view text, std::string_view all) {
  uint64_t seed = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
  if (error == std::errc{} && end == text.data() + text.size()) return seed;
  throw UsageError(fmt::format("--seeds: expected seeds and ranges such as 1,2,5-9, got '{}' in '{}'", text, all));
}

}  // namespace

std::vector<uint64_t> parse_seeds(std::string_view text) {
  std::vector<uint64_t> seeds;
  for (std::string_view rest = text;;) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view item = rest.substr(0, comma);
    const size_t dash = item.find('-');
    const uint64_t first = parse_seed(item.substr(0, dash), text);
    const uint64_t last = dash == item.npos ? first : parse_seed(item.substr(dash + 1), text);
    if (last < first) throw UsageError(fmt::format("--seeds: expected a range that rises, got '{}'", item));
    if (last - first >= kMostSeeds - seeds.size())
      throw UsageError(fmt::format("--seeds: expected at most {} seeds", kMostSeeds));
    for (uint64_t seed = first;; ++seed) {
      seeds.push_back(seed);
      if (seed == last) break;  // and not seed <= last, which is always true for the largest
    }
    if (comma == rest.size()) return seeds;
    rest.remove_prefix(comma + 1);
  }
}

}  // namespace llmdit::cli
