#pragma once

#include <cstdint>
#include <optional>

namespace llmdit {

// Note [Native products]
// A processor with AVX512-BF16, VNNI or AMX multiplies in 16 and 8 bits faster than in float32. There wide layers kept
// in bf16 go through libtorch's bf16 product, x rounded to bf16 as well, and those of 8 bits through its int8 product,
// x rounded to 8 bits with a factor for each row. Both accumulate in 32 bits; what is between products stays float32.

/// What the environment's LLMDIT_CPU names: the newest kind of products to use. Nothing where it is not set, which is
/// all that the processor has; native has it use libtorch's products even where the processor does not do them itself.
enum class CpuKind { baseline, avx2, avx512, native };

/// Throws invalid_argument for another word.
std::optional<CpuKind> chosen_cpu_kind();

bool is_bfloat16_native();
/// Also false where libtorch's product is wrong for large numbers, as it is without VNNI on some processors.
bool is_int8_native();

/// Columns from which a layer is wide enough. The published models' are; what is smaller is fast anyhow, and exact.
int64_t least_native_columns();

}  // namespace llmdit
