#include "pipeline/long_prompt.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/check.hpp"
#include "conditioning/layer_mix.hpp"
#include "models/qwen3.hpp"
#include "text/segments.hpp"

namespace llmdit {
namespace {

/// "the prompt", or "prompt 2" of several.
std::string who(std::string_view name, size_t index, size_t count) {
  return count == 1 ? fmt::format("the {}", name) : fmt::format("{} {}", name, index + 1);
}

Conversation with_user_text(Conversation conversation, std::string_view text) {
  const auto user = std::ranges::find(conversation.messages, Role::user, &Message::role);
  user->content = text;
  return conversation;
}

std::string_view user_text(const Conversation& conversation) {
  return std::ranges::find(conversation.messages, Role::user, &Message::role)->content;
}

std::string_view without_blanks_at_the_end(std::string_view text) {
  return text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
}

using Ids = std::vector<int64_t>;

/// Tokens that two texts begin with, and then end with, alike.
struct Frame {
  int64_t head, tail;

  Frame(const Ids& ids, const Ids& empty) {
    const auto most = static_cast<int64_t>(std::min(ids.size(), empty.size()));
    head = std::ranges::mismatch(ids, empty).in1 - ids.begin();
    tail = std::mismatch(ids.rbegin(), ids.rbegin() + (most - head), empty.rbegin()).first - ids.rbegin();
  }
};

}  // namespace

EncodeOptions encode_options(const GenerateOptions& options) {
  return {.hidden_layer = options.hidden_layer,
          .layer_weights = options.layer_weights,
          .layer_spans = options.layer_spans,
          .stop = options.stop};
}

LongPrompts::LongPrompts(const ZImageTransformerConfig& transformer, const GenerateOptions& options)
    : options_(options), limit_(options.max_text_tokens.value_or(max_caption_len(transformer))) {
  check(
      limit_ <= max_caption_len(transformer) || extrapolates(), "max_text_tokens",
      "expected at most {}, what the transformer's rope table holds, got {}; long_prompt_mode extrapolate goes past it",
      max_caption_len(transformer), limit_);
}

EncodeOptions LongPrompts::encoding_of(const PromptSide& side) const {
  EncodeOptions encoding = encode_options(options_);
  if (!side.has_layer_spans) encoding.layer_spans.clear();
  return encoding;
}

void LongPrompts::check_tokenizer(const Tokenizer* tokenizer) const {
  check(tokenizer != nullptr, "long_prompt_mode",
        "expected the model's own text encoder, with whose tokenizer segments are counted, got another one or none");
}

std::vector<int64_t> LongPrompts::foresee(const ZImageTextEncoder* encoder, std::span<const std::string> prompts,
                                          const ChatOptions& chat, const PromptSide& side) {
  const bool in_segments = options_.long_prompt_mode == LongPromptMode::segments;
  if (in_segments) check_tokenizer(encoder ? &encoder->tokenizer() : nullptr);
  std::vector<int64_t> counts;
  if (!encoder) return counts;
  const EncodeOptions encoding = encoding_of(side);
  for (size_t i = 0; i < prompts.size(); ++i) {
    const Conversation conversation = make_conversation(prompts[i], chat);
    counts.push_back(static_cast<int64_t>(encoder->tokenizer().encode(render(conversation)).size()));
    const std::string who_is_long = who(side.name, i, prompts.size());
    int64_t rows = counts.back();
    if (in_segments && is_too_long(rows)) {
      rows = split(encoder->tokenizer(), conversation, encoding, who_is_long).total();
    } else {
      models::check_length(encoder->config(), rows);
    }
    LayerMix(base_weights(encoding), encoding.layer_spans, encoder->config().num_hidden_layers, rows);
    if (is_too_long(rows)) remark_long(who_is_long, rows);
  }
  return counts;
}

void LongPrompts::foresee(std::span<const at::Tensor> embeds, std::string_view name) {
  for (size_t i = 0; i < embeds.size(); ++i) {
    const bool is_list = embeds[i].defined() && embeds[i].dim() == 2;
    if (is_list && is_too_long(embeds[i].size(0))) remark_long(who(name, i, embeds.size()), embeds[i].size(0));
  }
}

EncodingOutput LongPrompts::encode(const TextEncoder& encoder, const Tokenizer* tokenizer,
                                   std::span<const std::string> prompts, const ChatOptions& chat,
                                   const PromptSide& side) {
  const EncodeOptions encoding = encoding_of(side);
  std::vector<Conversation> conversations;
  std::vector<std::string> texts;
  for (const std::string& prompt : prompts) {
    conversations.push_back(make_conversation(prompt, chat));
    texts.push_back(render(conversations.back()));
  }
  if (options_.long_prompt_mode != LongPromptMode::segments) {
    EncodingOutput output = encoder.encode(texts, encoding);
    std::ranges::copy(output.warnings, std::back_inserter(warnings_));
    return output;
  }
  check_tokenizer(tokenizer);
  EncodingOutput output{.embeddings = {}, .token_counts = {}, .formatted_prompts = texts};
  for (size_t i = 0; i < texts.size(); ++i) {
    output.token_counts.push_back(static_cast<int64_t>(tokenizer->encode(texts[i]).size()));
    const bool is_long = is_too_long(output.token_counts.back());
    output.embeddings.push_back(
        is_long ? encode_segments(encoder, *tokenizer, conversations[i], encoding, who(side.name, i, texts.size()))
                : encode_texts(encoder, {&texts[i], 1}, encoding).front());
  }
  return output;
}

std::vector<at::Tensor> LongPrompts::encode_texts(const TextEncoder& encoder, std::span<const std::string> texts,
                                                  const EncodeOptions& encoding) {
  EncodingOutput output = encoder.encode(texts, encoding);
  std::ranges::move(output.warnings, std::back_inserter(warnings_));
  return std::move(output.embeddings);
}

int64_t LongPrompts::Segments::total() const {
  int64_t sum = 0;
  for (const auto& [begin, end] : rows) sum += end - begin;
  return sum;
}

LongPrompts::Segments LongPrompts::split(const Tokenizer& tokenizer, const Conversation& conversation,
                                         const EncodeOptions& encoding, const std::string& who) {
  const auto ids_of = [&](std::string_view text) { return tokenizer.encode(text); };
  const auto ids_with = [&](std::string_view text) { return ids_of(render(with_user_text(conversation, text))); };
  check(encoding.layer_spans.empty(), "layer_spans",
        "expected no layer_spans for a text that is encoded in segments, each of which has tokens of its own");
  const Ids empty = ids_with("");
  const int64_t room = limit_ - static_cast<int64_t>(empty.size());
  check(room > 0, "long_prompt_mode",
        "expected the chat text around {} to leave room within {} tokens, got {} tokens; {}", who, limit_, empty.size(),
        "shorten its system prompt, thinking or assistant content");

  auto groups = text::split_into_groups(user_text(conversation), room, [&](std::string_view piece) {
    return static_cast<int64_t>(ids_of(piece).size());
  });
  const auto is_blank = [](std::string_view group) { return without_blanks_at_the_end(group).empty(); };
  groups.erase(std::remove_if(groups.begin(), groups.end() - 1, is_blank), groups.end() - 1);
  // The chat text around the groups is kept once: where the first begins, and where the last ends.
  Segments segments;
  for (size_t i = 0; i < groups.size(); ++i) {
    const bool is_last = i + 1 == groups.size();
    const std::string_view group = is_last ? groups[i] : without_blanks_at_the_end(groups[i]);
    segments.texts.push_back(render(with_user_text(conversation, group)));
    const Ids ids = ids_of(segments.texts.back());
    const Frame frame(ids, empty);
    segments.rows.emplace_back(i == 0 ? 0 : frame.head, static_cast<int64_t>(ids.size()) - (is_last ? 0 : frame.tail));
  }
  warnings_.push_back(
      fmt::format("{} has {} tokens and the transformer takes {}: encoded in {} segments of up to {} "
                  "tokens, which join to {} rows",
                  who, ids_of(render(conversation)).size(), limit_, groups.size(), limit_, segments.total()));
  return segments;
}

at::Tensor LongPrompts::encode_segments(const TextEncoder& encoder, const Tokenizer& tokenizer,
                                        const Conversation& conversation, const EncodeOptions& encoding,
                                        const std::string& who) {
  const Segments segments = split(tokenizer, conversation, encoding, who);
  std::vector<at::Tensor> rows = encode_texts(encoder, segments.texts, encoding);
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = rows[i].slice(0, segments.rows[i].first, segments.rows[i].second);
  return at::cat(rows);
}

void LongPrompts::remark_long(const std::string& who, int64_t rows) {
  const LongPromptMode mode = options_.long_prompt_mode;
  const std::string long_one = fmt::format("{} has {} tokens and the transformer takes {}", who, rows, limit_);
  if (extrapolates()) {
    warnings_.push_back(fmt::format("{}: extrapolated to positions that it was not trained on", long_one));
    return;
  }
  const std::string_view how = mode == LongPromptMode::truncate         ? "cut off at the end"
                               : mode == LongPromptMode::pool           ? "pooled"
                               : mode == LongPromptMode::attention_pool ? "pooled by attention"
                                                                        : "interpolated";
  const std::string lost = mode == LongPromptMode::truncate ? fmt::format(", the last {} lost", rows - limit_) : "";
  warnings_.push_back(fmt::format("{}: {}{} (ratio {:.2f}, expected loss of quality {})", long_one, how, lost,
                                  static_cast<double>(rows) / static_cast<double>(limit_),
                                  estimate_quality_loss(rows, limit_, mode)));
}

std::vector<at::Tensor> LongPrompts::compress(std::vector<at::Tensor> embeds, std::string_view name) {
  for (size_t i = 0; i < embeds.size(); ++i) {
    // What is no list of rows, or not finite, is told by the transformer.
    if (!embeds[i].defined() || embeds[i].dim() != 2 || !is_too_long(embeds[i].size(0))) continue;
    const int64_t rows = embeds[i].size(0);
    if (!extrapolates()) embeds[i] = compress_embeddings(embeds[i], limit_, options_.long_prompt_mode);
    remark_long(who(name, i, embeds.size()), rows);
  }
  return embeds;
}

}  // namespace llmdit
