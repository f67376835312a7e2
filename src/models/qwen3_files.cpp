#include <algorithm>
#include <charconv>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "models/model_files.hpp"

namespace llmdit::models {
namespace {

// What may stand before the language model's own names, the longest first.
constexpr std::string_view inner_prefixes[] = {"model.language_model.", "language_model.model.", "language_model.",
                                               "model."};

constexpr Rename gguf_names[] = {{"token_embd.", "embed_tokens."}, {"output_norm.", "norm."}, {"output.", "lm_head."}};

constexpr Rename gguf_modules[] = {
    {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"},
    {"attn_output", "self_attn.o_proj"},
    {"attn_norm", "input_layernorm"},
    {"ffn_norm", "post_attention_layernorm"},
    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},
    {"ffn_gate", "mlp.gate_proj"},
    {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
};

/// "blk.3.attn_q.weight" in transformers' spelling; "" for an unknown module.
std::string from_gguf_block(std::string_view rest) {
  const size_t dot = rest.find('.'), last = rest.rfind('.');
  if (dot == rest.npos || last <= dot) return "";
  const std::string_view module = rest.substr(dot + 1, last - dot - 1);
  for (const Rename& rename : gguf_modules) {
    if (module == rename.from) return fmt::format("layers.{}.{}{}", rest.substr(0, dot), rename.to, rest.substr(last));
  }
  return "";
}

std::vector<io::TensorPart> published_qwen3(std::string_view name) {
  if (name.starts_with("blk.")) {
    const std::string renamed = from_gguf_block(name.substr(4));
    return renamed.empty() ? std::vector<io::TensorPart>{} : std::vector<io::TensorPart>{{renamed}};
  }
  for (const Rename& rename : gguf_names) {
    if (name.starts_with(rename.from)) return {{std::string(rename.to).append(name.substr(rename.from.size()))}};
  }
  for (const std::string_view prefix : inner_prefixes) {
    if (!name.starts_with(prefix)) continue;
    name.remove_prefix(prefix.size());
    break;
  }
  if (name.starts_with("layers.")) {
    for (const std::string_view module : {".self_attn.", ".mlp.", ".input_layernorm.", ".post_attention_layernorm."}) {
      if (name.find(module) != name.npos) return {{std::string(name)}};
    }
    return {};
  }
  for (const std::string_view start : {"embed_tokens.", "norm.", "lm_head."}) {
    if (name.starts_with(start)) return {{std::string(name)}};
  }
  return {};
}

/// A number of a GGUF header, as text there; nothing when it is not given.
template <class T>
void read_number(const std::map<std::string, std::string>& metadata, const std::string& key, T& value) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) return;
  const std::string& text = found->second;
  T parsed{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), parsed);
  if (error == std::errc() && end == text.data() + text.size() && parsed > 0) value = parsed;
}

}  // namespace

std::string llama_cpp_name(std::string name) {
  for (const Rename& rename : gguf_names) {
    if (name.starts_with(rename.to)) return std::string(rename.from).append(name.substr(rename.to.size()));
  }
  constexpr std::string_view layers = "layers.";
  if (!name.starts_with(layers)) return name;
  name = "blk." + name.substr(layers.size());
  for (const Rename& module : gguf_modules) {
    const std::string to = fmt::format(".{}.", module.to);
    if (const size_t at = name.find(to); at != std::string::npos)
      return name.replace(at, to.size(), fmt::format(".{}.", module.from));
  }
  return name;
}

io::TensorTable qwen3_table(io::Checkpoint checkpoint) { return qwen3_table_of(std::move(checkpoint), "text_encoder"); }

io::TensorTable qwen3_table_of(io::Checkpoint checkpoint, std::string_view component) {
  return {std::move(checkpoint),
          {.component = component,
           .prefixes = {"", "text_encoders.qwen3_4b.transformer.", "text_encoders.qwen3_4b.", "text_encoder."},
           .strays = {"logit_scale", "rope_freqs.weight"},
           .published = published_qwen3}};
}

Qwen3Config tell_qwen3_config(const io::TensorTable& table, const std::optional<Qwen3Config>& known) {
  Qwen3Config c = known.value_or(
      Qwen3Config{.max_position_embeddings = 40960, .tie_word_embeddings = !table.find("lm_head.weight")});
  const auto metadata = table.checkpoint().metadata();
  if (const auto found = metadata.find("general.architecture"); found != metadata.end()) {
    read_number(metadata, found->second + ".context_length", c.max_position_embeddings);
    read_number(metadata, found->second + ".rope.freq_base", c.rope_theta);
    read_number(metadata, found->second + ".attention.layer_norm_rms_epsilon", c.rms_norm_eps);
  }
  c.vocab_size = table.size("embed_tokens.weight", 0, 2);
  c.hidden_size = table.size("embed_tokens.weight", 1, 2);
  c.intermediate_size = table.size("layers.0.mlp.gate_proj.weight", 0, 2);
  c.num_hidden_layers = table.count_indices("layers.");
  c.head_dim = table.size("layers.0.self_attn.q_norm.weight", 0, 1);
  c.num_attention_heads = std::max<int64_t>(1, table.size("layers.0.self_attn.q_proj.weight", 0, 2) / c.head_dim);
  c.num_key_value_heads = std::max<int64_t>(1, table.size("layers.0.self_attn.k_proj.weight", 0, 2) / c.head_dim);
  return c;
}

}  // namespace llmdit::models
