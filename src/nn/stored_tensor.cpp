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

/// Numbers [rows, ...] times one factor, one a row, or [rows, groups] ones, in float32, rounded to `type`.
at::Tensor times_factors(const at::Tensor& data, const at::Tensor& factors, at::ScalarType type) {
  const int64_t rows = data.dim() == 0 ? 1 : data.size(0), groups = factors.numel() == 1 ? 1 : factors.numel() / rows;
  // Floats of 8 bits are not multiplied; those of 16 have all of them.
  const bool is_byte_float = at::isFloatingType(data.scalar_type()) && data.element_size() == 1;
  const at::Tensor numbers = (is_byte_float ? data.to(at::kBFloat16) : data).reshape({rows, groups, -1});
  at::Tensor wide = at::empty(numbers.sizes(), data.options().dtype(type));
  at::mul_out(wide, numbers, factors.numel() == 1 ? factors.view({1, 1, 1}) : factors.view({rows, groups, 1}));
  return wide;
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

StoredTensor StoredTensor::on(const c10::Device& device) const {
  StoredTensor moved = *this;
  moved.data = data.to(device);
  if (scale.defined()) moved.scale = scale.to(device);
  if (adapter) moved.adapter = LowRank{adapter->up.to(device), adapter->down.to(device)};
  return moved;
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
  if (c10::multiply_integers(shape) == 0) return at::empty(shape, data.options().dtype(type));
  const at::ScalarType sum_type = adapter ? at::kFloat : type;  // rounded once
  const int64_t rows = shape.empty() ? 1 : shape.front();
  at::Tensor wide;
  if (block) {
    const int64_t columns = c10::multiply_integers(shape) / rows;
    wide = data.is_cpu() ? dequantize_rows(*block, data, columns) : widen_blocks(*block, data, sum_type);
  } else if (scale.defined()) {
    wide = times_factors(data, scale, sum_type);
  } else {
    wide = data.to(sum_type);
  }
  wide = wide.view(shape);
  if (adapter) wide = wide.addmm(adapter->up, adapter->down);
  return wide.to(type);
}

}  // namespace llmdit::nn
