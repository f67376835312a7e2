#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <string>
#include <vector>

#include "command.hpp"
#include "console.hpp"
#include "json_output.hpp"
#include "llmdit/attention.hpp"
#include "llmdit/device.hpp"
#include "sizes.hpp"

namespace llmdit::cli {
namespace {

constexpr const char* kDevicesExamples = R"(Examples:
  llmdit devices
  llmdit devices --json)";

std::vector<std::string_view> attention_names(const DeviceInfo& device) {
  std::vector<std::string_view> names;
  for (const AttentionBackend backend : available_attention_backends(device.name))
    names.push_back(attention_backend_name(backend));
  return names;
}

std::string listing(const std::vector<DeviceInfo>& devices) {
  std::string out;
  for (const DeviceInfo& device : devices) {
    out += fmt::format("{:<8} {}, {}", device.name, device.description, bytes_text(device.memory_bytes));
    if (!device.features.empty()) out += fmt::format(", {}", fmt::join(device.features, " "));
    out += '\n';
    if (device.name == "cpu") out += fmt::format("         products compiled for {}\n", cpu_kernels());
    std::vector<std::string> kinds;
    for (const StorageSupport& support : storage_support(device.name))
      kinds.push_back(fmt::format("{} {}", support.kind, support.product));
    out += fmt::format("         weights: {}\n", fmt::join(kinds, ", "));
    out += fmt::format("         attention: {}\n", fmt::join(attention_names(device), ", "));
  }
  return out;
}

Json storage_document(const DeviceInfo& device) {
  Json kinds = Json::object();
  for (const StorageSupport& support : storage_support(device.name)) kinds[support.kind] = support.product;
  return kinds;
}

Json document(const std::vector<DeviceInfo>& devices) {
  Json list = Json::array();
  for (const DeviceInfo& device : devices) {
    list.push_back({{"name", device.name},
                    {"description", device.description},
                    {"memory_bytes", device.memory_bytes},
                    {"features", device.features},
                    {"attention_backends", attention_names(device)},
                    {"storage", storage_document(device)}});
  }
  return {{"devices", list}, {"cpu_kernels", cpu_kernels()}};
}

}  // namespace

Action add_devices(CLI::App& app) {
  app.footer(kDevicesExamples);
  return [json = std::make_shared<JsonFlag>(app)] {
    const std::vector<DeviceInfo> devices = available_devices();
    json->given() ? print_json(document(devices)) : write_stdout(listing(devices));
    return 0;
  };
}

}  // namespace llmdit::cli
