#include "llmdit/reference_statistics.hpp"

#include <variant>

#include "bindings.hpp"
#include "record.hpp"
#include "tensors.hpp"

namespace llmdit::python {
namespace {

using Tensors = std::variant<at::Tensor, std::vector<at::Tensor>>;

ReferenceStatistics compute_statistics(const Tensors& embeddings, const std::string& model,
                                       std::optional<int64_t> hidden_layer) {
  const auto* one = std::get_if<at::Tensor>(&embeddings);
  const std::vector<at::Tensor> list = one ? std::vector{*one} : std::get<std::vector<at::Tensor>>(embeddings);
  ReferenceStatistics statistics = ReferenceStatistics::compute(list);
  statistics.per_dim_mean = ordinary(statistics.per_dim_mean);
  statistics.per_dim_std = ordinary(statistics.per_dim_std);
  statistics.model = model;
  statistics.hidden_layer = hidden_layer;
  return statistics;
}

}  // namespace

void bind_reference_statistics(py::module_& m) {
  Record<ReferenceStatistics>(m, "ReferenceStatistics",
                              "What the rows of a text encoder are like, column by column: the scale that other\n"
                              "embeddings are brought to. Deviations are unbiased.")
      .read_write("per_dim_mean", &ReferenceStatistics::per_dim_mean, "float32 [hidden].")
      .read_write("per_dim_std", &ReferenceStatistics::per_dim_std, "float32 [hidden].")
      .read_write("global_mean", &ReferenceStatistics::global_mean, "Of all numbers.")
      .read_write("global_std", &ReferenceStatistics::global_std, "Of all numbers.")
      .read_write("model", &ReferenceStatistics::model, "Where the encoder came from; empty is not known.")
      .read_write("hidden_layer", &ReferenceStatistics::hidden_layer, "Entry of hidden_states that the rows are of.")
      .read_write("num_prompts", &ReferenceStatistics::num_prompts, "0 is not known.")
      .read_write("num_tokens", &ReferenceStatistics::num_tokens, "0 is not known.")
      .constructible()
      .cls()
      .def_static("compute", &compute_statistics, py::arg("embeddings"), py::kw_only(), py::arg("model") = "",
                  py::arg("hidden_layer") = py::none(), NoGil(),
                  "Of one tensor [tokens, hidden] a prompt, two tokens or more in all. Sums are float64.")
      .def_property_readonly("hidden_dim", &ReferenceStatistics::hidden_dim)
      .def("check", &ReferenceStatistics::check, NoGil(),
           "Raises InvalidArgument for tensors that are not float32 [hidden] of equal length, a NaN, or a negative\n"
           "deviation.");
}

}  // namespace llmdit::python
