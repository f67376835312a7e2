#include "llmdit/memory_plan.hpp"

#include <string>
#include <vector>

#include "bindings.hpp"
#include "options.hpp"
#include "record.hpp"

namespace llmdit::python {

void bind_memory_plan(py::module_& m) {
  Record<ComponentPlan>(m, "ComponentPlan", "The weights of one model, as they would be kept.")
      .read_only("name", &ComponentPlan::name, "'text_encoder', 'transformer' or 'vae'.")
      .read_only("device", &ComponentPlan::device, "E.g. 'cpu', 'cuda:0'.")
      .read_only("file_bytes", &ComponentPlan::file_bytes, "Of its tensors in the files.")
      .read_only("mapped_bytes", &ComponentPlan::mapped_bytes,
                 "Views of the files, whose pages come in when they are used.")
      .read_only("copied_bytes", &ComponentPlan::copied_bytes, "Memory of its own: converted, quantised, or on a GPU.")
      .read_only("streamed_bytes", &ComponentPlan::streamed_bytes, "Of these two, read anew for each use.")
      .read_only("parameters", &ComponentPlan::parameters, "How many numbers its weights are.");
  Record<StagePlan>(m, "StagePlan", "A stage of a generation at its peak.")
      .read_only("name", &StagePlan::name, "'encode', 'denoise' or 'decode'.")
      .read_only("device", &StagePlan::device, "E.g. 'cpu', 'cuda:0'.")
      .read_only("weight_bytes", &StagePlan::weight_bytes,
                 "In memory during the stage, those of earlier stages that stay among them.")
      .read_only("activation_bytes", &StagePlan::activation_bytes, "What the stage works with.")
      .read_only("peak_bytes", &StagePlan::peak_bytes, "Both, and on a CPU what the process itself takes.")
      .read_only("flops", &StagePlan::flops, "Multiplications and additions, of all steps.")
      .read_only("seconds", &StagePlan::seconds, "At the rate measured; None without that.");
  Record<MemoryPlan>(m, "MemoryPlan", "What a generation would take.")
      .read_only("components", &MemoryPlan::components, "A ComponentPlan for each model.")
      .read_only("stages", &MemoryPlan::stages, "A StagePlan for each stage, in their order.")
      .read_only("process_bytes", &MemoryPlan::process_bytes, "Resident now: program and libraries.")
      .read_only("peak_bytes", &MemoryPlan::peak_bytes, "Of the stages on the CPU.")
      .read_only("available_bytes", &MemoryPlan::available_bytes, "On the CPU, what is resident now among it.")
      .read_only("fits", &MemoryPlan::fits, "Whether every device has the memory.")
      .read_only("width", &MemoryPlan::width, "Pixels.")
      .read_only("height", &MemoryPlan::height, "Pixels.")
      .read_only("batch", &MemoryPlan::batch, "Pictures at a time.")
      .read_only("token_counts", &MemoryPlan::token_counts, "One a prompt.")
      .read_only("flops_per_second", &MemoryPlan::flops_per_second,
                 "Measured by a product of the transformer's width; None without measure_speed.")
      .read_only("warnings", &MemoryPlan::warnings, "What the run would warn of, and what is to be said of memory.");
  m.def(
      "plan",
      [](const std::filesystem::path& path, const std::vector<std::string>& prompts, bool measure_speed,
         const std::optional<LoadOptions>& load, const std::optional<GenerateOptions>& generate,
         const py::kwargs& keywords) {
        LoadOptions load_options = load.value_or(LoadOptions{});
        GenerateOptions options = generate.value_or(GenerateOptions{});
        for (auto [key, value] : keywords) {
          const auto name = py::cast<std::string>(key);
          const auto take = [&](auto& target) {
            using Options = std::remove_reference_t<decltype(target)>;
            for (const OptionField& field : option_fields<Options>()) {
              if (field.name != name) continue;
              set_from_python(target, field, value);
              return true;
            }
            return false;
          };
          if (take(load_options) || take(options)) continue;
          std::vector<std::string> names = names_of(option_fields<LoadOptions>());
          for (const std::string& other : names_of(option_fields<GenerateOptions>())) names.push_back(other);
          unexpected_keyword(name, names);
        }
        py::gil_scoped_release released;
        return plan_memory(path, load_options, options, prompts, {.measure_speed = measure_speed});
      },
      py::arg("path"), py::arg("prompts") = std::vector<std::string>(), py::kw_only(), py::arg("measure_speed") = false,
      py::arg("load") = py::none(), py::arg("generate") = py::none(),
      "What generating these prompts would take, told by the headers of the files; without prompts, of one of 64\n"
      "tokens. Keywords are those of from_pretrained and of a call; load and generate are options to start from. "
      "measure_speed: run a product of the transformer's\n"
      "width, a second or so, for estimates of time.\n"
      "Raises what loading and the call would raise before a model runs: NotFound, Unsupported, InvalidArgument.");
}

}  // namespace llmdit::python
