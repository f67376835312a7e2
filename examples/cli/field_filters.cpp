#include "field_filters.hpp"

#include <algorithm>
#include <string>

#include "llmdit/error.hpp"
#include "llmdit/generate_options.hpp"

namespace llmdit::cli {
namespace {

/// Some value the field may have and that is not its default.
OptionValue other_value(const OptionField& field) {
  const GenerateOptions defaults;
  switch (field.kind) {
    case OptionKind::boolean:
      return field.get(&defaults) != OptionValue(true);
    case OptionKind::integer:
      return int64_t{12345};
    case OptionKind::unsigned_integer:
      return uint64_t{12345};
    case OptionKind::number:
      return 12345.0;
    case OptionKind::numbers:
      return std::vector<double>{12345.0};
    case OptionKind::choice:
      return std::string(field.choices.back());
    case OptionKind::texts:
      return std::vector<std::string>{"other"};
    case OptionKind::text:
      return std::string("other");
  }
  return {};
}

template <class Member>
bool writes_to(const OptionField& field, Member GenerateOptions::* member) {
  GenerateOptions options;
  try {
    field.set(&options, other_value(field));
  } catch (const Error&) {
    return false;  // a text of a form of its own, as a mix of layers has
  }
  return options.*member != GenerateOptions{}.*member;
}

}  // namespace

bool is_chat_field(const OptionField& field) { return writes_to(field, &GenerateOptions::chat); }

bool is_encode_field(const OptionField& field) {
  return is_chat_field(field) || field.name == "hidden_layer" || field.name == "layer_weights" ||
         field.name == "layer_spans";
}

bool is_picture_field(const OptionField& field) { return !writes_to(field, &GenerateOptions::output_type); }

bool is_encoder_load_field(const OptionField& field) {
  constexpr std::string_view others[] = {"transformer_path", "vae_path",    "dit_device", "vae_device",
                                         "dit_quantization", "cpu_offload", "lora"};
  return std::ranges::find(others, field.name) == std::end(others) && field.section != "vl";
}

bool is_rewriter_load_field(const OptionField& field) {
  return is_encoder_load_field(field) || field.name == "vl_model_path" || field.name == "vl_device" ||
         field.name == "vl_quantization";
}

bool is_token_load_field(const OptionField& field) {
  return field.name == "transformer_path" || field.name == "text_encoder_path" || field.name == "tokenizer_path";
}

}  // namespace llmdit::cli
