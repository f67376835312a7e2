#include "capi/encoder.hpp"
#include "capi/lists.hpp"
#include "capi/options.hpp"
#include "capi/read.hpp"

using namespace llmdit;
using namespace llmdit::capi;

namespace {

const auto plan_warnings = [](const llmdit_memory_plan& held) -> const auto& { return held.value.warnings; };

}  // namespace

llmdit_status llmdit_plan_memory(llmdit_memory_plan** plan, const char* path, const llmdit_load_options* load,
                                 const llmdit_generate_options* generate, const llmdit_texts* prompts,
                                 bool measure_speed) {
  return guarded([&] {
    const char* operation = "plan_memory";
    llmdit_memory_plan*& place = output(plan, operation);
    const PlanOptions options{.measure_speed = read_bool(measure_speed, "measure_speed")};
    const auto texts = prompts ? read_texts(*prompts, operation) : std::vector<std::string>();
    place = make_handle(llmdit_memory_plan{plan_memory(model_path(path), read_options(load, operation),
                                                       read_options(generate, operation), texts, options)});
  });
}

llmdit_status llmdit_memory_plan_describe(llmdit_memory_plan_info* info, const llmdit_memory_plan* plan) {
  return guarded([&] {
    const auto held = borrow(plan, "memory_plan_describe");
    const MemoryPlan& value = held->value;
    copy_struct(info,
                llmdit_memory_plan_info{.struct_size = 0,
                                        .fits = value.fits,
                                        .process_bytes = value.process_bytes,
                                        .peak_bytes = value.peak_bytes,
                                        .available_bytes = value.available_bytes,
                                        .width = value.width,
                                        .height = value.height,
                                        .batch = value.batch,
                                        .component_count = value.components.size(),
                                        .stage_count = value.stages.size()},
                "memory_plan_describe");
  });
}

llmdit_status llmdit_memory_plan_component(llmdit_component_plan_info* info, const llmdit_memory_plan* plan,
                                           size_t index) {
  return guarded([&] {
    const char* operation = "memory_plan_component";
    const auto held = borrow(plan, operation);
    check_index(index, held->value.components.size(), operation);
    const ComponentPlan& value = held->value.components[index];
    copy_struct(info,
                llmdit_component_plan_info{.struct_size = 0,
                                           .name = value.name.c_str(),
                                           .device = value.device.c_str(),
                                           .file_bytes = value.file_bytes,
                                           .mapped_bytes = value.mapped_bytes,
                                           .copied_bytes = value.copied_bytes,
                                           .streamed_bytes = value.streamed_bytes,
                                           .parameters = value.parameters},
                operation);
  });
}

llmdit_status llmdit_memory_plan_stage(llmdit_stage_plan_info* info, const llmdit_memory_plan* plan, size_t index) {
  return guarded([&] {
    const char* operation = "memory_plan_stage";
    const auto held = borrow(plan, operation);
    check_index(index, held->value.stages.size(), operation);
    const StagePlan& value = held->value.stages[index];
    copy_struct(info,
                llmdit_stage_plan_info{.struct_size = 0,
                                       .name = value.name.c_str(),
                                       .device = value.device.c_str(),
                                       .weight_bytes = value.weight_bytes,
                                       .activation_bytes = value.activation_bytes,
                                       .peak_bytes = value.peak_bytes,
                                       .flops = value.flops,
                                       .seconds = value.seconds.value_or(-1)},
                operation);
  });
}

size_t llmdit_memory_plan_warning_count(const llmdit_memory_plan* plan) {
  return count_of(plan, "memory_plan_warning_count", plan_warnings);
}

const char* llmdit_memory_plan_warning(const llmdit_memory_plan* plan, size_t index) {
  return text_at(plan, index, "memory_plan_warning", plan_warnings);
}

void llmdit_memory_plan_free(llmdit_memory_plan* plan) { free_handle(plan); }

llmdit_status llmdit_attention_backends(llmdit_text** names, const char* device) {
  return guarded([&] {
    const char* operation = "attention_backends";
    llmdit_text*& place = output(names, operation);
    std::vector<std::string> lines;
    for (const AttentionBackend backend :
         available_attention_backends(read_text(device, LLMDIT_NUL_TERMINATED, operation)))
      lines.emplace_back(attention_backend_name(backend));
    place = make_text(lines_of(lines));
  });
}
