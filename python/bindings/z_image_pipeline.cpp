#include "llmdit/z_image_pipeline.hpp"

#include "bindings.hpp"
#include "chat.hpp"
#include "closing.hpp"
#include "generate_options.hpp"
#include "layer_weights.hpp"
#include "models.hpp"
#include "record.hpp"
#include "tensors.hpp"

#include "llmdit/error.hpp"

namespace llmdit::python {
namespace {

GenerateResult generate(const ZImagePipeline& self, const std::vector<std::string>& prompts,
                        const GenerateOptions& options) {
  RunningOptions running(options);
  GenerateResult result;
  try {
    py::gil_scoped_release released;
    result = self.generate(prompts, running.options());
    result.latents = ordinary(result.latents);
    result.pixels = ordinary(result.pixels);
    if (result.vl) result.vl->embeddings = ordinary_copy(result.vl->embeddings);
  } catch (const Error&) {
    running.rethrow();
    throw;
  }
  running.rethrow();
  // A signal that came after the last step, during decoding.
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  return result;
}

EncodingOutput encode_prompt(const ZImagePipeline& self,
                             const std::variant<std::string, std::vector<std::string>>& prompts,
                             std::optional<int64_t> hidden_layer, const WeightsArgument& layer_weights,
                             const SpansArgument& layer_spans, const py::kwargs& chat) {
  const ChatOptions chat_options = chat_options_from(chat);
  const EncodeOptions options = encode_options(hidden_layer, layer_weights, layer_spans);
  py::gil_scoped_release released;
  EncodingOutput output = self.encode_prompt(as_list(prompts), chat_options, options);
  output.embeddings = ordinary(std::move(output.embeddings));
  return output;
}

}  // namespace

void bind_z_image_pipeline(py::module_& m) {
  Record<Timings>(m, "Timings", "Seconds spent in each stage.")
      .read_only("encode", &Timings::encode, "Of text, and of a reference picture.")
      .read_only("denoise", &Timings::denoise, "Of all steps.")
      .read_only("decode", &Timings::decode, "Of latents to pixels.")
      .read_only("total", &Timings::total, "Of the whole call.")
      .read_only("steps", &Timings::steps, "Of each denoising step.");

  // The package wraps this one: its pictures are of the type that was asked for.
  Record<GenerateResult>(m, "GenerateResult", "What the library gives back.")
      .read_only("images", &GenerateResult::images, "8-bit pictures, prompt by prompt.")
      .read_only("pixels", &GenerateResult::pixels, "[batch, 3, height, width] float32 in 0..1.")
      .read_only("latents", &GenerateResult::latents, "[batch, channels, h, w] float32, final.")
      .read_only("seeds", &GenerateResult::seeds, "One a picture.")
      .read_only("sigmas", &GenerateResult::sigmas, "[steps + 1].")
      .read_only("token_counts", &GenerateResult::token_counts, "One a prompt.")
      .read_only("caption_lengths", &GenerateResult::caption_lengths, "One a prompt.")
      .read_only("compression_ratios", &GenerateResult::compression_ratios, "One a prompt.")
      .read_only("formatted_prompts", &GenerateResult::formatted_prompts, "One a prompt.")
      .read_only("vl", &GenerateResult::vl, "What was read of the reference picture.")
      .read_only("warnings", &GenerateResult::warnings, "In words.")
      .read_only("model", &GenerateResult::model, "Name of the model's folder or file.")
      .read_only("loras", &GenerateResult::loras, "That were loaded.")
      .read_only("prompt_template", &GenerateResult::prompt_template, "That the prompts were read in.")
      .read_only("reused_steps", &GenerateResult::reused_steps,
                 "Denoising steps, from 0, that step_cache kept from being run whole.")
      .read_only("vae_tiled", &GenerateResult::vae_tiled, "Whether the autoencoder worked tile by tile.")
      .read_only("shift", &GenerateResult::shift, "Of the noise levels; None where it depends on the picture's size.")
      .read_only("load", &GenerateResult::load, "The options that loaded the pipeline.")
      .read_only("made_with", &GenerateResult::made_with, "What the pictures depend on besides all options, by name.")
      .read_only("timings", &GenerateResult::timings, "Of the call.");

  py::class_<ZImagePipeline> cls(m, "ZImagePipeline", "Z-Image from prompt to picture; wrapped by the package.");
  cls.def_static(
      "from_pretrained",
      [](const std::optional<std::filesystem::path>& path, bool own_encoder,
         const std::shared_ptr<TextEncoder>& text_encoder, const py::kwargs& keywords) {
        const auto options = options_from<LoadOptions>(keywords);
        py::gil_scoped_release released;
        if (own_encoder) return ZImagePipeline::load(path.value_or(""), options);
        return ZImagePipeline::load(path.value_or(""), options, text_encoder);
      },
      py::arg("path") = py::none(), py::kw_only(), py::arg("own_encoder") = true, py::arg("text_encoder") = py::none());
  cls.def("generate", &generate, py::arg("prompts"), py::arg("options"))
      .def("encode_prompt", &encode_prompt, py::arg("prompts"), py::kw_only(), py::arg("hidden_layer") = py::none(),
           py::arg("layer_weights") = py::none(), py::arg("layer_spans") = py::none())
      .def(
          "load_loras",
          [](ZImagePipeline& self, const std::vector<Lora>& loras, bool strict) {
            return self.load_loras(loras, {.strict = strict});
          },
          py::arg("loras"), py::arg("strict"), NoGil())
      .def("unload_loras", &ZImagePipeline::unload_loras, NoGil())
      .def_property_readonly("loras", &ZImagePipeline::loras)
      .def_property_readonly("text_encoder", &ZImagePipeline::text_encoder)
      .def_property_readonly("encoder",
                             [](const ZImagePipeline& self) -> std::shared_ptr<TextEncoder> {
                               const auto encoder = self.encoder();
                               if (auto cached = std::dynamic_pointer_cast<const CachedTextEncoder>(encoder))
                                 return cached_encoder(cached);
                               return std::const_pointer_cast<TextEncoder>(encoder);
                             })
      .def_property_readonly("transformer", &ZImagePipeline::transformer)
      .def_property_readonly("vae", &ZImagePipeline::vae)
      .def_property_readonly("scheduler", &ZImagePipeline::scheduler)
      .def_property_readonly("vl_encoder", &ZImagePipeline::vl_encoder)
      .def_property_readonly("path", &ZImagePipeline::path)
      .def_property_readonly("size_multiple", &ZImagePipeline::size_multiple);

  Record<PictureSettings>(m, "PictureSettings", "What a picture's own text says of how it was made.")
      .read_only("prompt", &PictureSettings::prompt, "That the picture was made of.")
      .read_only("model", &PictureSettings::model, "Name of the model's folder or file.")
      .read_only("loras", &PictureSettings::loras, "That were loaded, each a Lora.")
      .read_only("options", &PictureSettings::options, "Of the call, a GenerateOptions.")
      .read_only("unrecorded", &PictureSettings::unrecorded,
                 "Inputs that a file cannot hold, e.g. 'image': give them anew.")
      .read_only("load", &PictureSettings::load,
                 "What bears on pictures of the options of loading, but for loras; None in pictures of earlier "
                 "versions.")
      .read_only("made_with", &PictureSettings::made_with, "What the picture depends on besides all options, by name.");
  m.def("read_picture_settings", &read_picture_settings, py::arg("picture"), NoGil(),
        "The settings in a picture that llmdit made; pipe(settings.prompt, options=settings.options) makes it again.\n"
        "Raises NotFound when it cannot be read, Unsupported when it holds no settings of ours, or some that this "
        "version\n"
        "does not know.");
  m.def("picture_parameters", &picture_parameters, py::arg("prompt"), py::arg("options"), py::arg("result"),
        py::arg("index"));
}

}  // namespace llmdit::python
