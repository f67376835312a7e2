#include <ATen/ATen.h>
#include <ATen/DLConvertor.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "capi/read.hpp"

using namespace llmdit;
using namespace llmdit::capi;

namespace {

constexpr size_t max_dimensions = 8;

struct TensorType {
  llmdit_dtype value;
  const char* name;
  at::ScalarType type;
};

constexpr TensorType tensor_types[] = {
    {LLMDIT_FLOAT32, "LLMDIT_FLOAT32", at::kFloat},      {LLMDIT_FLOAT16, "LLMDIT_FLOAT16", at::kHalf},
    {LLMDIT_BFLOAT16, "LLMDIT_BFLOAT16", at::kBFloat16}, {LLMDIT_FLOAT64, "LLMDIT_FLOAT64", at::kDouble},
    {LLMDIT_INT64, "LLMDIT_INT64", at::kLong},           {LLMDIT_UINT8, "LLMDIT_UINT8", at::kByte},
};

at::ScalarType scalar_type(llmdit_dtype dtype, std::string_view operation) {
  return read_enum(tensor_types, dtype, "dtype", operation).type;
}

llmdit_dtype dtype_of(at::ScalarType type, std::string_view operation) {
  const auto* const found = std::ranges::find(tensor_types, type, &TensorType::type);
  check(found != std::end(tensor_types), operation, "the tensor's type {} has no name here; ask for a copy as float32",
        at::toString(type));
  return found->value;
}

/// Numbers of a row-major buffer; throws for a shape that no buffer has.
int64_t count_numbers(const int64_t* shape, size_t dimensions, std::string_view operation) {
  check(dimensions <= max_dimensions, operation, "expected at most {} dimensions, got {}", max_dimensions, dimensions);
  check(shape != nullptr || dimensions == 0, operation, "expected a shape of {} sizes, got NULL", dimensions);
  int64_t count = 1;
  for (size_t i = 0; i < dimensions; ++i) {
    check(shape[i] >= 0, operation, "expected sizes of at least 0, got {}", shape[i]);
    check(!__builtin_mul_overflow(count, shape[i], &count) && count <= PTRDIFF_MAX / 8, operation,
          "the shape has more numbers than memory can hold");
  }
  return count;
}

}  // namespace

llmdit_status llmdit_tensor_from_buffer(llmdit_tensor** tensor, const void* data, llmdit_dtype dtype,
                                        const int64_t* shape, size_t dimensions) {
  return guarded([&] {
    const char* operation = "tensor_from_buffer";
    llmdit_tensor*& place = output(tensor, operation);
    const at::ScalarType type = scalar_type(dtype, operation);
    const int64_t count = count_numbers(shape, dimensions, operation);
    check(data != nullptr || count == 0, operation, "expected {} numbers, got NULL", count);
    at::Tensor copy = at::empty(at::IntArrayRef(shape, dimensions), type);
    if (count > 0) std::memcpy(copy.mutable_data_ptr(), data, copy.nbytes());
    place = make_handle(llmdit_tensor{std::move(copy)});
  });
}

llmdit_status llmdit_tensor_from_dlpack(llmdit_tensor** tensor, void* managed) {
  return guarded([&] {
    const char* operation = "tensor_from_dlpack";
    llmdit_tensor*& place = output(tensor, operation);
    check(managed != nullptr, operation, "expected a DLManagedTensor, got NULL");
    place = make_handle(llmdit_tensor{at::fromDLPack(static_cast<DLManagedTensor*>(managed))});
  });
}

llmdit_status llmdit_tensor_to_dlpack(void** managed, const llmdit_tensor* tensor) {
  return guarded([&] {
    void*& place = output(managed, "tensor_to_dlpack");
    place = at::toDLPack(borrow(tensor, "tensor_to_dlpack")->value);
  });
}

llmdit_status llmdit_tensor_copy(void* buffer, size_t size, const llmdit_tensor* tensor, llmdit_dtype dtype) {
  return guarded([&] {
    const char* operation = "tensor_copy";
    const auto source = borrow(tensor, operation);
    const at::Tensor numbers = source->value.to(at::kCPU, scalar_type(dtype, operation)).contiguous();
    check(size == numbers.nbytes(), operation, "expected a buffer of {} bytes, got {}", numbers.nbytes(), size);
    check(buffer != nullptr || size == 0, operation, "expected a buffer, got NULL");
    if (size > 0) std::memcpy(buffer, numbers.const_data_ptr(), size);
  });
}

const void* llmdit_tensor_data(const llmdit_tensor* tensor, llmdit_dtype dtype) {
  return guarded_value<const void*>(nullptr, [&]() -> const void* {
    const auto source = borrow(tensor, "tensor_data");
    const bool direct = source->value.device().is_cpu() && source->value.is_contiguous() &&
                        source->value.scalar_type() == scalar_type(dtype, "tensor_data");
    check(direct, "tensor_data", "the numbers do not lie row-major, of that type and on a CPU; copy the tensor");
    return source->value.const_data_ptr();
  });
}

llmdit_status llmdit_tensor_dtype(llmdit_dtype* dtype, const llmdit_tensor* tensor) {
  return guarded([&] {
    output(dtype, "tensor_dtype") = dtype_of(borrow(tensor, "tensor_dtype")->value.scalar_type(), "tensor_dtype");
  });
}

size_t llmdit_tensor_dimensions(const llmdit_tensor* tensor) {
  return guarded_value<size_t>(0,
                               [&] { return static_cast<size_t>(borrow(tensor, "tensor_dimensions")->value.dim()); });
}

int64_t llmdit_tensor_size(const llmdit_tensor* tensor, size_t dimension) {
  return guarded_value<int64_t>(-1, [&] {
    const auto source = borrow(tensor, "tensor_size");
    check(dimension < static_cast<size_t>(source->value.dim()), "tensor_size", "expected a dimension below {}, got {}",
          source->value.dim(), dimension);
    return source->value.size(static_cast<int64_t>(dimension));
  });
}

void llmdit_tensor_free(llmdit_tensor* tensor) { free_handle(tensor); }
