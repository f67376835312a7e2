#include "pipeline/text_generation.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <random>

#include "base/check.hpp"
#include "base/enum_table.hpp"
#include "base/stopwatch.hpp"
#include "sampling/sampling_fields.hpp"
#include "text/text_stream.hpp"

namespace llmdit {

template <>
struct EnumTable<FinishReason> {
  static constexpr EnumName<FinishReason> names[] = {
      {FinishReason::stop, "stop"}, {FinishReason::length, "length"}, {FinishReason::request, "request"}};
};

std::string_view finish_reason_name(FinishReason reason) noexcept { return enum_name(reason); }

namespace {

using Options = TextGenerationOptions;

constexpr OptionField fields[] = {
    field<Options, "max_new_tokens", &Options::max_new_tokens>(sampling_fields::max_new_tokens),
    field<Options, "seed", &Options::seed>(sampling_fields::seed),
    field<Options, "temperature", &Options::sampling, &SamplingOptions::temperature>(sampling_fields::temperature),
    field<Options, "top_k", &Options::sampling, &SamplingOptions::top_k>(sampling_fields::top_k),
    field<Options, "top_p", &Options::sampling, &SamplingOptions::top_p>(sampling_fields::top_p),
    field<Options, "min_p", &Options::sampling, &SamplingOptions::min_p>(sampling_fields::min_p),
    field<Options, "repetition_penalty", &Options::sampling, &SamplingOptions::repetition_penalty>(
        sampling_fields::repetition_penalty),
    field<Options, "presence_penalty", &Options::sampling, &SamplingOptions::presence_penalty>(
        sampling_fields::presence_penalty),
};

class Writer {
 public:
  Writer(const models::Qwen3Model& model, const Tokenizer& tokenizer, const WrittenPrompt& prompt,
         const TextGenerationOptions& options)
      : model_(model), prompt_(prompt), options_(options), stream_(tokenizer), position_(prompt.next_position) {
    result_.seed = options.seed ? *options.seed : std::random_device{}();
    result_.prompt_tokens = static_cast<int64_t>(prompt.ids.size());
    generator_ = at::detail::createCPUGenerator(result_.seed);
  }

  GeneratedText run() {
    Stopwatch watch;
    models::DecoderInput input = prompt_.input;
    input.cache = &cache_;
    at::Tensor scores = scores_after(input);
    result_.prompt_seconds = watch.lap();
    while (write(draw(scores))) scores = scores_after(next_input());
    result_.seconds = result_.prompt_seconds + watch.lap();
    return std::move(result_);
  }

 private:
  /// Scores of the token after the last of `input`: [vocab_size].
  at::Tensor scores_after(const models::DecoderInput& input) const {
    constexpr int64_t normed = -1;
    const at::Tensor states = model_.hidden_states(input, {&normed, 1}, options_.stop).front();
    return model_.logits(states.narrow(0, states.size(0) - 1, 1))[0];
  }

  models::DecoderInput next_input() {
    return {.embeddings = model_.embed({&result_.token_ids.back(), 1}),
            .rope = model_.rope(position_++, 1),
            .cache = &cache_};
  }

  int64_t draw(const at::Tensor& scores) const {
    const TokenHistory history{prompt_.ids, result_.token_ids};
    const at::Tensor probabilities = sampling_probabilities(scores, options_.sampling, history);
    if (options_.sampling.temperature == 0) return probabilities.argmax().item<int64_t>();
    return at::multinomial(probabilities, 1, /*replacement=*/false, generator_).item<int64_t>();
  }

  /// Takes a token into the text; false when the text is complete.
  bool write(int64_t id) {
    const auto ends = [id](const std::vector<int64_t>& ids) { return std::ranges::find(ids, id) != ids.end(); };
    if (ends(prompt_.stop_ids) || ends(options_.stop_ids)) {
      result_.stop_id = id;
      return finish(FinishReason::stop);
    }
    const auto step = static_cast<int64_t>(result_.token_ids.size());
    result_.token_ids.push_back(id);
    if (options_.on_token && options_.on_token({.step = step, .id = id, .text = stream_.push(id)}))
      return finish(FinishReason::request);
    return step + 1 < options_.max_new_tokens || finish(FinishReason::length);
  }

  bool finish(FinishReason reason) {
    result_.finish_reason = reason;
    return false;
  }

  const models::Qwen3Model& model_;
  const WrittenPrompt& prompt_;
  const TextGenerationOptions& options_;
  text::TextStream stream_;
  nn::KeyValueCache cache_;
  at::Generator generator_;
  int64_t position_;
  GeneratedText result_;
};

}  // namespace

template <>
std::span<const OptionField> option_fields<TextGenerationOptions>() {
  return fields;
}

GeneratedText generate_text(const models::Qwen3Model& model, const Tokenizer& tokenizer, const WrittenPrompt& prompt,
                            const TextGenerationOptions& options) {
  check_options(options);
  const int64_t most = model.config().max_position_embeddings, asked = prompt.next_position + options.max_new_tokens;
  check(asked <= most, "generate", "expected prompt and max_new_tokens to have at most {} tokens, got {} + {}", most,
        prompt.next_position, options.max_new_tokens);
  GeneratedText result = Writer(model, tokenizer, prompt, options).run();
  result.text = tokenizer.decode(result.token_ids, /*skip_special_tokens=*/true);
  return result;
}

}  // namespace llmdit
