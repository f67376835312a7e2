#include <catch2/catch_test_macros.hpp>
#include <limits>
#include <set>

#include "llmdit/error.hpp"
#include "llmdit/generate_options.hpp"
#include "llmdit/load_options.hpp"
#include "thrown_error.hpp"

using namespace llmdit;
using llmdit::test::thrown_by;

namespace {

// A value of the field's kind that differs from its default.
OptionValue other_value(const OptionField& field, const OptionValue& current) {
  switch (field.kind) {
    case OptionKind::boolean:
      return current != OptionValue(true);
    case OptionKind::integer:
      return std::holds_alternative<int64_t>(current) ? std::get<int64_t>(current) + 1 : int64_t{32};
    case OptionKind::unsigned_integer:
      return uint64_t{12345678901234567890u};
    case OptionKind::number:
      return 0.5;
    case OptionKind::text:
      return std::string(field.name == "layer_weights" ? "-3:1" : field.name == "max_memory" ? "8GB" : "another");
    case OptionKind::choice:
      return std::string(field.choices.back());
    case OptionKind::numbers:
      return std::vector<double>{1.0, 0.5};
    case OptionKind::texts:
      if (field.name == "layer_spans") return std::vector<std::string>{"0:2=-3:1"};
      return std::vector<std::string>{"one", "an,other"};
  }
  return {};
}

template <class Options>
void check_table() {
  std::set<std::string_view> names, flags;
  for (const OptionField& field : option_fields<Options>()) {
    INFO(field.name);
    CHECK(names.insert(field.name).second);
    CHECK(flags.insert(field.flag).second);
    CHECK(!field.help.empty());
    CHECK(!field.section.empty());
    Options options;
    const OptionValue before = field.get(&options);
    CHECK_NOTHROW(check_value(field, before));
    const OptionValue wanted = other_value(field, before);
    CHECK(wanted != before);
    set_option(options, field.name, wanted);
    CHECK(get_option(options, field.name) == check_value(field, wanted));
    // Nothing else moved.
    for (const OptionField& other : option_fields<Options>()) {
      if (other.name != field.name) CHECK(other.get(&options) == other.get(&static_cast<const Options&>(Options{})));
    }
  }
}

const OptionField& generate_field(std::string_view name) { return find_field(option_fields<GenerateOptions>(), name); }

}  // namespace

TEST_CASE("every field of an option table arrives in its struct and nowhere else", "[options]") {
  check_table<GenerateOptions>();
  check_table<LoadOptions>();
}

TEST_CASE("flags are names with dashes unless the table says otherwise", "[options]") {
  CHECK(generate_field("guidance_scale").flag == "guidance-scale");
  CHECK(generate_field("num_inference_steps").flag == "steps");
}

TEST_CASE("not given differs from zero", "[options]") {
  GenerateOptions options;
  CHECK(std::holds_alternative<std::monostate>(get_option(options, "seed")));
  set_option(options, "seed", uint64_t{0});
  CHECK(get_option(options, "seed") == OptionValue(uint64_t{0}));
  set_option(options, "seed", std::monostate{});
  CHECK(!options.seed.has_value());
}

TEST_CASE("values out of bounds or of another type name field, value and what is allowed", "[options]") {
  GenerateOptions options;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::pair<const char*, OptionValue> wrong[] = {{"guidance_scale", nan},
                                                       {"guidance_scale", -1.0},
                                                       {"num_inference_steps", int64_t{0}},
                                                       {"num_inference_steps", 2.5},
                                                       {"width", int64_t{-16}},
                                                       {"seed", int64_t{-1}},
                                                       {"seed", std::string("1")},
                                                       {"cfg_truncation", 1.5},
                                                       {"strip_quotes", int64_t{1}},
                                                       {"output_type", std::string("x")},
                                                       {"num_images_per_prompt", std::monostate{}},
                                                       {"sigmas", std::vector<double>{nan}}};
  for (const auto& [name, value] : wrong) {
    INFO(name);
    const auto error = thrown_by([&] { set_option(options, name, value); });
    CHECK(error.code == ErrorCode::invalid_argument);
    CHECK(error.says(name));
    CHECK(error.says("expected"));
  }
  CHECK(options.num_inference_steps == GenerateOptions{}.num_inference_steps);
}

TEST_CASE("texts are read as the field's kind, exactly", "[options]") {
  const auto& fields = option_fields<GenerateOptions>();
  const auto parsed = [&](std::string_view name, std::string_view text) {
    return parse_value(find_field(fields, name), text);
  };
  CHECK(parsed("seed", "18446744073709551615") == OptionValue(uint64_t{18446744073709551615u}));
  CHECK(parsed("hidden_layer", "-2") == OptionValue(int64_t{-2}));
  CHECK(parsed("shift", "2.5") == OptionValue(2.5));
  CHECK(parsed("sigmas", "1,0.5") == OptionValue(std::vector<double>{1, 0.5}));
  CHECK(parsed("sigmas", "") == OptionValue(std::vector<double>{}));
  CHECK(parsed("system_prompt", "") == OptionValue(std::string()));
  for (const char* text : {"true", "on", "yes", "1"}) CHECK(parsed("strip_quotes", text) == OptionValue(true));
  for (const char* text : {"false", "off", "no", "0"}) CHECK(parsed("strip_quotes", text) == OptionValue(false));
  const std::pair<const char*, const char*> wrong[] = {{"seed", "-1"},    {"seed", "18446744073709551616"},
                                                       {"seed", ""},      {"width", "2.5"},
                                                       {"shift", "2,5"},  {"sigmas", "1,,0.5"},
                                                       {"width", "0x10"}, {"strip_quotes", ""}};
  for (const auto& [name, text] : wrong) {
    INFO(name << " = " << text);
    const auto error = thrown_by([&] { parsed(name, text); });
    CHECK(error.code == ErrorCode::invalid_argument);
    CHECK(error.says(name));
  }
}

TEST_CASE("an unknown option is answered with the nearest known one", "[options]") {
  GenerateOptions options;
  CHECK(thrown_by([&] { set_option(options, "guidence_scale", 1.0); }).says("guidance_scale"));
}

TEST_CASE("check_options finds a bad value that was set past the table", "[options]") {
  GenerateOptions options;
  options.num_images_per_prompt = -3;
  CHECK(thrown_by([&] { check_options(options); }).code == ErrorCode::invalid_argument);
}

TEST_CASE("a choice is taken in every spelling, and kept in the listed one", "[options]") {
  LoadOptions options;
  set_option(options, "dtype", std::string("bf16"));
  CHECK(options.dtype == DType::bfloat16);
  CHECK(get_option(options, "dtype") == OptionValue(std::string("bfloat16")));
}
