#pragma once

#include <algorithm>
#include <functional>
#include <string>

#include "capi/handles.hpp"

namespace llmdit::capi {

/// Items of a list that a handle owns, which `list` gives; 0 for a bad handle.
template <class Handle, class List>
size_t count_of(const Handle* handle, std::string_view operation, List list) {
  return guarded_value<size_t>(0, [&] { return list(*borrow(handle, operation)).size(); });
}

/// Throws unless there is an item of this index.
inline void check_index(size_t index, size_t count, std::string_view operation) {
  check(index < count, operation, "expected an index below {}, got {}", count, index);
}

/// The text of an item, as `item` picks it; NULL, with the reason as last error, where there is none.
template <class Handle, class List, class Item = std::identity>
const char* text_at(const Handle* handle, size_t index, std::string_view operation, List list, Item item = {}) {
  return guarded_value<const char*>(nullptr, [&] {
    const auto held = borrow(handle, operation);
    const auto& items = list(*held);
    check_index(index, items.size(), operation);
    return std::invoke(item, *std::next(items.begin(), static_cast<ptrdiff_t>(index))).c_str();
  });
}

/// Sets *count, the room that the caller has, to the number of items, and tells whether they are to be written: not
/// where there is no place for them. Throws where the room is too small.
inline bool wants_items(size_t* count, bool has_place, size_t found, std::string_view operation) {
  check(count != nullptr, operation, "expected a place for their number, got NULL");
  const size_t room = has_place ? *count : 0;
  *count = found;
  if (!has_place) return false;
  check(found <= room, operation, "expected room for {}, got {}", found, room);
  return true;
}

/// One a line.
inline std::string lines_of(const std::vector<std::string>& texts) {
  std::string lines;
  for (const std::string& text : texts) lines += (lines.empty() ? "" : "\n") + text;
  return lines;
}

}  // namespace llmdit::capi
