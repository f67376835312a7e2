#include "capi/read.hpp"

#include <cstring>

namespace llmdit::capi {

std::string_view read_text(const char* text, size_t length, std::string_view operation) {
  check(text != nullptr, operation, "expected text, got NULL");
  if (length == LLMDIT_NUL_TERMINATED) return text;
  check(length <= PTRDIFF_MAX, operation, "expected the length of a text, got {}", length);
  return {text, length};
}

std::filesystem::path read_path(const char* path, std::string_view operation) {
  check(path != nullptr, operation, "expected a path, got NULL");
  return path;
}

std::vector<std::string> read_texts(const llmdit_texts& texts, std::string_view operation) {
  check(texts.values || texts.count == 0, operation, "expected {} texts, got NULL", texts.count);
  std::vector<std::string> values;
  for (size_t i = 0; i < texts.count; ++i) {
    check(texts.values[i] != nullptr, operation, "expected texts, got NULL at index {}", i);
    values.emplace_back(texts.values[i]);
  }
  return values;
}

std::vector<std::string> read_texts(const llmdit_texts* texts, std::string_view operation) {
  check(texts != nullptr, operation, "expected texts, got NULL");
  return read_texts(*texts, operation);
}

at::Tensor read_tensor(const llmdit_tensor* tensor, std::string_view operation) {
  return borrow(tensor, operation)->value;
}

std::vector<at::Tensor> read_tensors(const llmdit_tensor* const* tensors, size_t count, std::string_view operation) {
  check(tensors != nullptr || count == 0, operation, "expected {} tensors, got NULL", count);
  std::vector<at::Tensor> values;
  for (size_t i = 0; i < count; ++i) values.push_back(read_tensor(tensors[i], operation));
  return values;
}

bool read_bool(const bool& value, std::string_view name) {
  unsigned char byte = 0;
  std::memcpy(&byte, &value, sizeof(byte));
  check(byte <= 1, name, "expected true or false, got {}", byte);
  return byte == 1;
}

std::stop_token read_stop(const llmdit_cancellation* cancellation, std::string_view operation) {
  return cancellation ? borrow(cancellation, operation)->value.get_token() : std::stop_token();
}

}  // namespace llmdit::capi
