#include "llmdit/guidance.hpp"

#include "bindings.hpp"
#include "record.hpp"

namespace llmdit::python {

void bind_guidance(py::module_& m) {
  Record<GuidanceOptions>(
      m, "GuidanceOptions",
      "Classifier-free guidance as Z-Image defines it: positive + scale * (positive - negative).\n"
      "Other tools write negative + g * (positive - negative): the same picture comes at g = scale + 1.")
      .read_write("scale", &GuidanceOptions::scale, "0 is off: the negative prompt is not run.")
      .read_write("normalization", &GuidanceOptions::normalization,
                  "Largest norm of the result as a multiple of the positive's; 0 is off.")
      .read_write("truncation", &GuidanceOptions::truncation,
                  "No guidance once the model time (0 noise, 1 picture) is above this; 1 is never.")
      .constructible();
  m.def("guidance_scale_at", &guidance_scale_at, py::arg("options"), py::kw_only(), py::arg("t"),
        "The scale in force at model time t, 0 noise to 1 picture.");
  m.def("apply_guidance", &apply_guidance, py::arg("positive"), py::kw_only(), py::arg("negative"), py::arg("scale"),
        py::arg("normalization"), NoGil(),
        "Guided prediction [batch, ...] float32, positive + scale * (positive - negative); the norm is taken over each "
        "item\nas a whole. normalization: 0 is off.\n"
        "Raises InvalidArgument for shapes that differ, a scale that is not finite, or a normalization below 0.");
}

}  // namespace llmdit::python
