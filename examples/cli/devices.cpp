#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <string>
#include <vector>

#include "command.hpp"
#include "console.hpp"
#include "json_output.hpp"
#include "llmdit/device.hpp"
#include "sizes.hpp"

namespace llmdit::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  llmdit devices
  llmdit devices --json)";

std::string listing(const std::vector<DeviceInfo>& devices) {
  std::string out;
  for (const DeviceInfo& device : devices) {
    out += fmt::format("{:<8} {}, {}", device.name, device.description, bytes_text(device.memory_bytes));
    if (!device.features.empty()) out += fmt::format(", {}", fmt::join(device.features, " "));
    out += '\n';
  }
  return out;
}

Json document(const std::vector<DeviceInfo>& devices) {
  Json list = Json::array();
  for (const DeviceInfo& device : devices) {
    list.push_back({{"name", device.name},
                    {"description", device.description},
                    {"memory_bytes", device.memory_bytes},
                    {"features", device.features}});
  }
  return {{"devices", list}};
}

}  // namespace

Action add_devices(CLI::App& app) {
  app.footer(kExamples);
  return [json = std::make_shared<JsonFlag>(app)] {
    const std::vector<DeviceInfo> devices = available_devices();
    json->given() ? print_json(document(devices)) : write_stdout(listing(devices));
    return 0;
  };
}

}  // namespace llmdit::cli
