#include "llmdit/vl_encoder.hpp"

#include "llmdit/vl_chat_backend.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bindings.hpp"
#include "closing.hpp"
#include "image.hpp"
#include "options.hpp"
#include "record.hpp"
#include "tensors.hpp"
#include "text_generation.hpp"
#include "vl_image.hpp"

namespace llmdit::python {
namespace {

/// What an attribute of the reference's extractor is called here.
struct OldSelection {
  const char* keyword;
  const char* selection;
};
constexpr OldSelection old_selections[] = {{"image_tokens_only", "image_only"},
                                           {"image_tokens_no_markers", "image_only_no_markers"},
                                           {"text_tokens_only", "text_only"}};

VLExtractOptions extract_options_from(py::kwargs keywords) {
  std::vector<std::string> chosen;
  for (const auto& [keyword, selection] : old_selections) {
    if (!keywords.contains(keyword)) continue;
    if (py::cast<bool>(keywords.attr("pop")(keyword))) chosen.emplace_back(selection);
  }
  if (keywords.contains("token_selection") && !keywords["token_selection"].is_none() && !chosen.empty()) {
    chosen.emplace_back("token_selection");
  }
  if (chosen.size() > 1) {
    throw py::value_error(fmt::format("expected one selection of tokens, got {}", fmt::join(chosen, " and ")));
  }
  if (!chosen.empty()) keywords["token_selection"] = chosen.front();
  return options_from<VLExtractOptions>(keywords);
}

std::string old_selections_doc() {
  std::string text;
  for (const auto& [keyword, selection] : old_selections)
    text += fmt::format("\n    {}=False: token_selection={}", keyword, selection);
  return text;
}

std::optional<PixelValues> pixels_from(const std::optional<PixelArrays>& arrays) {
  return arrays ? std::optional(from_arrays(*arrays)) : std::nullopt;
}

void bind_configs(py::module_& m) {
  Record<Qwen3VLVisionConfig>(m, "Qwen3VLVisionConfig", "vision_config of a Qwen3-VL model.")
      .read_only("depth", &Qwen3VLVisionConfig::depth, "Blocks.")
      .read_only("hidden_size", &Qwen3VLVisionConfig::hidden_size, "Width of a patch's states.")
      .read_only("intermediate_size", &Qwen3VLVisionConfig::intermediate_size, "Width of the feed-forward layers.")
      .read_only("num_heads", &Qwen3VLVisionConfig::num_heads, "Heads; they divide hidden_size.")
      .read_only("in_channels", &Qwen3VLVisionConfig::in_channels, "Of the pictures; 3, RGB.")
      .read_only("patch_size", &Qwen3VLVisionConfig::patch_size, "Side of a patch in pixels.")
      .read_only("temporal_patch_size", &Qwen3VLVisionConfig::temporal_patch_size, "Frames of a patch.")
      .read_only("spatial_merge_size", &Qwen3VLVisionConfig::spatial_merge_size,
                 "Side in patches of the block that becomes one token.")
      .read_only("out_hidden_size", &Qwen3VLVisionConfig::out_hidden_size, "The language model's hidden_size.")
      .read_only("num_position_embeddings", &Qwen3VLVisionConfig::num_position_embeddings,
                 "Places of the learnt grid of positions, a square number.")
      .read_only("deepstack_visual_indexes", &Qwen3VLVisionConfig::deepstack_visual_indexes,
                 "Blocks whose outputs go to the first language layers as well.")
      .read_only("rope_theta", &Qwen3VLVisionConfig::rope_theta, "Base of the rotation.");
  Record<Qwen3VLConfig>(m, "Qwen3VLConfig", "config.json of a Qwen3-VL model.")
      .read_only("text", &Qwen3VLConfig::text, "Of the language part, a Qwen3Config.")
      .read_only("vision", &Qwen3VLConfig::vision, "Of the vision part, a Qwen3VLVisionConfig.")
      .read_only("mrope_section", &Qwen3VLConfig::mrope_section,
                 "Rotary frequencies of time, height and width, interleaved.")
      .read_only("image_token_id", &Qwen3VLConfig::image_token_id, "Stands for a token of the picture.")
      .read_only("vision_start_token_id", &Qwen3VLConfig::vision_start_token_id, "Stands before the picture.")
      .read_only("vision_end_token_id", &Qwen3VLConfig::vision_end_token_id, "Stands behind the picture.");
}

void bind_extraction(py::module_& m) {
  Record<VLExtraction> record(m, "VLExtraction", "Hidden states of a picture and a text, and how they came about.");
  record.read_only("embeddings", &VLExtraction::embeddings, "[num_tokens, hidden_size] float32 on the CPU.")
      .read_only("num_tokens", &VLExtraction::num_tokens, "Rows that were selected.")
      .read_only("hidden_layer", &VLExtraction::hidden_layer,
                 "Entry of hidden_states that they are of; negative ones count from the end.")
      .read_only("original_std", &VLExtraction::original_std, "Deviation of the rows after masking and selection.")
      .read_only("scaled_std", &VLExtraction::scaled_std, "Deviation of `embeddings`.")
      .read_only("scale_factor", &VLExtraction::scale_factor, "scaled_std over original_std; 1 when nothing is scaled.")
      .read_only("outlier_threshold", &VLExtraction::outlier_threshold,
                 "Deviation over the reference's above which a column was masked.")
      .read_only("masked_dimensions", &VLExtraction::masked_dimensions,
                 "The outlier columns, from 0; None while masking is off.")
      .read_only("masked_dim_ratios", &VLExtraction::masked_dim_ratios, "Deviation over the reference's, of these.")
      .read_only("text_description", &VLExtraction::text_description, "What was read with the picture.")
      .read_only("system_prompt", &VLExtraction::system_prompt, "Of a system turn; '' for none.")
      .read_only("full_prompt_with_tokens", &VLExtraction::full_prompt_with_tokens, "The text that was tokenised.")
      .read_only("input_token_ids", &VLExtraction::input_token_ids, "All of them, selected or not.")
      .read_only("model_variant", &VLExtraction::model_variant, "'instruct' or 'thinking'.")
      .read_only("chat_template_format", &VLExtraction::chat_template_format,
                 "'qwen3-vl', or 'qwen3-vl-thinking' where the template opens a think block.")
      .read_only("from_cache", &VLExtraction::from_cache, "The states had been computed for an earlier call.")
      .read_only("warnings", &VLExtraction::warnings, "What there is to be said of them, in words.");
  record.carried("token_selection", &VLExtraction::token_selection)
      .carried("normalization_mode", &VLExtraction::normalization_mode)
      .carried("outlier_masking", &VLExtraction::outlier_masking)
      .cls()
      .def_property_readonly(
          "token_selection", [](const VLExtraction& self) { return token_selection_name(self.token_selection); },
          "Which rows were taken: 'all', 'image_only', 'image_only_no_markers' or 'text_only'.")
      .def_property_readonly(
          "normalization_mode", [](const VLExtraction& self) { return normalization_name(self.normalization_mode); },
          "How they were scaled: 'global', 'per_dim' or 'hybrid'.")
      .def_property_readonly(
          "outlier_masking", [](const VLExtraction& self) { return outlier_mode_name(self.outlier_masking); },
          "What was done with outlier columns: 'none', 'zero', 'clamp' or 'scale'.");
}

VLExtraction extract(const VLEmbeddingExtractor& self, const py::object& image, const std::optional<std::string>& text,
                     const std::optional<ReferenceStatistics>& statistics, const py::kwargs& keywords) {
  const Image picture = any_image_from(image);
  VLExtractOptions options = extract_options_from(keywords);
  options.statistics = statistics;
  py::gil_scoped_release released;
  VLExtraction result = self.extract(picture, text.value_or(""), options);
  result.embeddings = ordinary_copy(result.embeddings);
  return result;
}

std::vector<at::Tensor> layers_of_picture(const VLEmbeddingExtractor& self, const std::vector<int64_t>& input_ids,
                                          const std::optional<PixelArrays>& pixels,
                                          const std::vector<int64_t>& layers) {
  const auto values = pixels_from(pixels);
  py::gil_scoped_release released;
  return ordinary_copy(self.hidden_states(input_ids, values ? &*values : nullptr, layers));
}

at::Tensor position_ids(const VLEmbeddingExtractor& self, const std::vector<int64_t>& input_ids,
                        const std::optional<PixelArrays>& pixels) {
  const auto values = pixels_from(pixels);
  return ordinary_copy(self.position_ids(input_ids, values ? &*values : nullptr));
}

GeneratedText generate_text(const VLEmbeddingExtractor& self, const py::object& image,
                            const std::optional<std::string>& text, const std::string& system_prompt,
                            py::object on_token, const std::vector<int64_t>& stop_ids, const py::kwargs& keywords) {
  auto options = options_from<TextGenerationOptions>(keywords);
  const std::optional<Image> picture = image.is_none() ? std::nullopt : std::optional(any_image_from(image));
  RunningTokens tokens(std::move(on_token));
  options.on_token = tokens.callback();
  options.stop_ids = stop_ids;
  return run_with(
      tokens, [&] { return self.generate(picture ? &*picture : nullptr, text.value_or(""), options, system_prompt); });
}

std::pair<at::Tensor, std::vector<at::Tensor>> image_features(const VLEmbeddingExtractor& self,
                                                              const PixelArrays& pixels) {
  const PixelValues values = from_arrays(pixels);
  py::gil_scoped_release released;
  const VLImageFeatures features = self.image_features(values);
  return {ordinary_copy(features.embeddings), ordinary_copy(features.deepstack)};
}

}  // namespace

void bind_vl_encoder(py::module_& m) {
  bind_configs(m);
  bind_extraction(m);
  using Extractor = VLEmbeddingExtractor;
  py::class_<Extractor> cls(m, "VLEmbeddingExtractor",
                            "Reads pictures with Qwen3-VL: hidden states that prompt embeddings are blended with.\n"
                            "One extractor serves many threads.");
  cls.def_static(
      "from_pretrained",
      [](const std::filesystem::path& path, bool auto_unload, int64_t cache_size, const py::kwargs& keywords) {
        const auto options = options_from<LoadOptions>(keywords);
        py::gil_scoped_release released;
        return Extractor::load(path, options, {.auto_unload = auto_unload, .cache_size = cache_size});
      },
      py::arg("path"), py::kw_only(), py::arg("auto_unload") = Extractor::Settings{}.auto_unload,
      py::arg("cache_size") = Extractor::Settings{}.cache_size,
      ("From a folder of Qwen3-VL as published, or a hub id in the local cache.\n"
       "auto_unload: free the weights after each call; the next one maps them again.\n"
       "cache_size: hidden states that are kept, by picture, text and layer; 0 keeps none.\n"
       "Raises NotFound for a missing file, Unsupported for one that is damaged or lacks the vision part, "
       "InvalidArgument\n"
       "for an option that cannot be.\nOther keywords:" +
       options_doc<LoadOptions>())
          .c_str());
  def_unload(cls)
      .def("extract", &extract, py::arg("image"), py::arg("text") = py::none(), py::kw_only(),
           py::arg("statistics") = py::none(),
           ("Hidden states of a picture and a text as a VLExtraction. statistics: ReferenceStatistics of the text\n"
            "encoder, for masking and scaling by column.\n"
            "Raises InvalidArgument for a text that holds image tokens, a selection without its markers, statistics "
            "that "
            "are\nneeded and not given, or a closed extractor.\nOther keywords:" +
            options_doc<VLExtractOptions>() + old_selections_doc())
               .c_str())
      .def("generate", &generate_text, py::arg("image") = py::none(), py::arg("text") = py::none(), py::kw_only(),
           py::arg("system_prompt") = "", py::arg("on_token") = py::none(),
           py::arg("stop_ids") = std::vector<int64_t>{},
           ("Writes about a picture, or from text alone, as a GeneratedText; a Thinking model begins inside its think\n"
            "block. on_token: called with a TokenInfo for each token; returning True ends the text there.\n"
            "stop_ids: token ids that end the text besides the model's own.\n"
            "Raises InvalidArgument for text and max_new_tokens past the model's positions or a closed extractor, and "
            "what\n"
            "on_token raises.\nOther keywords:" +
            options_doc<TextGenerationOptions>())
               .c_str())
      .def(
          "preprocess",
          [](const Extractor& self, const py::object& image) {
            const Image picture = any_image_from(image);
            py::gil_scoped_release released;
            return to_arrays(self.preprocess(picture));
          },
          py::arg("image"),
          "(pixel_values [patches, columns] float32, image_grid_thw [1, 3] int64) of a picture, as this model takes "
          "it.\nRaises InvalidArgument for a picture that it does not take.")
      .def("image_features", &image_features, py::arg("pixels"),
           "What preprocess gives to (embeddings [image tokens, hidden_size], list of deepstack additions of that "
           "shape).\n"
           "Raises InvalidArgument for pixels of another shape, or a closed extractor.")
      .def("position_ids", &position_ids, py::arg("input_ids"), py::arg("pixels") = py::none(),
           "Positions int64 [3, tokens] of time, height and width. pixels: what preprocess gives; None: text alone.\n"
           "Raises InvalidArgument for image tokens that are not as many as the picture's.")
      .def("hidden_states", &layers_of_picture, py::arg("input_ids"), py::arg("pixels"), py::arg("layers"),
           "Entries of transformers' hidden_states, each [tokens, hidden_size]; pixels None: text alone.\n"
           "Raises InvalidArgument for ids outside the vocabulary, image tokens that are not the picture's, a layer "
           "out of\n"
           "range, or a closed extractor.")
      .def(
          "format",
          [](const Extractor& self, int64_t image_tokens, const std::string& text, const py::kwargs& keywords) {
            return self.format(image_tokens, text, extract_options_from(keywords));
          },
          py::arg("image_tokens"), py::arg("text") = "",
          "The text that is tokenised for a picture of so many image tokens; 0: for text alone. Keywords are those of\n"
          "extract. Raises InvalidArgument for a text that holds image tokens.")
      .def_property_readonly("config", &Extractor::config, "Sizes of the model, as config.json has them.")
      .def_property_readonly("image_options", &Extractor::image_options, "How it takes pictures, a VLImageOptions.")
      .def_property_readonly("tokenizer", &Extractor::tokenizer, "Text to token ids and back.")
      .def_property_readonly("hidden_size", &Extractor::hidden_size, "Columns of the hidden states.")
      .def_property_readonly("stop_ids", &Extractor::stop_ids, "The token ids that end a text.")
      .def_property_readonly("model_variant", &Extractor::model_variant, "'instruct' or 'thinking'.")
      .def_property_readonly("unused_weights", &Extractor::unused_weights,
                             "Tensors of the files that no part of the model asked for.")
      .def_property_readonly("path", &Extractor::path, "The folder it was loaded from.")
      .def_property_readonly("is_loaded", &Extractor::is_loaded, "Whether the weights are in memory now.")
      .def("unload", &Extractor::unload, NoGil(),
           "As close: frees the weights for good. Calls that need them raise InvalidArgument from then on.")
      .def("__repr__", [](const Extractor& self) {
        return fmt::format("<llmdit.vl.VLEmbeddingExtractor {} layers, {} wide, {}>",
                           self.config().text.num_hidden_layers, self.hidden_size(), self.model_variant());
      });

  using Chat = BackendHandle<VLChatBackend>;
  py::class_<Chat, ChatBackend, std::shared_ptr<Chat>> chat(
      m, "VLChatBackend", "A Qwen3-VL model that answers questions about pictures, for PromptRewriter.");
  def_not_copied(chat, "make one in each process, of an extractor that is loaded there");
  def_close(chat, &Chat::close, close_doc)
      .def(py::init([](const Extractor& extractor) {
             return std::make_shared<Chat>(
                 "VLChatBackend", std::make_shared<const VLChatBackend>(extractor),
                 fmt::format("of {} layers, {}", extractor.config().text.num_hidden_layers, extractor.model_variant()));
           }),
           py::arg("extractor"), "extractor: a VLEmbeddingExtractor, whose model is asked.")
      .def("__repr__", [](const Chat& self) { return "<llmdit.vl." + self.repr() + ">"; });
}

}  // namespace llmdit::python
