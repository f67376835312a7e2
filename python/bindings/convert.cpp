#include "llmdit/convert.hpp"

#include "bindings.hpp"
#include "options.hpp"
#include "record.hpp"

namespace llmdit::python {

void bind_convert(py::module_& m) {
  Record<ConvertReport>(m, "ConvertReport", "What a conversion wrote.")
      .read_only("component", &ConvertReport::component, "'text_encoder', 'transformer' or 'vae'.")
      .read_only("tensors", &ConvertReport::tensors, "How many were written.")
      .read_only("quantized", &ConvertReport::quantized, "Of the tensors, those that were quantised.")
      .read_only("bytes", &ConvertReport::bytes, "Of the tensors' data.")
      .read_only("warnings", &ConvertReport::warnings, "What of the input is not in the output.");
  const std::string doc =
      "Writes the weights of one component, in any form that loads, as one .safetensors or .gguf file.\n"
      "Raises NotFound for a file that cannot be read or written, Unsupported for what does not load or a kind that "
      "the\n"
      "format does not have, InvalidArgument for another suffix.\nKeywords:" +
      options_doc<ConvertOptions>();
  m.def(
      "convert_weights",
      [](const std::filesystem::path& input, const std::filesystem::path& output, const py::kwargs& keywords) {
        const auto options = options_from<ConvertOptions>(keywords);
        py::gil_scoped_release released;
        return convert_weights(input, output, options);
      },
      py::arg("input"), py::arg("output"), doc.c_str());
}

}  // namespace llmdit::python
