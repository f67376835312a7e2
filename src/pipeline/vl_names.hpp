#pragma once

#include "base/enum_table.hpp"
#include "llmdit/vl_encoder.hpp"

namespace llmdit {

template <>
struct EnumTable<VLTokenSelection> {
  static constexpr EnumName<VLTokenSelection> names[] = {
      {VLTokenSelection::all, "all"},
      {VLTokenSelection::image_only, "image_only"},
      {VLTokenSelection::image_only_no_markers, "image_only_no_markers"},
      {VLTokenSelection::text_only, "text_only"}};
};

template <>
struct EnumTable<VLNormalization> {
  static constexpr EnumName<VLNormalization> names[] = {
      {VLNormalization::global, "global"}, {VLNormalization::per_dim, "per_dim"}, {VLNormalization::hybrid, "hybrid"}};
};

}  // namespace llmdit
