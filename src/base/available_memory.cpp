#include "base/available_memory.hpp"

#include <ATen/Context.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace llmdit {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t unknown = std::numeric_limits<uint64_t>::max();

/// The number behind `key` in a file of lines such as "MemAvailable:  123 kB".
std::optional<uint64_t> read_entry(const fs::path& path, std::string_view key) {
  std::ifstream file(path);
  std::string word;
  while (file >> word) {
    uint64_t number = 0;
    if (word == key && file >> number) return number;
  }
  return std::nullopt;
}

/// The number a file consists of; nothing for "max".
std::optional<uint64_t> read_number(const fs::path& path) {
  std::ifstream file(path);
  uint64_t number = 0;
  return file >> number ? std::optional(number) : std::nullopt;
}

/// What a control group leaves below its limit, files in the cache not counted as used.
uint64_t left_in_group(const fs::path& folder) {
  const auto limit = read_number(folder / "memory.max");
  const auto used = read_number(folder / "memory.current");
  if (!limit || !used) return unknown;
  const uint64_t cached = read_entry(folder / "memory.stat", "inactive_file").value_or(0);
  return *limit - std::min(*limit, *used - std::min(*used, cached));
}

uint64_t left_in_groups() {
  const fs::path root = "/sys/fs/cgroup";
  std::string own;
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    if (line.starts_with("0::/")) own = line.substr(4);
  }
  uint64_t left = left_in_group(root);
  fs::path folder = root;
  for (const fs::path& part : fs::path(own)) left = std::min(left, left_in_group(folder /= part));
  return left;
}

uint64_t left_on_gpu(const c10::Device& device) {
  auto* allocator = dynamic_cast<c10::DeviceAllocator*>(c10::GetAllocator(device.type()));
  if (allocator == nullptr) return unknown;
  at::globalContext().lazyInitDevice(device.type());  // before its first tensor there are no statistics
  const auto index = device.has_index() ? device.index() : c10::DeviceIndex{0};
  const auto stats = allocator->getDeviceStats(index);
  constexpr auto all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  const int64_t cached = stats.reserved_bytes[all].current - stats.allocated_bytes[all].current;
  return allocator->getMemoryInfo(index).first + static_cast<uint64_t>(std::max<int64_t>(cached, 0));
}

}  // namespace

uint64_t available_memory(const c10::Device& device) {
  if (!device.is_cpu()) return left_on_gpu(device);
  const uint64_t machine = read_entry("/proc/meminfo", "MemAvailable:").value_or(unknown / 1024) * 1024;
  return std::min(machine, left_in_groups());
}

}  // namespace llmdit
