#include "capi/option_links.hpp"

using namespace llmdit;
using namespace llmdit::capi;

namespace {

template <class Options>
llmdit_option_info describe(size_t index, std::string_view operation) {
  const auto fields = option_fields<Options>();
  check(index < fields.size(), operation, "expected an index below {}, got {}", fields.size(), index);
  const OptionField& field = fields[index];
  const auto links = Struct<Options>::links();
  const auto link = std::ranges::find(links, field.name, &Link::name);
  constexpr const char* kinds[] = {"boolean", "integer", "unsigned_integer", "number",
                                   "text",    "choice",  "numbers",          "texts"};
  return {
      .struct_size = 0,
      .name = keep_text(std::string(field.name)),
      .kind = kinds[static_cast<size_t>(field.kind)],
      .help = keep_text(std::string(field.help)),
      .unit = keep_text(std::string(field.unit)),
      .choices = keep_text(fmt::format("{}", fmt::join(field.choices, ","))),
      .minimum = field.minimum,
      .maximum = field.maximum,
      .optional = field.optional,
      .offset = link == links.end() ? 0 : link->offset,
  };
}

/// A struct of the C interface, and what is asked of its fields.
struct OptionStruct {
  llmdit_option_struct value;
  const char* name;
  size_t (*count)();
  llmdit_option_info (*describe)(size_t index, std::string_view operation);
};

template <class Options>
constexpr OptionStruct row(llmdit_option_struct value, const char* name) {
  return {value, name, [] { return option_fields<Options>().size(); }, &describe<Options>};
}

constexpr OptionStruct structs[] = {
    row<LoadOptions>(LLMDIT_LOAD_OPTIONS, "LLMDIT_LOAD_OPTIONS"),
    row<GenerateOptions>(LLMDIT_GENERATE_OPTIONS, "LLMDIT_GENERATE_OPTIONS"),
    row<TextGenerationOptions>(LLMDIT_TEXT_OPTIONS, "LLMDIT_TEXT_OPTIONS"),
    row<RewriteOptions>(LLMDIT_REWRITE_OPTIONS, "LLMDIT_REWRITE_OPTIONS"),
    row<VLExtractOptions>(LLMDIT_VL_OPTIONS, "LLMDIT_VL_OPTIONS"),
    row<RemoteEncoderOptions>(LLMDIT_REMOTE_OPTIONS, "LLMDIT_REMOTE_OPTIONS"),
    row<ConvertOptions>(LLMDIT_CONVERT_OPTIONS, "LLMDIT_CONVERT_OPTIONS"),
};

}  // namespace

size_t llmdit_option_count(llmdit_option_struct options) {
  return guarded_value<size_t>(0, [&] { return read_enum(structs, options, "options", "option_count").count(); });
}

llmdit_status llmdit_option_describe(llmdit_option_info* info, llmdit_option_struct options, size_t index) {
  return guarded([&] {
    const char* operation = "option_describe";
    copy_struct(info, read_enum(structs, options, "options", operation).describe(index, operation), operation);
  });
}
