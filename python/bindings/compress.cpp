#include "llmdit/compress.hpp"

#include <string>
#include <variant>

#include "bindings.hpp"
#include "llmdit/generate_options.hpp"

namespace llmdit::python {
namespace {

using Mode = std::variant<LongPromptMode, std::string>;

LongPromptMode to_mode(const Mode& mode) {
  if (const auto* value = std::get_if<LongPromptMode>(&mode)) return *value;
  const auto& name = std::get<std::string>(mode);
  // The option's own reading has the message for what is none.
  return *parse_long_prompt_mode(std::get<std::string>(
      check_value(find_field(option_fields<GenerateOptions>(), "long_prompt_mode"), OptionValue(name))));
}

}  // namespace

void bind_compress(py::module_& m) {
  py::native_enum<LongPromptMode>(m, "LongPromptMode", "enum.Enum",
                                  "What becomes of a prompt that is longer than the transformer's limit.")
      .value("truncate", LongPromptMode::truncate)
      .value("interpolate", LongPromptMode::interpolate)
      .value("pool", LongPromptMode::pool)
      .value("attention_pool", LongPromptMode::attention_pool)
      .value("extrapolate", LongPromptMode::extrapolate)
      .value("segments", LongPromptMode::segments)
      .finalize();
  m.attr("MAX_TEXT_SEQ_LEN") = max_text_seq_len;
  m.def(
      "compress_embeddings",
      [](const at::Tensor& embeds, int64_t max_len, const Mode& mode) {
        const LongPromptMode chosen = to_mode(mode);
        py::gil_scoped_release released;
        return compress_embeddings(embeds, max_len, chosen);
      },
      py::arg("embeds"), py::arg("max_len") = max_text_seq_len, py::arg("mode") = "truncate",
      "Embeddings [tokens, width] as at most max_len rows of the same type; the tensor itself when it has no more.\n"
      "mode: a LongPromptMode or its name. Computed in float32 at least, and differentiable.\n"
      "Raises InvalidArgument for another shape, type or mode, numbers that are not finite, or a max_len below 1.");
  m.def(
      "estimate_quality_loss",
      [](int64_t tokens, int64_t max_len, const Mode& mode) {
        return std::string(estimate_quality_loss(tokens, max_len, to_mode(mode)));
      },
      py::arg("tokens"), py::arg("max_len"), py::arg("mode"),
      "A rule of thumb for what is lost when `tokens` become `max_len`, in words: 'Low', 'Medium', 'HIGH', ...\n"
      "mode: a LongPromptMode or its name. Raises InvalidArgument for another, fewer than 0 tokens or a max_len below "
      "1.");
}

}  // namespace llmdit::python
