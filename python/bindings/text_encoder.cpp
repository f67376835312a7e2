#include "llmdit/text_encoder.hpp"

#include <fmt/format.h>

#include <variant>

#include "bindings.hpp"
#include "closing.hpp"
#include "layer_weights.hpp"
#include "llmdit/embedding_cache.hpp"
#include "models.hpp"
#include "record.hpp"
#include "tensors.hpp"
#include "text_generation.hpp"

namespace llmdit::python {
namespace {

/// Where the tokenizer of an encoder lies when it is not named: beside it in a diffusers folder, else in the same
/// folder.
std::filesystem::path tokenizer_beside(const std::filesystem::path& encoder) {
  const std::filesystem::path sibling =
      std::filesystem::absolute(encoder).lexically_normal().parent_path() / "tokenizer";
  return std::filesystem::exists(sibling) ? sibling : encoder;
}

/// Token ids from a sequence or from a tensor [tokens] or [1, tokens] of any integer type.
std::vector<int64_t> to_ids(const std::variant<at::Tensor, std::vector<int64_t>>& input) {
  if (const auto* list = std::get_if<std::vector<int64_t>>(&input)) return *list;
  at::Tensor ids = std::get<at::Tensor>(input);
  if (ids.dim() == 2 && ids.size(0) == 1) ids = ids[0];
  if (ids.dim() != 1 || !at::isIntegralType(ids.scalar_type(), /*includeBool=*/false)) {
    throw py::value_error("input_ids are integers of one sequence, [tokens]; encode each prompt of a batch by itself");
  }
  ids = ids.to(at::kCPU, at::kLong).contiguous();
  return {ids.const_data_ptr<int64_t>(), ids.const_data_ptr<int64_t>() + ids.numel()};
}

using LayerArgument = std::variant<int64_t, std::string, std::vector<int64_t>>;

py::object layer_of_text(const ZImageTextEncoder& self, const std::variant<at::Tensor, std::vector<int64_t>>& input_ids,
                         const LayerArgument& layer) {
  const std::vector<int64_t> ids = to_ids(input_ids);
  const auto without_lock = [](auto work) {
    py::gil_scoped_release released;
    return ordinary(work());
  };
  if (const auto* one = std::get_if<int64_t>(&layer)) {
    const EncodeOptions options{.hidden_layer = *one};
    return py::cast(without_lock([&] { return self.hidden_states(ids, options); }));
  }
  std::vector<int64_t> layers;
  if (const auto* list = std::get_if<std::vector<int64_t>>(&layer)) {
    layers = *list;
    if (layers.empty()) return py::list();
  } else if (std::get<std::string>(layer) != "all") {
    throw py::type_error("layer is a number, a list of them or 'all', not '" + std::get<std::string>(layer) + "'");
  }
  return py::cast(without_lock([&] { return self.hidden_states(ids, std::span<const int64_t>(layers)); }));
}

/// What the model's own encoder has and others lack is told as such.
py::object missing_attribute(const py::object& self, const std::string& name) {
  const auto kind = py::cast<std::string>(py::type::of(self).attr("__name__"));
  std::string text = "'" + kind + "' object has no attribute '" + name + "'";
  if (py::hasattr(py::type::of<ZImageTextEncoder>(), name.c_str()))
    text += ": only a model that is loaded here has it, a ZImageTextEncoder such as pipe.text_encoder";
  throw py::attribute_error(text);
}

}  // namespace

void bind_text_encoder_base(py::module_& m) {
  Record<EncodingOutput>(m, "EncodingOutput", "Texts as the transformer takes them.")
      .read_only("embeddings", &EncodingOutput::embeddings, "One [tokens, hidden_size] a text, float32 on a CPU.")
      .read_only("token_counts", &EncodingOutput::token_counts, "One a text.")
      .read_only("formatted_prompts", &EncodingOutput::formatted_prompts, "The chat texts that were encoded.")
      .read_only("prompts", &EncodingOutput::prompts,
                 "The prompts as they were written; empty where that is not known.")
      .read_only("metadata", &EncodingOutput::metadata, "What else made them, by name: 'encoder', 'hidden_layer', ...")
      .read_only("warnings", &EncodingOutput::warnings, "What there is to be said of them, in words.");

  py::class_<TextEncoder, std::shared_ptr<TextEncoder>>(
      m, "TextEncoder", "What turns chat text into prompt embeddings, here or on another machine.")
      .def(
          "encode",
          [](const TextEncoder& self, const std::variant<std::string, std::vector<std::string>>& texts,
             std::optional<int64_t> hidden_layer, const WeightsArgument& layer_weights,
             const SpansArgument& layer_spans) {
            const EncodeOptions options = encode_options(hidden_layer, layer_weights, layer_spans);
            py::gil_scoped_release released;
            EncodingOutput output = self.encode(as_list(texts), options);
            output.embeddings = ordinary(std::move(output.embeddings));
            return output;
          },
          py::arg("texts"), py::kw_only(), py::arg("hidden_layer") = py::none(), py::arg("layer_weights") = py::none(),
          py::arg("layer_spans") = py::none(),
          "Encodes chat text, or a list of them, each by itself, as it stands: format_prompt makes it from a prompt.\n"
          "What all of a list begin with, such as a system prompt, is computed once: equal to float32 rounding.\n"
          "layer_weights: a mix of layers instead of one, {-2: 0.7, -5: 0.3} or '-2:0.7,-5:0.3'.\n"
          "layer_spans: mixes of some tokens, such as '3:12=-5:1' for tokens 3 to 11, or a list of them.\n"
          "Raises InvalidArgument for a layer or span out of range, a text that is empty or too long, or a closed "
          "encoder;\n"
          "RemoteError for a server that fails; NotFound where only a cache's folder is asked and has not the text.")
      .def_property_readonly("hidden_size", &TextEncoder::hidden_size,
                             "Columns of the embeddings; 0 where their number shows only with the first ones.")
      .def("__getattr__", &missing_attribute, py::arg("name"))
      .def("__repr__",
           [](const TextEncoder& self) { return fmt::format("<llmdit.TextEncoder {} wide>", self.hidden_size()); })
      .def("fingerprint", &TextEncoder::fingerprint, NoGil(),
           "A digest of all that embeddings depend on besides text and options: the content of weights and adapters,\n"
           "types, tokenizer, kind of device, version. '' where it is not known. Reads all weights once.\n"
           "Raises InvalidArgument for an encoder that is closed.");
}

void bind_text_encoder(py::module_& m) {
  Record<Qwen3Config>(m, "Qwen3Config", "config.json of a Qwen3 model.")
      .read_only("vocab_size", &Qwen3Config::vocab_size,
                 "Rows of the token embeddings; the tokenizer may have fewer tokens.")
      .read_only("hidden_size", &Qwen3Config::hidden_size, "Width of the hidden states.")
      .read_only("intermediate_size", &Qwen3Config::intermediate_size, "Width of the feed-forward layers.")
      .read_only("num_hidden_layers", &Qwen3Config::num_hidden_layers, "Blocks.")
      .read_only("num_attention_heads", &Qwen3Config::num_attention_heads, "Heads of queries.")
      .read_only("num_key_value_heads", &Qwen3Config::num_key_value_heads, "Heads of keys and values.")
      .read_only("head_dim", &Qwen3Config::head_dim, "Width of a head.")
      .read_only("max_position_embeddings", &Qwen3Config::max_position_embeddings, "Most tokens of a text.")
      .read_only("rms_norm_eps", &Qwen3Config::rms_norm_eps, "Added to the mean square in each norm.")
      .read_only("rope_theta", &Qwen3Config::rope_theta, "Base of the rotation.")
      .read_only("tie_word_embeddings", &Qwen3Config::tie_word_embeddings,
                 "Whether the token embeddings are the head as well.");

  static const std::string generate_doc =
      "Lets the model go on with chat text, as format_prompt makes it.\n"
      "on_token: called with a TokenInfo for each token; returning True ends the text there.\n"
      "stop_ids: token ids that end the text besides the model's own.\n"
      "Raises InvalidArgument for a text and max_new_tokens past config.max_position_embeddings or a closed encoder,\n"
      "Unsupported for a checkpoint without a head, and what on_token raises.\n"
      "Other keywords:" +
      options_doc<TextGenerationOptions>();
  py::class_<ZImageTextEncoder, TextEncoder, std::shared_ptr<ZImageTextEncoder>> cls(
      m, "ZImageTextEncoder",
      "The local encoder: a tokenizer and a Qwen3 model whose blocks run only as far as needed.\n"
      "Immutable after loading; one encoder serves many threads.");
  def_loader(
      cls,
      "From a folder with config.json and weights, or a weight file, safetensors or GGUF. tokenizer_path: the\n"
      "tokenizer's folder or file; when it is not given, the folder `tokenizer` beside the encoder's, else the "
      "encoder's\n"
      "own, which may be inside a GGUF file.",
      [](const std::filesystem::path& path, const LoadOptions& options, const std::filesystem::path& config_path,
         const OptionalPath& tokenizer_path) {
        return ZImageTextEncoder::load(path, tokenizer_path ? *tokenizer_path : tokenizer_beside(path), options,
                                       config_path);
      },
      py::arg("tokenizer_path") = py::none());
  def_unload(cls)
      .def(
          "encode_blended",
          [](const ZImageTextEncoder& self, const std::variant<std::string, std::vector<std::string>>& texts,
             const LayerWeights& layer_weights) {
            const EncodeOptions options = encode_options({}, layer_weights, {});
            py::gil_scoped_release released;
            EncodingOutput output = self.encode(as_list(texts), options);
            output.embeddings = ordinary(std::move(output.embeddings));
            return output;
          },
          py::arg("texts"), py::arg("layer_weights"),
          "encode(texts, layer_weights=...): the mix of layers {layer: weight}, weights divided by their sum.\n"
          "Raises InvalidArgument for a layer out of range, or weights whose sum is not above 0.")
      .def(
          "hidden_states", &layer_of_text, py::arg("input_ids"), py::arg("layer"),
          "One entry of transformers' hidden_states for one sequence, [tokens, hidden_size]: 0 the embeddings,\n"
          "k after block k, -1 after the final norm. A list of layers gives a list of them from one pass, 'all' every\n"
          "entry. Raises InvalidArgument for an id outside the vocabulary, no ids, too many, or a layer out of range.")
      .def(
          "generate",
          [](const ZImageTextEncoder& self, const std::string& text, py::object on_token,
             const std::vector<int64_t>& stop_ids, const py::kwargs& keywords) {
            auto options = options_from<TextGenerationOptions>(keywords);
            RunningTokens tokens(std::move(on_token));
            options.on_token = tokens.callback();
            options.stop_ids = stop_ids;
            return run_with(tokens, [&] { return self.generate(text, options); });
          },
          py::arg("text"), py::kw_only(), py::arg("on_token") = py::none(),
          py::arg("stop_ids") = std::vector<int64_t>{}, generate_doc.c_str())
      .def_property_readonly(
          "stop_ids", &ZImageTextEncoder::stop_ids,
          "The token ids that end a text: <|im_end|>, <|endoftext|>, and what the configurations name.")
      .def("state_dict", &ZImageTextEncoder::state_dict, NoGil(),
           "The weights under transformers' names without 'model.', [out, in] or [out], as they are kept; quantised "
           "ones as\nfloat32. Raises InvalidArgument when the encoder is closed.")
      .def_property_readonly("config", &ZImageTextEncoder::config, "Sizes of the model, as config.json has them.")
      .def_property_readonly("cache", &ZImageTextEncoder::cache,
                             "The EmbeddingCache where encode looks first; None without one.")
      .def(
          "cache_stats",
          [](const ZImageTextEncoder& self) { return self.cache() ? self.cache()->stats() : EmbeddingCacheStats(); },
          "How the cache has served, as EmbeddingCacheStats; zeros without one.")
      .def(
          "clear_cache",
          [](const ZImageTextEncoder& self) {
            if (self.cache()) self.cache()->clear();
          },
          "Empties the cache's memory and sets its counts back; files stay. Does nothing without one.")
      .def_property_readonly("tokenizer", &ZImageTextEncoder::tokenizer, "Text to token ids and back.")
      .def_property_readonly("unused_weights", &ZImageTextEncoder::unused_weights,
                             "Tensors of the checkpoint that no part of the model asked for.")
      .def("__repr__", [](const ZImageTextEncoder& self) {
        if (!self.is_loaded()) return std::string("<llmdit.ZImageTextEncoder closed>");
        const Qwen3Config& c = self.config();
        return fmt::format("<llmdit.ZImageTextEncoder {} layers, {} wide, {}/{} heads, {} tokens>", c.num_hidden_layers,
                           c.hidden_size, c.num_attention_heads, c.num_key_value_heads, c.vocab_size);
      });
}

}  // namespace llmdit::python
