#include "llmdit/memory_plan.hpp"

#include <string>
#include <vector>

#include "bindings.hpp"
#include "options.hpp"
#include "record.hpp"

namespace llmdit::python {

void bind_memory_plan(py::module_& m) {
  Record<ComponentPlan>(m, "ComponentPlan", "The weights of one model, as they would be kept.")
      .read_only("name", &ComponentPlan::name)
      .read_only("device", &ComponentPlan::device)
      .read_only("file_bytes", &ComponentPlan::file_bytes, "Of its tensors in the files.")
      .read_only("mapped_bytes", &ComponentPlan::mapped_bytes, "Views of the files.")
      .read_only("copied_bytes", &ComponentPlan::copied_bytes, "Converted, quantised, or on a GPU.")
      .read_only("streamed_bytes", &ComponentPlan::streamed_bytes, "Of these two, read anew for each use.")
      .read_only("parameters", &ComponentPlan::parameters);
  Record<StagePlan>(m, "StagePlan", "A stage of a generation at its peak.")
      .read_only("name", &StagePlan::name)
      .read_only("device", &StagePlan::device)
      .read_only("weight_bytes", &StagePlan::weight_bytes)
      .read_only("activation_bytes", &StagePlan::activation_bytes)
      .read_only("peak_bytes", &StagePlan::peak_bytes)
      .read_only("flops", &StagePlan::flops)
      .read_only("seconds", &StagePlan::seconds, "At the rate measured; None without that.");
  Record<MemoryPlan>(m, "MemoryPlan", "What a generation would take.")
      .read_only("components", &MemoryPlan::components)
      .read_only("stages", &MemoryPlan::stages)
      .read_only("process_bytes", &MemoryPlan::process_bytes)
      .read_only("peak_bytes", &MemoryPlan::peak_bytes)
      .read_only("available_bytes", &MemoryPlan::available_bytes)
      .read_only("fits", &MemoryPlan::fits)
      .read_only("width", &MemoryPlan::width)
      .read_only("height", &MemoryPlan::height)
      .read_only("batch", &MemoryPlan::batch)
      .read_only("token_counts", &MemoryPlan::token_counts)
      .read_only("flops_per_second", &MemoryPlan::flops_per_second)
      .read_only("warnings", &MemoryPlan::warnings);
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
      "tokens. Keywords are those of from_pretrained and of a call. measure_speed: run a product of the transformer's\n"
      "width, a second or so, for estimates of time.");
}

}  // namespace llmdit::python
