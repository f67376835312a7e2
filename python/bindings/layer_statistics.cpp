#include "llmdit/layer_statistics.hpp"

#include "bindings.hpp"
#include "record.hpp"

namespace llmdit::python {

void bind_layer_statistics(py::module_& m) {
  Record<OutlierDimension>(m, "OutlierDimension", "A column of hidden states that is much larger than the others.")
      .read_only("dim", &OutlierDimension::dim)
      .read_only("magnitude", &OutlierDimension::magnitude, "Root of the mean square over the rows.")
      .read_only("ratio", &OutlierDimension::ratio, "magnitude over that of the median column.");
  Record<LayerStatistics>(m, "LayerStatistics", "What hidden states [tokens, width] are like, in numbers.")
      .read_only("mean", &LayerStatistics::mean)
      .read_only("std", &LayerStatistics::std, "Of all numbers, unbiased.")
      .read_only("min", &LayerStatistics::min)
      .read_only("max", &LayerStatistics::max)
      .read_only("row_norm_mean", &LayerStatistics::row_norm_mean, "Euclidean norm of a row.")
      .read_only("row_norm_min", &LayerStatistics::row_norm_min)
      .read_only("row_norm_max", &LayerStatistics::row_norm_max)
      .read_only("outliers", &LayerStatistics::outliers, "Largest first.");
  m.def("layer_statistics", &layer_statistics, py::arg("states"), py::arg("outlier_threshold") = 10.0, NoGil(),
        "Statistics of hidden states [tokens, width], in float64.\n"
        "outlier_threshold: ratio to the median column above which a column is an outlier.");
}

}  // namespace llmdit::python
