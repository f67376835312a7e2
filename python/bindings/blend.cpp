#include "llmdit/blend.hpp"

#include <ATen/ATen.h>

#include <variant>

#include "bindings.hpp"
#include "record.hpp"

namespace llmdit::python {
namespace {

/// One number a row, as a tensor or a sequence.
using Numbers = std::variant<at::Tensor, std::vector<double>>;

at::Tensor to_tensor(const Numbers& numbers) {
  if (const auto* tensor = std::get_if<at::Tensor>(&numbers)) return *tensor;
  return at::tensor(std::get<std::vector<double>>(numbers), at::kDouble);
}

BlendResult blend_by_name(const at::Tensor& vl, const at::Tensor& text, double alpha, const std::string& mode,
                          const std::optional<at::Tensor>& neutral, const std::optional<Numbers>& attention_weights) {
  BlendOptions options{.mode = parse_blend_mode(mode), .alpha = alpha};
  if (neutral) options.neutral = *neutral;
  if (attention_weights) options.attention_weights = to_tensor(*attention_weights);
  return blend(vl, text, options);
}

at::Tensor per_token(const at::Tensor& vl, const at::Tensor& text, const Numbers& alphas) {
  return blend_per_token(vl, text, to_tensor(alphas));
}

at::Tensor attention_weighted(const at::Tensor& vl, const at::Tensor& text, double alpha,
                              const std::optional<Numbers>& weights) {
  return blend_attention_weighted(vl, text, alpha, weights ? std::optional(to_tensor(*weights)) : std::nullopt);
}

at::Tensor graduated_alpha(int64_t count, double start, double end, const std::string& curve) {
  return create_graduated_alpha(count, start, end, parse_alpha_curve(curve));
}

void bind_records(py::module_& m) {
  Record<EmbeddingStats>(m, "EmbeddingStats",
                         "What embeddings [rows, width] are like, in numbers; stats['mean'] is stats.mean.")
      .read_only("shape", &EmbeddingStats::shape, "[rows, width].")
      .read_only("mean", &EmbeddingStats::mean, "Of all numbers.")
      .read_only("std", &EmbeddingStats::std, "Standard deviation of all numbers, unbiased.")
      .read_only("min", &EmbeddingStats::min, "The least number.")
      .read_only("max", &EmbeddingStats::max, "The greatest number.")
      .subscriptable();
  Record<BlendStats>(m, "BlendStats", "What both sides are like before they are mixed; stats['vl'] is stats.vl.")
      .read_only("vl", &BlendStats::vl, "Of the picture's rows.")
      .read_only("text", &BlendStats::text, "Of the prompt's rows.")
      .subscriptable();
  Record<BlendResult>(m, "BlendResult", "Mixed embeddings.")
      .read_only("embeddings", &BlendResult::embeddings, "[n, hidden], of the text's type on its device.")
      .read_only("warnings", &BlendResult::warnings, "Rows that were not mixed, and options without effect.");
}

/// With what every function here refuses, and `more`.
std::string with_blend_errors(const std::string& doc, const std::string& more = "an alpha outside 0..1") {
  return doc +
         "\nRaises InvalidArgument for tensors that are not [rows, hidden] of one width, NaN or infinity in\nthem, " +
         more + ", and a result that the text's type cannot hold.";
}

void bind_picture_first(py::module_& m) {
  m.def("blend_embeddings", &blend_embeddings, py::arg("vl"), py::arg("text"), py::arg("alpha"),
        py::arg("match_lengths") = true, NoGil(),
        with_blend_errors(
            "vl [m, hidden], text [n, hidden] to [n, hidden]: alpha * vl + (1 - alpha) * text in the rows that "
            "both have; the\ntext's rows past them stay. Without match_lengths unequal numbers of rows are an "
            "error.",
            "unequal numbers of rows without match_lengths, an alpha outside 0..1")
            .c_str());
  m.def("blend_interpolate", &blend_interpolate, py::arg("vl"), py::arg("text"), py::arg("alpha"), NoGil(),
        with_blend_errors(
            "blend_embeddings with vl [m, hidden] first resampled linearly to the rows of text [n, hidden].")
            .c_str());
  m.def("blend_style_only", &blend_style_only, py::arg("vl"), py::arg("text"), py::arg("alpha") = 0.3,
        py::arg("dims") = py::none(), NoGil(),
        with_blend_errors(
            "blend_embeddings of vl [m, hidden] and text [n, hidden] in the columns `dims` only; by default "
            "those from\n2 * hidden // 3 on.",
            "a column that there is not, an alpha outside 0..1")
            .c_str());
  m.def(
      "blend_per_token", &per_token, py::arg("vl"), py::arg("text"), py::arg("alphas"), NoGil(),
      with_blend_errors("blend_embeddings of vl [m, hidden] and text [n, hidden] with an alpha for each row: at least "
                        "min(m, n) numbers, of\nwhich the first so many count.",
                        "too few alphas or one outside 0..1")
          .c_str());
  m.def("create_graduated_alpha", &graduated_alpha, py::arg("count"), py::arg("start") = 0.0, py::arg("end") = 0.5,
        py::arg("curve") = "linear", NoGil(),
        "start + curve(t) * (end - start), float32 [count], t from 0 to 1, cut off at 0 and 1.\n"
        "curve: linear t, ease_in t^2, ease_out 1 - (1 - t)^2.\n"
        "Raises InvalidArgument for a count below 1, a start or end that is not finite, or another curve.");
  m.def("blend_attention_weighted", &attention_weighted, py::arg("vl"), py::arg("text"), py::arg("alpha"),
        py::arg("weights") = py::none(), NoGil(),
        with_blend_errors(
            "blend_per_token of vl [m, hidden] and text [n, hidden] with alpha * (1 - 0.8 * w), w the weights "
            "[n] brought to\n0..1: rows that matter stay closer to the text. Without weights this is "
            "blend_embeddings.",
            "too few weights, an alpha outside 0..1")
            .c_str());
}

void bind_text_first(py::module_& m) {
  m.def("compute_style_delta", &compute_style_delta, py::arg("styled"), py::arg("neutral"), py::arg("normalize") = true,
        NoGil(),
        "styled [a, hidden] - neutral [b, hidden] in the rows that both have, divided by its standard deviation with\n"
        "`normalize`, unless that is 0.\n"
        "Raises InvalidArgument for tensors that are not [rows, hidden] of one width, and NaN or infinity in them.");
  m.def("blend_with_style_delta", &blend_with_style_delta, py::arg("text"), py::arg("delta"), py::arg("alpha") = 0.3,
        py::arg("scale_to_text") = true, NoGil(),
        with_blend_errors(
            "text [n, hidden] + alpha * delta, the delta [m, hidden] resampled to the text's rows and, with "
            "scale_to_text,\nbrought to its standard deviation. A negative alpha takes the style away.",
            "an alpha that is not finite")
            .c_str());
  m.def("blend_adain", &blend_adain, py::arg("text"), py::arg("vl"), py::arg("alpha") = 0.3,
        py::arg("per_token") = true, NoGil(),
        with_blend_errors(
            "The rows of text [n, hidden] with mean and deviation of those of vl [m, hidden], mixed with the "
            "text by alpha.\nper_token: of each row for itself, otherwise of all mixed rows at once.")
            .c_str());
  m.def("blend_adain_per_dim", &blend_adain_per_dim, py::arg("text"), py::arg("vl"), py::arg("alpha") = 0.3, NoGil(),
        with_blend_errors(
            "blend_adain of text [n, hidden] and vl [m, hidden] with mean and deviation of each column over "
            "the mixed rows, of\nwhich there must be two.",
            "fewer than two mixed rows, an alpha outside 0..1")
            .c_str());
}

}  // namespace

void bind_blend(py::module_& m) {
  bind_records(m);
  bind_picture_first(m);
  bind_text_first(m);
  m.def("compute_blend_stats", &compute_blend_stats, py::arg("vl"), py::arg("text"), NoGil(),
        "Shape, mean, std, min and max of vl [m, width] and text [n, width]; their widths may differ.\n"
        "Raises InvalidArgument for tensors of another shape, of a single number, or with NaN or infinity.");
  m.def(
      "blend", &blend_by_name, py::arg("vl"), py::arg("text"), py::arg("alpha") = BlendOptions{}.alpha, py::kw_only(),
      py::arg("mode") = blend_mode_name(BlendOptions{}.mode), py::arg("neutral") = py::none(),
      py::arg("attention_weights") = py::none(), NoGil(),
      with_blend_errors("Mixes vl [m, hidden] and text [n, hidden] to [n, hidden] by mode: interpolate, linear, adain, "
                        "adain_per_dim,\nstyle_only, graduated, attention_weighted or style_delta.\n"
                        "neutral: rows [b, hidden] of a neutral picture, for style_delta.\n"
                        "attention_weights: [n], how much each row of the text matters, for attention_weighted.",
                        "another mode or one without what it needs, an alpha outside 0..1")
          .c_str());
}

}  // namespace llmdit::python
