#pragma once

#include "base/enum_table.hpp"
#include "llmdit/device.hpp"

namespace llmdit {

template <>
struct EnumTable<DType> {
  static constexpr EnumName<DType> names[] = {
      {DType::automatic, "auto"},  {DType::float32, "float32"}, {DType::bfloat16, "bfloat16"},
      {DType::float16, "float16"}, {DType::float32, "fp32"},    {DType::float32, "float"},
      {DType::bfloat16, "bf16"},   {DType::float16, "fp16"},    {DType::float16, "half"},
  };
};

}  // namespace llmdit
