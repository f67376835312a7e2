#include "llmdit/embedding_file.hpp"

#include "bindings.hpp"
#include "record.hpp"
#include "tensors.hpp"

namespace llmdit::python {
namespace {

EncodingOutput output_of(const py::object& value) {
  if (py::isinstance<EncodingOutput>(value)) return py::cast<EncodingOutput>(value);
  try {
    const py::object rows = py::module_::import("llmdit._arrays").attr("as_rows")(value);
    return {.embeddings = py::cast<std::vector<at::Tensor>>(rows), .token_counts = {}, .formatted_prompts = {}};
  } catch (const py::cast_error&) {
    throw py::type_error("expected an EncodingOutput, a tensor [tokens, hidden_size] or a list of them, got " +
                         short_repr(value));
  }
}

}  // namespace

void bind_embedding_file(py::module_& m) {
  m.def(
      "save_embeddings",
      [](const std::filesystem::path& path, const py::object& output, bool sidecar) {
        const EncodingOutput embeddings = output_of(output);
        const py::gil_scoped_release released;
        return save_embeddings(path, embeddings, {.sidecar = sidecar});
      },
      py::arg("path"), py::arg("output"), py::kw_only(), py::arg("sidecar") = SaveEmbeddingsOptions{}.sidecar,
      "Writes the embeddings with what made them as a safetensors file and returns its path; a missing suffix is "
      "added.\n"
      "output: an EncodingOutput, or rows of your own making: a tensor [tokens, hidden_size] or a list of them.\n"
      "sidecar: also a JSON file of the same stem, as llm-dit-experiments reads; for one text only.\n"
      "Raises InvalidArgument for embeddings that are empty, not finite or of several widths, and for another suffix;\n"
      "NotFound when the file cannot be written.");
  m.def(
      "load_embeddings",
      [](const std::filesystem::path& path) {
        EncodingOutput output = load_embeddings(path);
        output.embeddings = ordinary_copy(std::move(output.embeddings));
        return output;
      },
      py::arg("path"), NoGil(),
      "Reads a file of save_embeddings, or of llm-dit-experiments. The embeddings keep the file's type; what the file\n"
      "does not tell stays empty.\n"
      "Raises NotFound when it cannot be read, Unsupported for another kind of file and embeddings that are not "
      "finite.");
}

}  // namespace llmdit::python
