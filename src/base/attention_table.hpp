#pragma once

#include "base/enum_table.hpp"
#include "llmdit/load_options.hpp"

namespace llmdit {

template <>
struct EnumTable<AttentionBackend> {
  static constexpr EnumName<AttentionBackend> names[] = {
      {AttentionBackend::automatic, "auto"},
      {AttentionBackend::sdpa, "sdpa"},
      {AttentionBackend::math, "math"},
      {AttentionBackend::flash, "flash"},
      {AttentionBackend::mem_efficient, "mem_efficient"},
      {AttentionBackend::flash_attn_2, "flash_attn_2"},
      {AttentionBackend::flash_attn_3, "flash_attn_3"},
      {AttentionBackend::sage, "sage"},
      {AttentionBackend::xformers, "xformers"},
      {AttentionBackend::sdpa, "native"},  // as diffusers calls it
  };
};

}  // namespace llmdit
