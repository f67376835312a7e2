#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "io/json.hpp"
#include "io/tensor_table.hpp"
#include "llmdit/autoencoder_kl.hpp"
#include "llmdit/qwen3_vl.hpp"
#include "llmdit/text_encoder.hpp"
#include "llmdit/z_image_transformer.hpp"

/// How the files of each model name its tensors, and what of its configuration they tell by themselves.
namespace llmdit::models {

/// Diffusers' names, those of the original and ComfyUI single files (fused qkv), and those of GGUF files, mixed freely.
io::TensorTable z_image_table(io::Checkpoint checkpoint);
/// transformers' names under any prefix, and those of llama.cpp.
io::TensorTable qwen3_table(io::Checkpoint checkpoint);
/// The same for the language model of another component, as messages call it.
io::TensorTable qwen3_table_of(io::Checkpoint checkpoint, std::string_view component);
/// Diffusers' names and those of single files such as ae.safetensors.
io::TensorTable autoencoder_table(io::Checkpoint checkpoint);

/// A part of a name in files of others, and what it is called here.
struct Rename {
  std::string_view from;
  std::string_view to;
};

// A published name as other files have it; the inverse of what the tables read.
std::string original_transformer_name(std::string name);
std::string llama_cpp_name(std::string name);
/// `levels`: resolutions of the decoder, which such files count from the other end.
std::string single_file_vae_name(std::string name, int64_t levels);

// All checks made.
ZImageTransformerConfig parse_z_image_config(const io::JsonObject& json);
/// What a configuration of Qwen3's decoder is called, and has when it does not say.
struct Qwen3Kind {
  std::string_view model_type = "qwen3";
  double rope_theta = 1e6;
};
Qwen3Config parse_qwen3_config(const io::JsonObject& json, const Qwen3Kind& kind);
inline Qwen3Config parse_qwen3_config(const io::JsonObject& json) { return parse_qwen3_config(json, Qwen3Kind{}); }
AutoencoderKLConfig parse_autoencoder_config(const io::JsonObject& json);

// Sizes from the tensors' shapes; what these do not tell from `known`, or as the published model has it.
// Throws unsupported, saying what the file is instead, when the tensors are not the model's.
ZImageTransformerConfig tell_z_image_config(const io::TensorTable& table,
                                            const std::optional<ZImageTransformerConfig>& known);
Qwen3Config tell_qwen3_config(const io::TensorTable& table, const std::optional<Qwen3Config>& known);
AutoencoderKLConfig tell_autoencoder_config(const io::TensorTable& table,
                                            const std::optional<AutoencoderKLConfig>& known);

/// Throw unsupported, naming `path`, for sizes that do not fit each other.
void check_config(const ZImageTransformerConfig& config, const std::filesystem::path& path);
void check_config(const Qwen3Config& config, const std::filesystem::path& path);
void check_config(const AutoencoderKLConfig& config, const std::filesystem::path& path);

/// The configuration that belongs to weights: `config.json` of their folder, or what the header of a file carries, or
/// the `config.json` beside a file when it is for `class_name`. Nothing for a bare file.
/// A folder without config.json is an error: not_found.
std::optional<io::JsonObject> own_config(const std::filesystem::path& path, const io::TensorTable& table,
                                         std::string_view class_name);

/// The key under which a file's header carries the configuration of a component, e.g. "llmdit.transformer_config".
std::string config_key(std::string_view component);

/// Whether a configuration is to be told from the weights at `path` rather than read as JSON.
bool is_weight_file(const std::filesystem::path& path);

/// A component's weights with the configuration they are built by.
template <class Config>
struct ModelFiles {
  io::TensorTable table;
  Config config;
  std::optional<io::JsonObject> json{};  ///< where the configuration stands written; nothing for a bare file
};

/// `path`: a file, an index or a folder. `config_path`: a folder or config.json to take from what a bare file does not
/// tell; empty for none.
ModelFiles<ZImageTransformerConfig> open_z_image(const std::filesystem::path& path,
                                                 const std::filesystem::path& config_path = {});
ModelFiles<Qwen3Config> open_qwen3(const std::filesystem::path& path, const std::filesystem::path& config_path = {});
ModelFiles<AutoencoderKLConfig> open_autoencoder(const std::filesystem::path& path,
                                                 const std::filesystem::path& config_path = {});

/// The two parts of a Qwen3-VL model, which lie in the same files.
struct Qwen3VLFiles {
  io::TensorTable language;
  io::TensorTable vision;
  Qwen3VLConfig config;

  /// Tensors that neither part knows.
  std::vector<std::string> unknown() const;
};

/// `path`: a folder with config.json, or a weight file beside one. Throws unsupported for files with one part only.
Qwen3VLFiles open_qwen3_vl(const std::filesystem::path& path);

}  // namespace llmdit::models
