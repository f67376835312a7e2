#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "llmdit/chat.hpp"
#include "llmdit/export.hpp"
#include "llmdit/guidance.hpp"
#include "llmdit/options.hpp"
#include "llmdit/text_encoder.hpp"

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

/// The options of one generation.
struct GenerateOptions {
  std::optional<int64_t> width{};   ///< pixels; not given: the autoencoder's sample_size
  std::optional<int64_t> height{};  ///< pixels; not given: the autoencoder's sample_size
  int64_t num_inference_steps = 9;
  double guidance_scale = GuidanceOptions{}.scale;  ///< see GuidanceOptions for this and the next two
  double cfg_normalization = GuidanceOptions{}.normalization;
  double cfg_truncation = GuidanceOptions{}.truncation;
  std::string negative_prompt{};  ///< takes no system, thinking or assistant parts from `chat`; used only with guidance
  std::optional<double> shift{};  ///< not given: the scheduler configuration's
  std::vector<double> sigmas{};  ///< own noise levels before the shift; when given, their number is the number of steps
  std::optional<uint64_t> seed{};  ///< of the first picture, the next ones count up; not given: drawn, and reported
  int64_t num_images_per_prompt = 1;
  int64_t hidden_layer = EncodeOptions{}.hidden_layer;  ///< see EncodeOptions
  ChatOptions chat{};
  OutputType output_type = OutputType::image;

  // Below: what is no plain setting and stands in no table.
  std::optional<at::Tensor> latents{};                     ///< initial latents [batch, channels, h, w], sets the size
  std::optional<std::vector<at::Tensor>> prompt_embeds{};  ///< one [tokens, hidden_size] a prompt, instead of prompts
  std::optional<std::vector<at::Tensor>> negative_prompt_embeds{};  ///< one for all prompts, or one a prompt
  std::optional<at::Generator> generator{};  ///< draws the whole batch's noise, instead of `seed`
  StepCallback on_step{};
  std::stop_token stop{};  ///< asked in every stage; a stop throws cancelled
};

template <>
LLMDIT_EXPORT std::span<const OptionField> option_fields<GenerateOptions>();

}  // namespace llmdit
