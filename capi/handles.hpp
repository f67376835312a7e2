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

struct llmdit_text_encoder {
  static constexpr const char* kind = "llmdit_text_encoder";
  std::shared_ptr<const llmdit::TextEncoder> value;
  std::shared_ptr<llmdit::EmbeddingCache> cache;  // null without one
};

struct llmdit_pipeline {
  static constexpr const char* kind = "llmdit_pipeline";
  llmdit::ZImagePipeline value;
  std::shared_ptr<const llmdit_text_encoder> encoder{};  // that it was loaded with, in the place of its own
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

struct llmdit_templates {
  static constexpr const char* kind = "llmdit_templates";
  struct Entry {
    const llmdit::Template* value;
    std::vector<const char*> metadata_keys, metadata_values;
  };
  llmdit::TemplateRegistry value;
  std::vector<Entry> entries{};  // of `value`, in its order
};

struct llmdit_generated_text {
  static constexpr const char* kind = "llmdit_generated_text";
  llmdit::GeneratedText value;
};

struct llmdit_encoder_server {
  static constexpr const char* kind = "llmdit_encoder_server";
  std::unique_ptr<llmdit::EncoderServer> value;
  std::string url;
};

struct llmdit_vl_encoder {
  static constexpr const char* kind = "llmdit_vl_encoder";
  llmdit::VLEmbeddingExtractor value;
};

struct llmdit_vl_extraction {
  static constexpr const char* kind = "llmdit_vl_extraction";
  std::shared_ptr<const llmdit::VLExtraction> value;
};

struct llmdit_chat {
  static constexpr const char* kind = "llmdit_chat";
  std::shared_ptr<const llmdit::ChatBackend> value;
};

struct llmdit_answer {
  static constexpr const char* kind = "llmdit_answer";
  llmdit::RewrittenPrompt value;
};

struct llmdit_memory_plan {
  static constexpr const char* kind = "llmdit_memory_plan";
  llmdit::MemoryPlan value;
};

struct llmdit_statistics {
  static constexpr const char* kind = "llmdit_statistics";
  llmdit::ReferenceStatistics value;
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

/// A call that makes one tensor, by `work`, which is given the operation's name.
template <class Work>
llmdit_status give_tensor(llmdit_tensor** tensor, const char* operation, Work&& work) noexcept {
  return guarded([&] {
    llmdit_tensor*& place = output(tensor, operation);
    place = make_tensor(work(operation));
  });
}

inline llmdit_text* make_text(std::string text) { return make_handle(llmdit_text{std::move(text)}); }

inline llmdit_image* make_image(llmdit::Image image, llmdit::ImageText text = {}) {
  return make_handle(llmdit_image{std::make_shared<const llmdit::Image>(std::move(image)), std::move(text)});
}

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
