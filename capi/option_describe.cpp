#include <type_traits>

#include "capi/option_links.hpp"

using namespace llmdit;
using namespace llmdit::capi;

namespace {

/// Calls `visit` with the type of an options struct; false for a value that names none.
template <class Visit>
bool visit_options(llmdit_option_struct options, Visit visit) {
  switch (options) {
    case LLMDIT_LOAD_OPTIONS:
      return visit(std::type_identity<LoadOptions>()), true;
    case LLMDIT_GENERATE_OPTIONS:
      return visit(std::type_identity<GenerateOptions>()), true;
    case LLMDIT_TEXT_OPTIONS:
      return visit(std::type_identity<TextGenerationOptions>()), true;
    case LLMDIT_REWRITE_OPTIONS:
      return visit(std::type_identity<RewriteOptions>()), true;
    case LLMDIT_VL_OPTIONS:
      return visit(std::type_identity<VLExtractOptions>()), true;
    case LLMDIT_REMOTE_OPTIONS:
      return visit(std::type_identity<RemoteEncoderOptions>()), true;
    case LLMDIT_CONVERT_OPTIONS:
      return visit(std::type_identity<ConvertOptions>()), true;
  }
  return false;
}

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

}  // namespace

size_t llmdit_option_count(llmdit_option_struct options) {
  size_t count = 0;
  visit_options(options, [&]<class Options>(std::type_identity<Options>) { count = option_fields<Options>().size(); });
  return count;
}

llmdit_status llmdit_option_describe(llmdit_option_info* info, llmdit_option_struct options, size_t index) {
  return guarded([&] {
    const char* operation = "option_describe";
    llmdit_option_info full{};
    const bool is_known = visit_options(
        options, [&]<class Options>(std::type_identity<Options>) { full = describe<Options>(index, operation); });
    check(is_known, operation, "expected a value of llmdit_option_struct, got {}", static_cast<int>(options));
    copy_struct(info, full, operation);
  });
}
