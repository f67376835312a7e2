#pragma once

#include <optional>
#include <string>

#include "llmdit/device.hpp"
#include "llmdit/options.hpp"

namespace llmdit {

/// Where and how the weights of a model are kept.
struct LoadOptions {
  DType dtype = DType::automatic;
  std::string device = "auto";                       ///< "auto" (a GPU when there is one), "cpu", "cuda", "cuda:N"
  std::optional<std::string> text_encoder_device{};  ///< like device, for one component
  std::optional<std::string> dit_device{};
  std::optional<std::string> vae_device{};
};

template <>
LLMDIT_EXPORT std::span<const OptionField> option_fields<LoadOptions>();

}  // namespace llmdit
