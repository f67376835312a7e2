#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <typeindex>
#include <utility>
#include <vector>

#include "capi/guard.hpp"
#include "llmdit/llmdit.hpp"

// What stands behind the opaque structs of llmdit.h. Each names itself for messages.

struct llmdit_text {
  static constexpr const char* kind = "llmdit_text";
  std::string value;
};

struct llmdit_tensor {
  static constexpr const char* kind = "llmdit_tensor";
  at::Tensor value;
};

struct llmdit_image {
  static constexpr const char* kind = "llmdit_image";
  std::shared_ptr<const llmdit::Image> value;
  llmdit::ImageText text;  // written beside the pixels
};

struct llmdit_cancellation {
  static constexpr const char* kind = "llmdit_cancellation";
  std::stop_source value;
};

struct llmdit_tokenizer {
  static constexpr const char* kind = "llmdit_tokenizer";
  llmdit::Tokenizer value;
};

struct llmdit_pipeline {
  static constexpr const char* kind = "llmdit_pipeline";
  llmdit::ZImagePipeline value;
};

struct llmdit_result {
  static constexpr const char* kind = "llmdit_result";
  std::shared_ptr<const llmdit::GenerateResult> value;
  std::vector<std::string> prompts;
  llmdit::GenerateOptions options;
};

struct llmdit_encoding {
  static constexpr const char* kind = "llmdit_encoding";
  llmdit::EncodingOutput value;
};

struct llmdit_lora_report {
  static constexpr const char* kind = "llmdit_lora_report";
  llmdit::LoraReport value;
};

namespace llmdit::capi {

// Note [Live handles]
// A handle is no address but a number that is never given twice, under which a table owns the object. Every call looks
// it up, so that a stale handle or one of another kind is an error and not a crash, and holds the object while it runs,
// so that another thread may free the handle meanwhile.
void* keep_handle(std::shared_ptr<void> object, std::type_index type);
std::shared_ptr<void> find_handle(const void* handle, std::type_index type);  // null when there is none
std::shared_ptr<void> drop_handle(const void* handle, std::type_index type);  // null when there was none

/// A new handle for the caller.
template <class Handle>
Handle* make_handle(Handle object) {
  return static_cast<Handle*>(keep_handle(std::make_shared<Handle>(std::move(object)), typeid(Handle)));
}

/// A new tensor handle; what is given out lies row-major.
inline llmdit_tensor* make_tensor(const at::Tensor& tensor) { return make_handle(llmdit_tensor{tensor.contiguous()}); }

/// The object behind a handle, held for as long as the call needs it.
template <class Handle>
std::shared_ptr<Handle> borrow(const Handle* handle, std::string_view operation) {
  check(handle != nullptr, operation, "expected a {}, got NULL", Handle::kind);
  auto object = std::static_pointer_cast<Handle>(find_handle(handle, typeid(Handle)));
  check(object != nullptr, operation, "expected a {}, got a handle of another kind or one that was freed",
        Handle::kind);
  return object;
}

template <class Handle>
void free_handle(Handle* handle) noexcept {
  if (!handle) return;
  guarded([&] {
    check(drop_handle(handle, typeid(Handle)) != nullptr, "free",
          "expected a {}, got a handle of another kind or one that was freed", Handle::kind);
  });
}

}  // namespace llmdit::capi
