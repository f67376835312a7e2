#pragma once

#include <utility>

#include "llmdit/chat_backend.hpp"
#include "llmdit/export.hpp"
#include "llmdit/vl_encoder.hpp"

namespace llmdit {

/// A Qwen3-VL model that answers questions about pictures, and others.
class LLMDIT_EXPORT VLChatBackend final : public ChatBackend {
 public:
  explicit VLChatBackend(VLEmbeddingExtractor model) : model_(std::move(model)) {}

  ChatReply chat(const ChatRequest& request) const override;
  bool takes_images() const override { return true; }

 private:
  VLEmbeddingExtractor model_;
};

}  // namespace llmdit
