#include "llmdit/layer_statistics.hpp"

#include "bindings.hpp"
#include "record.hpp"

namespace llmdit::python {

void bind_layer_statistics(py::module_& m) {
  Record<OutlierDimension>(m, "OutlierDimension", "A column of hidden states that is much larger than the others.")
      .read_only("dim", &OutlierDimension::dim, "The column, from 0.")
      .read_only("magnitude", &OutlierDimension::magnitude, "Root of the mean square over the rows.")
      .read_only("ratio", &OutlierDimension::ratio, "magnitude over that of the median column.");
  Record<LayerStatistics>(m, "LayerStatistics", "What hidden states [tokens, width] are like, in numbers.")
      .read_only("mean", &LayerStatistics::mean, "Of all numbers.")
      .read_only("std", &LayerStatistics::std, "Of all numbers, unbiased.")
      .read_only("min", &LayerStatistics::min, "The least number.")
      .read_only("max", &LayerStatistics::max, "The greatest number.")
      .read_only("row_norm_mean", &LayerStatistics::row_norm_mean, "Mean of the rows' Euclidean norms.")
      .read_only("row_norm_min", &LayerStatistics::row_norm_min, "The least of them.")
      .read_only("row_norm_max", &LayerStatistics::row_norm_max, "The greatest of them.")
      .read_only("outliers", &LayerStatistics::outliers, "An OutlierDimension for each outlier, largest first.");
  m.def("layer_statistics", &layer_statistics, py::arg("states"), py::arg("outlier_threshold") = 10.0, NoGil(),
        "Statistics of hidden states [tokens, width], in float64.\n"
        "outlier_threshold: ratio to the median column above which a column is an outlier.\n"
        "Raises InvalidArgument for another shape, fewer than two numbers, numbers that are not finite, or a threshold "
        "that is\nnot above 0.");
}

}  // namespace llmdit::python
