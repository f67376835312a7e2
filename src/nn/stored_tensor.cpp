#include "nn/stored_tensor.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "base/check.hpp"
#include "kernels/widen.hpp"
#include "nn/block_tensors.hpp"

namespace llmdit::nn {
namespace {

bool is_wide_float(at::ScalarType type) {
  return type == at::kFloat || type == at::kBFloat16 || type == at::kHalf || type == at::kDouble;
}

/// Blocks of rows [rows, bytes] as float32 [rows, columns].
at::Tensor dequantize_rows(kernels::BlockType type, const at::Tensor& blocks, int64_t columns) {
  if (!blocks.is_cpu()) return widen_blocks(type, blocks);
  const int64_t row_bytes = blocks.size(1);
  const at::Tensor out = at::empty({blocks.size(0), columns});
  const auto* from = static_cast<const std::byte*>(blocks.const_data_ptr());
  auto* to = out.mutable_data_ptr<float>();
  const int64_t grain = std::max<int64_t>(1, (1 << 15) / columns);
  at::parallel_for(0, out.size(0), grain, [&](int64_t begin, int64_t end) {
    kernels::dequantize(type, from + begin * row_bytes, to + begin * columns, (end - begin) * columns);
  });
  return out;
}

kernels::NumberType number_type(at::ScalarType type) {
  switch (type) {
    case at::kBFloat16:
      return kernels::NumberType::bfloat16;
    case at::kHalf:
      return kernels::NumberType::float16;
    case at::kFloat8_e4m3fn:
      return kernels::NumberType::float8_e4m3;
    case at::kFloat8_e5m2:
      return kernels::NumberType::float8_e5m2;
    case at::kChar:
      return kernels::NumberType::int8;
    case at::kFloat:
      return kernels::NumberType::float32;
    default:
      fail(ErrorCode::internal, "weights", "expected weights of a type that is kept, found {}", c10::toString(type));
  }
}

}  // namespace

bool StoredTensor::is_plain() const {
  return !block && !scale.defined() && !adapter && is_wide_float(data.scalar_type());
}

std::span<const std::byte> StoredTensor::row_part(int64_t row, int64_t first_column, int64_t columns) const {
  const auto* bytes = static_cast<const std::byte*>(data.const_data_ptr());
  if (block) {
    const auto& format = kernels::block_format(*block);
    return {bytes + row * data.size(1) + first_column / format.weights * format.bytes,
            static_cast<size_t>(columns / format.weights * format.bytes)};
  }
  const auto size = static_cast<int64_t>(data.element_size());
  return {bytes + (row * shape[1] + first_column) * size, static_cast<size_t>(columns * size)};
}

void StoredTensor::widen_part(int64_t first, int64_t count, int64_t first_column, int64_t columns, float* out) const {
  for (int64_t i = 0; i < count; ++i) {
    const std::byte* from = row_part(first + i, first_column, columns).data();
    if (block) {
      kernels::dequantize(*block, from, out + i * columns, columns);
    } else {
      kernels::widen(number_type(data.scalar_type()), from, out + i * columns, columns);
    }
  }
  if (!scale.defined()) return;
  const float* factors = scale.const_data_ptr<float>();
  const bool is_one = scale.numel() == 1;
  const int64_t groups = is_one ? 1 : scale.numel() / shape[0], group = shape[1] / groups;
  for (int64_t i = 0; i < count; ++i) {
    const float* own = is_one ? factors : factors + (first + i) * groups;
    for (int64_t k = 0; k < columns;) {
      const int64_t index = (first_column + k) / group, end = std::min(columns, (index + 1) * group - first_column);
      kernels::scale(own[index], out + i * columns + k, end - k);
      k = end;
    }
  }
}

const float* StoredTensor::float_numbers() const {
  return is_plain() && data.scalar_type() == at::kFloat ? data.const_data_ptr<float>() : nullptr;
}

at::Tensor StoredTensor::rows(const at::Tensor& indices, at::ScalarType type) const {
  const at::Tensor chosen = indices.to(data.device());
  StoredTensor part{.data = data.index_select(0, chosen), .block = block, .shape = {indices.size(0), shape[1]}};
  if (scale.defined()) part.scale = scale.numel() > 1 ? scale.index_select(0, chosen) : scale;
  if (adapter) part.adapter = LowRank{adapter->up.index_select(0, chosen), adapter->down};
  return part.widen(type);
}

at::Tensor StoredTensor::widen(at::ScalarType type) const {
  if (is_plain()) return data.to(type);
  const int64_t rows = shape.empty() ? 1 : shape.front();
  const int64_t columns = shape.empty() || rows == 0 ? 1 : c10::multiply_integers(shape) / rows;
  const at::Tensor wide = block ? dequantize_rows(*block, data, columns)
                                : data.reshape({rows, columns}).to(at::kFloat, /*non_blocking=*/false, /*copy=*/true);
  if (scale.defined()) {
    const at::Tensor factors = scale.numel() == 1 ? scale.view({1, 1}) : scale.view({rows, -1});
    wide.view({rows, factors.size(1), -1}).mul_(factors.unsqueeze(2));
  }
  if (adapter) wide.addmm_(adapter->up, adapter->down);
  return wide.view(shape).to(type);
}

}  // namespace llmdit::nn
