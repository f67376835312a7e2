#pragma once

#include "base/enum_table.hpp"
#include "llmdit/compress.hpp"

namespace llmdit {

template <>
struct EnumTable<LongPromptMode> {
  static constexpr EnumName<LongPromptMode> names[] = {
      {LongPromptMode::truncate, "truncate"},
      {LongPromptMode::interpolate, "interpolate"},
      {LongPromptMode::pool, "pool"},
      {LongPromptMode::attention_pool, "attention_pool"},
      {LongPromptMode::extrapolate, "extrapolate"},
      {LongPromptMode::segments, "segments"},
  };
};

}  // namespace llmdit
