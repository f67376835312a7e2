#include "llmdit/token_sampling.hpp"

#include <vector>

#include "bindings.hpp"
#include "options.hpp"
#include "tensors.hpp"

namespace llmdit::python {

void bind_token_sampling(py::module_& m) {
  static const std::string doc =
      "Probabilities of the next token from its scores [vocab_size] or [rows, vocab_size], in transformers' order:\n"
      "penalties, temperature, top-k, top-p, min-p. Ids of the prompt and of the text so far are what penalties look "
      "at.\nRaises InvalidArgument for options out of bounds, scores that are NaN, +inf or all -inf, and ids outside "
      "the\n"
      "vocabulary.\nOther keywords:" +
      options_doc<SamplingOptions>();
  m.def(
      "sampling_probabilities",
      [](const at::Tensor& logits, const std::vector<int64_t>& prompt_ids, const std::vector<int64_t>& generated_ids,
         const py::kwargs& keywords) {
        const auto options = options_from<SamplingOptions>(keywords);
        py::gil_scoped_release released;
        return ordinary(sampling_probabilities(logits, options, {prompt_ids, generated_ids}));
      },
      py::arg("logits"), py::kw_only(), py::arg("prompt_ids") = std::vector<int64_t>{},
      py::arg("generated_ids") = std::vector<int64_t>{}, doc.c_str());
}

}  // namespace llmdit::python
