#include "json_output.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <string>

#include "console.hpp"

namespace llmdit::cli {
namespace {

std::string dump(const Json& value, int indent) {
  return value.dump(indent, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace

void print_json(const Json& document) { write_stdout(dump(document, 2) + "\n"); }

void print_event(const Json& event) {
  if (!uses_event_lines()) return;
  const std::string line = dump(event, -1) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

Json json_numbers(std::span<const float> numbers) {
  Json list = Json::array();
  for (const float number : numbers) list.push_back(Json::parse(fmt::format("{}", number)));
  return list;
}

std::string json_text(std::string_view text) { return dump(Json(text), -1); }

std::string escaped(std::string_view text) {
  const std::string quoted = json_text(text);
  return quoted.substr(1, quoted.size() - 2);
}

}  // namespace llmdit::cli
