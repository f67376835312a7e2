#pragma once

#include <string>
#include <string_view>

#include "base/check.hpp"

namespace llmdit::io {

/// The bytes of a picture file, and how messages name it.
struct ImageSource {
  std::string_view bytes;
  std::string name;

  [[noreturn]] void fail(std::string_view problem) const {
    llmdit::fail(ErrorCode::unsupported, "image", "{}: {}", name, problem);
  }
};

}  // namespace llmdit::io
