#include "llmdit/reference_statistics.hpp"

#include <variant>

#include "bindings.hpp"
#include "record.hpp"

namespace llmdit::python {
namespace {

using Tensors = std::variant<at::Tensor, std::vector<at::Tensor>>;

ReferenceStatistics compute_statistics(const Tensors& embeddings, const std::string& model,
                                       std::optional<int64_t> hidden_layer) {
  const auto* one = std::get_if<at::Tensor>(&embeddings);
  const std::vector<at::Tensor> list = one ? std::vector{*one} : std::get<std::vector<at::Tensor>>(embeddings);
  ReferenceStatistics statistics = ReferenceStatistics::compute(list);
  statistics.model = model;
  statistics.hidden_layer = hidden_layer;
  return statistics;
}

}  // namespace

void bind_reference_statistics(py::module_& m) {
  Record<ReferenceStatistics>(m, "ReferenceStatistics",
                              "What the rows of a text encoder are like, column by column: the scale that other\n"
                              "embeddings are brought to. Deviations are unbiased.")
      .read_write("per_dim_mean", &ReferenceStatistics::per_dim_mean, "Mean of each column, float32 [hidden].")
      .read_write("per_dim_std", &ReferenceStatistics::per_dim_std, "Deviation of each column, float32 [hidden].")
      .read_write("global_mean", &ReferenceStatistics::global_mean, "Mean of all numbers.")
      .read_write("global_std", &ReferenceStatistics::global_std, "Deviation of all numbers.")
      .read_write("model", &ReferenceStatistics::model, "Where the encoder came from; '' is not known.")
      .read_write("hidden_layer", &ReferenceStatistics::hidden_layer,
                  "Entry of hidden_states that the rows are of; None is not known.")
      .read_write("num_prompts", &ReferenceStatistics::num_prompts, "How many prompts they are of; 0 is not known.")
      .read_write("num_tokens", &ReferenceStatistics::num_tokens, "How many rows they are of; 0 is not known.")
      .constructible()
      .cls()
      .def_static("compute", &compute_statistics, py::arg("embeddings"), py::kw_only(), py::arg("model") = "",
                  py::arg("hidden_layer") = py::none(), NoGil(),
                  "Of one tensor [tokens, hidden] a prompt, two tokens or more in all. Sums are float64.\n"
                  "model and hidden_layer are kept as notes.\n"
                  "Raises InvalidArgument for other shapes, several widths, NaN or infinity, or fewer than two tokens.")
      .def_static(
          "load", &ReferenceStatistics::load, py::arg("path"), NoGil(),
          "From a .npz or .json file. Raises NotFound when it cannot be read, Unsupported when it holds something "
          "else.")
      .def("save", &ReferenceStatistics::save, py::arg("path"), NoGil(),
           "To a .npz or .json file, by its suffix.\n"
           "Raises InvalidArgument for another suffix and as check, NotFound when the file cannot be written.")
      .def_property_readonly("hidden_dim", &ReferenceStatistics::hidden_dim, "Width of the rows; 0 without tensors.")
      .def("check", &ReferenceStatistics::check, NoGil(),
           "Raises InvalidArgument for tensors that are not float32 [hidden] of equal length, a NaN, or a negative\n"
           "deviation.");
  m.def("statistics_prompts", &statistics_prompts,
        "Two dozen prompts of many kinds to compute statistics from where there are no prompts of one's own.");
}

}  // namespace llmdit::python
