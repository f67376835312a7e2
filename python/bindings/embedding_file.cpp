#include "llmdit/embedding_file.hpp"

#include "bindings.hpp"
#include "tensors.hpp"

namespace llmdit::python {

void bind_embedding_file(py::module_& m) {
  m.def(
      "save_embeddings",
      [](const std::filesystem::path& path, const EncodingOutput& output, bool sidecar) {
        return save_embeddings(path, output, {.sidecar = sidecar});
      },
      py::arg("path"), py::arg("output"), py::kw_only(), py::arg("sidecar") = SaveEmbeddingsOptions{}.sidecar, NoGil(),
      "Writes the embeddings with what made them as a safetensors file and returns its path; a missing suffix is "
      "added.\n"
      "sidecar: also a JSON file of the same stem, as llm-dit-experiments reads.");
  m.def(
      "load_embeddings",
      [](const std::filesystem::path& path) {
        EncodingOutput output = load_embeddings(path);
        output.embeddings = ordinary_copy(std::move(output.embeddings));
        return output;
      },
      py::arg("path"), NoGil(),
      "Reads a file of save_embeddings, or of llm-dit-experiments. The embeddings keep the file's type; what the file\n"
      "does not tell stays empty.");
}

}  // namespace llmdit::python
