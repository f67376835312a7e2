#include "llmdit/steering.hpp"

#include <variant>

#include "bindings.hpp"
#include "record.hpp"

namespace llmdit::python {
namespace {

using Tensors = std::variant<at::Tensor, std::vector<at::Tensor>>;

std::vector<at::Tensor> to_list(const Tensors& tensors) {
  if (const auto* one = std::get_if<at::Tensor>(&tensors)) return {*one};
  return std::get<std::vector<at::Tensor>>(tensors);
}

}  // namespace

void bind_steering(py::module_& m) {
  Record<EmbeddingComparison>(m, "EmbeddingComparison", "How alike two prompts are.")
      .read_only("cosine_similarity", &EmbeddingComparison::cosine_similarity,
                 "-1 to 1; 0 where one of them is all zeros.")
      .read_only("mean_squared_error", &EmbeddingComparison::mean_squared_error, "Over the columns.");
  m.def(
      "compare_embeddings",
      [](const at::Tensor& a, const at::Tensor& b, const std::string& reduction) {
        return compare_embeddings(a, b, parse_row_reduction(reduction));
      },
      py::arg("a"), py::arg("b"), py::kw_only(), py::arg("reduction") = "mean", NoGil(),
      "Compares [a, hidden] and [b, hidden] by one row of each. reduction: mean, max (of each column), last or first.\n"
      "Raises InvalidArgument for other shapes, unequal widths, NaN or infinity, or another reduction.");
  m.def(
      "steering_vector",
      [](const Tensors& positive, const Tensors& negative, const std::string& reduction, bool normalize) {
        return steering_vector(to_list(positive), to_list(negative), parse_row_reduction(reduction), normalize);
      },
      py::arg("positive"), py::arg("negative"), py::kw_only(), py::arg("reduction") = "mean",
      py::arg("normalize") = true, NoGil(),
      "The mean over `positive` minus the mean over `negative`, float32 [hidden], of length 1 when normalised.\n"
      "Each is a tensor [tokens, hidden] or a list of them, one a prompt, reduced to a row as in compare_embeddings.\n"
      "Raises InvalidArgument for an empty list, other shapes, several widths, NaN or infinity, or another reduction.");
  m.def(
      "apply_steering",
      [](const at::Tensor& embeddings, const at::Tensor& vector, double scale) {
        return apply_steering(embeddings, vector, scale);
      },
      py::arg("embeddings"), py::arg("vector"), py::arg("scale") = 1.0, NoGil(),
      "Embeddings [tokens, hidden] + scale * vector [hidden] in every row, of the embeddings' type on their device.\n"
      "Raises InvalidArgument for other shapes, NaN or infinity, or a result that the type cannot hold.");
}

}  // namespace llmdit::python
