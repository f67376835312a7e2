#include "capi/handles.hpp"

#include <shared_mutex>
#include <unordered_map>

namespace llmdit::capi {
namespace {

struct Entry {
  std::shared_ptr<void> object;
  std::type_index type;
};

struct Table {
  std::shared_mutex mutex;
  uintptr_t last = 0;
  std::unordered_map<const void*, Entry> entries;
};

Table& table() {
  static Table* const table = new Table;  // never destroyed: handles may be freed while the process ends
  return *table;
}

}  // namespace

void* keep_handle(std::shared_ptr<void> object, std::type_index type) {
  const std::unique_lock lock(table().mutex);
  table().last += 2;  // odd numbers from 3 on: never an object's address
  void* handle = reinterpret_cast<void*>(table().last + 1);
  table().entries.emplace(handle, Entry{std::move(object), type});
  return handle;
}

std::shared_ptr<void> find_handle(const void* handle, std::type_index type) {
  const std::shared_lock lock(table().mutex);
  const auto entry = table().entries.find(handle);
  return entry != table().entries.end() && entry->second.type == type ? entry->second.object : nullptr;
}

std::shared_ptr<void> drop_handle(const void* handle, std::type_index type) {
  const std::unique_lock lock(table().mutex);  // the object itself is destroyed by the caller, outside the lock
  const auto entry = table().entries.find(handle);
  if (entry == table().entries.end() || entry->second.type != type) return nullptr;
  std::shared_ptr<void> object = std::move(entry->second.object);
  table().entries.erase(entry);
  return object;
}

}  // namespace llmdit::capi
