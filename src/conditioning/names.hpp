#pragma once

#include "base/enum_table.hpp"
#include "llmdit/blend.hpp"
#include "llmdit/normalize.hpp"
#include "llmdit/steering.hpp"

namespace llmdit {

template <>
struct EnumTable<AlphaCurve> {
  static constexpr EnumName<AlphaCurve> names[] = {
      {AlphaCurve::linear, "linear"}, {AlphaCurve::ease_in, "ease_in"}, {AlphaCurve::ease_out, "ease_out"}};
};

template <>
struct EnumTable<BlendMode> {
  static constexpr EnumName<BlendMode> names[] = {{BlendMode::interpolate, "interpolate"},
                                                  {BlendMode::linear, "linear"},
                                                  {BlendMode::adain, "adain"},
                                                  {BlendMode::adain_per_dim, "adain_per_dim"},
                                                  {BlendMode::style_only, "style_only"},
                                                  {BlendMode::graduated, "graduated"},
                                                  {BlendMode::attention_weighted, "attention_weighted"},
                                                  {BlendMode::style_delta, "style_delta"}};
};

template <>
struct EnumTable<OutlierMode> {
  static constexpr EnumName<OutlierMode> names[] = {{OutlierMode::none, "none"},
                                                    {OutlierMode::zero, "zero"},
                                                    {OutlierMode::clamp, "clamp"},
                                                    {OutlierMode::scale, "scale"}};
};

template <>
struct EnumTable<RowReduction> {
  static constexpr EnumName<RowReduction> names[] = {{RowReduction::mean, "mean"},
                                                     {RowReduction::max, "max"},
                                                     {RowReduction::last, "last"},
                                                     {RowReduction::first, "first"}};
};

}  // namespace llmdit
