#include <fmt/ranges.h>

#include "capi/option_links.hpp"

using namespace llmdit;
using namespace llmdit::capi;

const char* llmdit_version(void) { return version().data(); }
const char* llmdit_torch_version(void) { return torch_version().data(); }
uint32_t llmdit_abi_version(void) { return LLMDIT_ABI_VERSION; }

const char* llmdit_text_data(const llmdit_text* text) {
  return guarded_value<const char*>(nullptr, [&] { return borrow(text, "text_data")->value.c_str(); });
}

size_t llmdit_text_length(const llmdit_text* text) {
  return guarded_value<size_t>(0, [&] { return borrow(text, "text_length")->value.size(); });
}

void llmdit_text_free(llmdit_text* text) { free_handle(text); }

llmdit_status llmdit_cancellation_create(llmdit_cancellation** cancellation) {
  return guarded([&] { output(cancellation, "cancellation_create") = make_handle(llmdit_cancellation{}); });
}

llmdit_status llmdit_cancellation_request(llmdit_cancellation* cancellation) {
  return guarded([&] { borrow(cancellation, "cancellation_request")->value.request_stop(); });
}

void llmdit_cancellation_free(llmdit_cancellation* cancellation) { free_handle(cancellation); }

llmdit_status llmdit_device_names(llmdit_text** names) {
  return guarded([&] {
    llmdit_text*& place = output(names, "device_names");
    std::string lines;
    for (const DeviceInfo& device : available_devices()) lines += (lines.empty() ? "" : "\n") + device.name;
    place = make_text(std::move(lines));
  });
}

size_t llmdit_device_count(void) {
  return guarded_value<size_t>(0, [] { return available_devices().size(); });
}

llmdit_status llmdit_device_describe(llmdit_device_info* info, size_t index) {
  return guarded([&] {
    const char* operation = "device_describe";
    const auto devices = available_devices();
    check(index < devices.size(), operation, "expected an index below {}, got {}", devices.size(), index);
    const DeviceInfo& device = devices[index];
    copy_struct(info,
                llmdit_device_info{.struct_size = 0,
                                   .name = keep_text(device.name),
                                   .description = keep_text(device.description),
                                   .memory_bytes = device.memory_bytes,
                                   .features = keep_text(fmt::format("{}", fmt::join(device.features, ",")))},
                operation);
  });
}

llmdit_status llmdit_cpu_kernels(llmdit_text** name) {
  return guarded([&] {
    llmdit_text*& place = output(name, "cpu_kernels");
    place = make_text(std::string(cpu_kernels()));
  });
}

llmdit_status llmdit_demo_model_path(llmdit_text** path) {
  return guarded([&] {
    llmdit_text*& place = output(path, "demo_model_path");
    place = make_text(demo_model_path().string());
  });
}
