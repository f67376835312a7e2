#include "llmdit/attention.hpp"

#include <string>
#include <vector>

#include "bindings.hpp"
#include "tensors.hpp"

namespace llmdit::python {
namespace {

at::Tensor attend(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                  const std::optional<at::Tensor>& attn_mask, bool is_causal, std::optional<double> scale,
                  const std::string& backend) {
  return ordinary(attention_forward(query, key, value,
                                    {.backend = parse_attention_backend(backend),
                                     .mask = attn_mask.value_or(at::Tensor()),
                                     .causal = is_causal,
                                     .scale = scale}));
}

}  // namespace

void bind_attention(py::module_& m) {
  m.def(
      "get_available_backends",
      [](const std::string& device) {
        std::vector<std::string> names;
        for (const AttentionBackend backend : available_attention_backends(device))
          names.emplace_back(attention_backend_name(backend));
        return names;
      },
      py::arg("device") = "auto",
      "Names of the attention backends that run on a device as things are now, 'sdpa' first.\n"
      "Raises InvalidArgument for a device that is not there.");
  m.def(
      "setup_attention_backend",
      [](const std::string& backend, const std::string& device) {
        const AttentionBackend chosen = parse_attention_backend(backend);
        py::gil_scoped_release released;
        return std::string(attention_backend_name(resolve_attention_backend(chosen, device)));
      },
      py::arg("backend") = "auto", py::arg("device") = "auto",
      "The backend that a model loaded with attention_backend=backend uses: that one, for 'auto' the one that the\n"
      "variable LLM_DIT_ATTENTION names, else 'sdpa'. Nothing is set for the process: pass it where a model is "
      "loaded.\n"
      "Raises InvalidArgument, a ValueError, listing what is available, for one that is not.");
  m.def("load_operator_library", &load_operator_library, py::arg("path"),
        "Loads a shared library that registers operators of backends, as torch.ops.load_library does.\n"
        "Raises NotFound, with the system's reason, where it cannot be loaded.");
  m.def("attention_forward", &attend, py::arg("query"), py::arg("key"), py::arg("value"),
        py::arg("attn_mask") = py::none(), py::kw_only(), py::arg("is_causal") = false, py::arg("scale") = py::none(),
        py::arg("backend") = "auto", NoGil(),
        "softmax(query key^T * scale) value of [batch, heads, rows, head_dim]; key and value may have fewer heads and\n"
        "other rows. attn_mask: bool, True is seen, or added to the scores. is_causal: a row sees the keys up to its "
        "own\n"
        "place, counted from the last. scale: 1 / sqrt(head_dim) where it is None. Computed in the tensors' own type, "
        "and\n"
        "differentiable where the backend is.\n"
        "Raises InvalidArgument for other shapes or types and for a mask the backend does not take, Unsupported where "
        "the\n"
        "backend cannot compute the call.");
}

}  // namespace llmdit::python
