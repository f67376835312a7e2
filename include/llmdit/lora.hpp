#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "llmdit/export.hpp"

namespace llmdit {

/// An adapter to fuse into a model's weights.
struct Lora {
  std::filesystem::path path;  ///< a safetensors file, or a folder with one
  double scale = 1.0;          ///< strength; 0 changes nothing, negative turns the effect round
  bool text_encoder = false;   ///< apply the keys that belong to the text encoder as well

  bool operator==(const Lora&) const = default;
};

/// "path", "path:scale", and either with ":te" behind it for the text encoder's keys as well. Other tails belong to the
/// path, and so does any when there is a file of the whole name.
LLMDIT_EXPORT Lora parse_lora(std::string_view text);

struct LoraOptions {
  bool strict = false;  ///< a key without use is an error, not a warning
};

/// A tensor of a LoRA file that changed nothing.
struct UnusedLoraKey {
  std::string file;    ///< name of the file
  std::string key;     ///< as it stands there
  std::string reason;  ///< e.g. "no such module in the transformer"

  bool operator==(const UnusedLoraKey&) const = default;
};

/// What loading adapters did.
struct LoraReport {
  std::vector<std::string>
      applied;  ///< weights changed, by their diffusers names, sorted; of the encoder with "text_encoder."
  std::vector<UnusedLoraKey> unused;  ///< keys without use and why
  std::vector<std::string> warnings;  ///< in words, for people
};

}  // namespace llmdit
