#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "llmdit/autoencoder_kl.hpp"
#include "llmdit/blend.hpp"
#include "llmdit/chat.hpp"
#include "llmdit/compress.hpp"
#include "llmdit/export.hpp"
#include "llmdit/guidance.hpp"
#include "llmdit/image.hpp"
#include "llmdit/options.hpp"
#include "llmdit/text_encoder.hpp"
#include "llmdit/vl_encoder.hpp"

namespace llmdit {

/// Where a denoising loop stands, after a step.
struct StepInfo {
  int64_t step = 0;    ///< from 0
  int64_t total = 0;   ///< number of steps
  float sigma = 0;     ///< noise level of `latents`
  at::Tensor latents;  ///< [batch, channels, h, w] float32, after the step; not to be written to
};

/// Called on the calling thread after each step; true stops, and the call throws cancelled.
using StepCallback = std::function<bool(const StepInfo&)>;

enum class OutputType {
  image,   ///< 8-bit pictures
  tensor,  ///< float pixels as well
  latent,  ///< latents only, nothing is decoded
};

/// A picture to start from: 8-bit, or pixels of any floating type in 0..1, [3, height, width]; for masks [height,
/// width] as well. A leading batch axis of 1 is fine.
using PictureInput = std::variant<Image, at::Tensor>;

inline constexpr int64_t max_inference_steps = 10000;

/// How prompt embeddings are conditioned on a reference picture: a vision-language model reads it, and its rows are
/// blended with those of the prompt.
struct VLOptions {
  double alpha = BlendOptions{}.alpha;  ///< 0 the prompt alone, 1 the picture alone
  BlendMode blend_mode = BlendOptions{}.mode;
  std::string text{};        ///< that the model reads with the picture
  std::string statistics{};  ///< file of ReferenceStatistics (UTF-8), for extract.statistics
  /// How its states are read. Without target_std and statistics they are scaled to the prompt's own deviation.
  VLExtractOptions extract{};
};

/// The options of one generation.
struct GenerateOptions {
  std::optional<int64_t> width{};   ///< pixels; not given: `image`'s, down to a multiple, or the model's own
  std::optional<int64_t> height{};  ///< pixels; likewise. One of the two with an image: the other keeps its proportions
  int64_t num_inference_steps = 9;
  double guidance_scale = GuidanceOptions{}.scale;  ///< see GuidanceOptions for this and the next two
  double cfg_normalization = GuidanceOptions{}.normalization;
  double cfg_truncation = GuidanceOptions{}.truncation;
  std::string
      negative_prompt{};  ///< of `chat` it takes no system, thinking or assistant parts; used only with guidance
  std::optional<double> shift{};  ///< not given: the scheduler configuration's
  std::vector<double> sigmas{};  ///< own noise levels before the shift; when given, their number is the number of steps
  std::optional<uint64_t> seed{};  ///< of the first picture, the next ones count up; not given: drawn, and reported
  int64_t num_images_per_prompt = 1;
  int64_t hidden_layer = EncodeOptions{}.hidden_layer;  ///< see EncodeOptions for this and the next two
  LayerWeights layer_weights{};
  std::vector<LayerSpan> layer_spans{};
  LongPromptMode long_prompt_mode = LongPromptMode::interpolate;  ///< of prompts and embeddings past the limit
  std::optional<int64_t> max_text_tokens{};  ///< the limit; not given, and at most: the transformer's max_caption_len
  ChatOptions chat{};
  std::optional<double> strength{};  ///< see strength_of
  std::vector<double> outpaint{};    ///< pixels to add to `image` on the left, top, right and bottom, and to paint
  int64_t mask_feather = 0;          ///< pixels over which the mask's edge fades; 0 is hard, as the reference has it
  bool mask_composite = false;       ///< put `image`'s own pixels back where the mask keeps it
  VLOptions vl{};                    ///< for `vl_image`
  /// Steps whose first main layer changes the picture's rows by nearly what it did in the last step that ran whole
  /// leave out the other layers: up to this relative change. 0: every step runs whole.
  double step_cache = 0;
  TilingMode vae_tiling = TilingOptions{}.mode;  ///< see TilingOptions for this and the next two
  int64_t vae_tile_size = TilingOptions{}.tile_size;
  int64_t vae_tile_overlap = TilingOptions{}.tile_overlap;
  OutputType output_type = OutputType::image;

  // Below: what is no plain setting and stands in no table.
  std::optional<PictureInput> image{};       ///< to start from, instead of noise alone; resized (Lanczos) where needed
  std::optional<PictureInput> mask_image{};  ///< where `image` is painted anew: from half gray on to white
  std::optional<Image> vl_image{};           ///< reference picture that the prompt's embeddings are blended with
  std::optional<at::Tensor> latents{};       ///< initial latents [batch, channels, h, w], sets the size
  std::optional<std::vector<at::Tensor>> prompt_embeds{};  ///< one [tokens, hidden_size] a prompt, instead of prompts
  std::optional<std::vector<at::Tensor>> negative_prompt_embeds{};  ///< one for all prompts, or one a prompt
  std::vector<at::Generator> generators{};  ///< draw instead of `seed`: one for the whole batch, or one a picture
  StepCallback on_step{};
  std::stop_token stop{};  ///< asked in every stage; a stop throws cancelled
};

template <>
LLMDIT_EXPORT std::span<const OptionField> option_fields<GenerateOptions>();

/// The share of noise that `image` starts with and of the steps that run, 0 to 1. Of n steps the last n - int(n - n *
/// strength) run, at least one unless it is 0, which takes the picture through the autoencoder alone; 1 starts from
/// noise. Not given: 0.75, and 1 where a part is painted anew.
LLMDIT_EXPORT double strength_of(const GenerateOptions& options);

/// Steps of the whole schedule; with an image only the last of them run.
LLMDIT_EXPORT int64_t schedule_steps(const GenerateOptions& options);

}  // namespace llmdit
