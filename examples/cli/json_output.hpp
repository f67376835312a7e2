#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

namespace llmdit::cli {

/// An object whose keys stay in the order they are set.
using Json = nlohmann::ordered_json;

/// The flag --json; stays where it is while the command line is parsed.
class JsonFlag {
 public:
  explicit JsonFlag(CLI::App& app) { app.add_flag("--json", given_, "print one JSON document")->group("Output"); }
  JsonFlag(const JsonFlag&) = delete;
  JsonFlag& operator=(const JsonFlag&) = delete;

  bool given() const { return given_; }

 private:
  bool given_ = false;
};

/// Writes the one document of --json to stdout. Bytes that are no UTF-8 become U+FFFD.
void print_json(const Json& document);

/// An event as a line on stderr, where --progress=json asks for them.
void print_event(const Json& event);

/// Float32 numbers with as many digits as they have: 0.9 and not 0.8999999761581421.
Json json_numbers(std::span<const float> numbers);

/// `text` as a JSON string in quotes.
std::string json_text(std::string_view text);

/// `text` as it stands between those quotes: one line, and nothing in it that a terminal would obey.
std::string escaped(std::string_view text);

}  // namespace llmdit::cli
