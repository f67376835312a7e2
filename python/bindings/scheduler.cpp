#include "llmdit/scheduler.hpp"

#include <ATen/ATen.h>

#include <variant>

#include "bindings.hpp"
#include "record.hpp"

namespace llmdit::python {
namespace {

at::Tensor to_tensor(const std::vector<float>& values) { return at::tensor(values, at::kFloat); }

FlowMatchScheduler load_scheduler(const std::filesystem::path& path,
                                  const std::optional<std::filesystem::path>& subfolder) {
  return FlowMatchScheduler::load(subfolder ? path / *subfolder : path);
}

}  // namespace

void bind_scheduler(py::module_& m) {
  py::native_enum<TimeShiftType>(m, "TimeShiftType", "enum.Enum", "How dynamic shifting bends the noise levels.")
      .value("exponential", TimeShiftType::exponential)
      .value("linear", TimeShiftType::linear)
      .finalize();

  Record<SchedulerConfig>(m, "SchedulerConfig", "scheduler_config.json of a FlowMatchEulerDiscreteScheduler.")
      .read_write("num_train_timesteps", &SchedulerConfig::num_train_timesteps,
                  "Of the training: 1000, the only one handled.")
      .read_write("shift", &SchedulerConfig::shift,
                  "Static shift of the noise levels: shift * sigma / (1 + (shift - 1) * sigma); 3 for Z-Image-Turbo.")
      .read_write("use_dynamic_shifting", &SchedulerConfig::use_dynamic_shifting,
                  "Whether the shift depends on the picture's size.")
      .read_write("base_shift", &SchedulerConfig::base_shift, "Argument of dynamic shifting at base_image_seq_len.")
      .read_write("max_shift", &SchedulerConfig::max_shift, "Argument of dynamic shifting at max_image_seq_len.")
      .read_write("base_image_seq_len", &SchedulerConfig::base_image_seq_len, "Latent patches of a small picture.")
      .read_write("max_image_seq_len", &SchedulerConfig::max_image_seq_len, "Latent patches of a large picture.")
      .read_write("time_shift_type", &SchedulerConfig::time_shift_type,
                  "A TimeShiftType: how dynamic shifting bends the levels.")
      .constructible();

  py::class_<FlowMatchScheduler>(
      m, "FlowMatchScheduler",
      "Flow matching with Euler steps, as diffusers' FlowMatchEulerDiscreteScheduler. Immutable.")
      .def(py::init([](const py::kwargs& config) {
             return FlowMatchScheduler(Record<SchedulerConfig>::from_keywords(config));
           }),
           "Keywords are the attributes of SchedulerConfig. Raises InvalidArgument for values that make no schedule.")
      .def_static(
          "from_pretrained", &load_scheduler, py::arg("path"), py::kw_only(), py::arg("subfolder") = py::none(),
          NoGil(),
          "From a scheduler folder or its scheduler_config.json. subfolder: the scheduler's folder inside `path`.\n"
          "Raises NotFound when it cannot be read, Unsupported for a setting that is not handled.")
      .def(
          "make_sigmas",
          [](const FlowMatchScheduler& self, int64_t num_inference_steps, std::optional<double> shift,
             std::optional<std::vector<double>> sigmas, std::optional<int64_t> image_seq_len) {
            return to_tensor(self.make_sigmas(
                num_inference_steps,
                {.shift = shift, .sigmas = sigmas.value_or(std::vector<double>()), .image_seq_len = image_seq_len}));
          },
          py::arg("num_inference_steps"), py::kw_only(), py::arg("shift") = py::none(), py::arg("sigmas") = py::none(),
          py::arg("image_seq_len") = py::none(),
          "Noise levels [steps + 1], float32, from 1 down to the final 0.\n"
          "shift: static shift instead of the configuration's. sigmas: own levels before the shift, one a step.\n"
          "image_seq_len: latent patches of the picture, which dynamic shifting needs.\n"
          "Raises InvalidArgument for steps below 1, a shift that is not above 0, or sigmas that are not one a step, "
          "above\n"
          "0, at most 1 and never rising.")
      .def_property_readonly("config", &FlowMatchScheduler::config, "A copy of its SchedulerConfig.")
      .def(py::pickle([](const FlowMatchScheduler& self) { return py::make_tuple(self.config()); },
                      [](const py::tuple& state) { return FlowMatchScheduler(py::cast<SchedulerConfig>(state[0])); }))
      .def("__repr__", [](const FlowMatchScheduler& self) {
        return "FlowMatchScheduler" + short_repr(py::cast(self.config())).substr(std::string("SchedulerConfig").size());
      });

  m.def("shift_sigma", &shift_sigma, py::arg("sigma"), py::kw_only(), py::arg("shift"),
        "shift * sigma / (1 + (shift - 1) * sigma), in float32: how noise levels in 0..1 are bent.");
  m.def("calculate_mu", &calculate_mu, py::arg("config"), py::kw_only(), py::arg("image_seq_len"),
        "The argument of dynamic shifting: linear in the number of latent patches. With exponential shifting the shift "
        "is\n"
        "exp(mu). Raises InvalidArgument for a max_image_seq_len that is not above base_image_seq_len.");
  m.def("euler_step", &euler_step, py::arg("latents"), py::kw_only(), py::arg("velocity"), py::arg("sigma"),
        py::arg("sigma_next"), NoGil(),
        "latents + (sigma_next - sigma) * velocity: both [batch, channels, h, w], or any one shape.\n"
        "Raises InvalidArgument for shapes that differ.");
  m.def(
      "scale_noise", &scale_noise, py::arg("latents"), py::kw_only(), py::arg("noise"), py::arg("sigma"), NoGil(),
      "Latents at noise level sigma: sigma * noise + (1 - sigma) * latents, both [batch, channels, h, w] or of shapes\n"
      "that broadcast. Raises InvalidArgument for others.");
  m.def(
      "make_noise",
      [](const std::vector<int64_t>& shape, uint64_t seed) {
        py::gil_scoped_release released;
        return make_noise(shape, seed);
      },
      py::arg("shape"), py::kw_only(), py::arg("seed"),
      "[*shape]: the numbers of torch.randn with torch.Generator('cpu').manual_seed(seed), float32 on the CPU.\n"
      "Raises InvalidArgument for a negative size, OutOfMemory.");
}

}  // namespace llmdit::python
