#include "llmdit/normalize.hpp"

#include "bindings.hpp"
#include "llmdit/error.hpp"
#include "record.hpp"
#include "warnings.hpp"

namespace llmdit::python {
namespace {

const ReferenceStatistics& given(const ReferenceStatistics* stats, const std::string& operation) {
  if (stats) return *stats;
  throw Error(ErrorCode::invalid_argument,
              "[" + operation +
                  "] expected reference statistics of the text encoder, got none; compute them once by "
                  "`llmdit encode --statistics FILE` or ReferenceStatistics.compute and give them as stats");
}

/// Calls `work(warnings)` without the GIL and raises what it warns of.
template <class Work>
at::Tensor with_warnings(Work&& work) {
  std::vector<std::string> warnings;
  at::Tensor result;
  {
    py::gil_scoped_release released;
    result = work(&warnings);
  }
  warn(warnings);
  return result;
}

at::Tensor per_dimension(const at::Tensor& embeddings, bool clip_outliers, double clip_sigma,
                         const ReferenceStatistics* stats) {
  return normalize_per_dimension(embeddings, given(stats, "normalize_per_dimension"),
                                 {.clip_outliers = clip_outliers, .clip_sigma = clip_sigma});
}

/// With what every function here refuses, and `more`.
std::string with_row_errors(const std::string& doc, const std::string& more) {
  return doc + "\nRaises InvalidArgument for a tensor that is not [rows, hidden], NaN or infinity in it,\n" + more +
         ".";
}

constexpr const char* wrong_outliers =
    "fewer than two rows, a threshold that is not above 0, and stats that are None or of another width";

std::pair<at::Tensor, OutlierInfo> mask(const at::Tensor& embeddings, double threshold, const std::string& mode,
                                        const ReferenceStatistics* stats) {
  MaskedEmbeddings masked =
      mask_outlier_dimensions(embeddings, given(stats, "mask_outlier_dimensions"), threshold, parse_outlier_mode(mode));
  return {std::move(masked.embeddings), std::move(masked.info)};
}

}  // namespace

void bind_normalize(py::module_& m) {
  py::class_<OutlierInfo>(m, "OutlierInfo", "What mask_outlier_dimensions found; info['ratios'] is info.ratios.")
      .def_readonly("masked_dimensions", &OutlierInfo::masked_dimensions, "The outlier columns, from 0, ascending.")
      .def_readonly("ratios", &OutlierInfo::ratios, "Deviation over the reference's, of the masked dimensions.")
      .def_property_readonly(
          "mode", [](const OutlierInfo& self) { return outlier_mode_name(self.mode); },
          "What was done with them: 'none', 'zero', 'clamp' or 'scale'.")
      .def_readonly("threshold", &OutlierInfo::threshold, "Ratio above which a column is an outlier.")
      .def(
          "__getitem__",
          [](const py::object& self, const std::string& name) {
            if (name.starts_with("_") || !py::hasattr(self, name.c_str())) throw py::key_error(name);
            return self.attr(name.c_str());
          },
          py::arg("name"))
      .def(py::pickle(
          [](const OutlierInfo& self) {
            return py::make_tuple(self.masked_dimensions, self.ratios, static_cast<int>(self.mode), self.threshold);
          },
          [](const py::tuple& state) {
            OutlierInfo info;
            info.masked_dimensions = py::cast<decltype(info.masked_dimensions)>(state[0]);
            info.ratios = py::cast<decltype(info.ratios)>(state[1]);
            info.mode = static_cast<OutlierMode>(py::cast<int>(state[2]));
            info.threshold = py::cast<double>(state[3]);
            return info;
          }))
      .def("__repr__", [](const py::object& self) {
        return py::str("OutlierInfo(masked_dimensions={}, ratios={}, mode={!r}, threshold={})")
            .format(short_repr(self.attr("masked_dimensions")), short_repr(self.attr("ratios")), self.attr("mode"),
                    self.attr("threshold"));
      });

  m.def(
      "scale_embeddings",
      [](const at::Tensor& embeddings, double target_std) {
        return with_warnings([&](auto* warnings) { return scale_embeddings(embeddings, target_std, warnings); });
      },
      py::arg("embeddings"), py::arg("target_std") = text_embedding_std,
      with_row_errors(
          "Embeddings [tokens, hidden] * target_std / std(embeddings). Those that do not vary come back unchanged, "
          "with a\nUserWarning.",
          "and a target_std that is not above 0")
          .c_str());
  m.def("normalize_per_dimension", &per_dimension, py::arg("embeddings"),
        py::arg("clip_outliers") = PerDimensionOptions{}.clip_outliers,
        py::arg("clip_sigma") = PerDimensionOptions{}.clip_sigma, py::arg("stats") = py::none(), NoGil(),
        with_row_errors(
            "Each column of embeddings [tokens, hidden] with the mean and deviation of the reference: (x - mean) "
            "/\nmax(std, 1e-6), cut at +-clip_sigma, times max(stats.per_dim_std, 1e-6), plus "
            "stats.per_dim_mean.",
            "fewer than two rows, and stats that are None or of another width")
            .c_str());
  m.def(
      "normalize_hybrid",
      [](const at::Tensor& embeddings, double per_dim_weight, const ReferenceStatistics* stats) {
        return with_warnings([&](auto* warnings) {
          return normalize_hybrid(embeddings, given(stats, "normalize_hybrid"), per_dim_weight, warnings);
        });
      },
      py::arg("embeddings"), py::arg("per_dim_weight") = 0.5, py::arg("stats") = py::none(),
      with_row_errors(
          "per_dim_weight * normalize_per_dimension + (1 - per_dim_weight) * scale_embeddings to stats.global_std, "
          "of\nembeddings [tokens, hidden].",
          "a per_dim_weight outside 0..1, fewer than two rows, and stats that are None or of another width")
          .c_str());
  m.def("mask_outlier_dimensions", &mask, py::arg("embeddings"), py::arg("threshold") = outlier_threshold,
        py::arg("mode") = outlier_mode_name(OutlierInfo{}.mode), py::arg("stats") = py::none(), NoGil(),
        with_row_errors(
            "Treats the columns of embeddings [tokens, hidden] whose deviation is more than `threshold` times "
            "the reference's,\nand tells which: a pair of embeddings and OutlierInfo. mode: zero; clamp, to "
            "threshold times the reference's\ndeviation; scale, by threshold / ratio; none, which tells only.",
            wrong_outliers)
            .c_str());
  m.def(
      "get_outlier_dimensions",
      [](const at::Tensor& embeddings, double threshold, const ReferenceStatistics* stats) {
        return get_outlier_dimensions(embeddings, given(stats, "get_outlier_dimensions"), threshold);
      },
      py::arg("embeddings"), py::arg("threshold") = outlier_threshold, py::arg("stats") = py::none(), NoGil(),
      with_row_errors(
          "(dimension, ratio) of the columns of embeddings [tokens, hidden] that mask_outlier_dimensions would "
          "treat,\ngreatest ratio first.",
          wrong_outliers)
          .c_str());
}

}  // namespace llmdit::python
