#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llmdit {

/// The candidate with the smallest edit distance to `word`; "" when none is close enough to be a misspelling.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace llmdit
