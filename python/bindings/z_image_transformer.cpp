#include "llmdit/z_image_transformer.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <variant>

#include "bindings.hpp"
#include "closing.hpp"
#include "models.hpp"
#include "record.hpp"
#include "tensors.hpp"

namespace llmdit::python {
namespace {

using TensorOrList = std::variant<at::Tensor, std::vector<at::Tensor>>;
using Times = std::variant<at::Tensor, double, std::vector<double>>;
using Prompts = std::variant<Conditioning, at::Tensor, std::vector<at::Tensor>>;

/// One model time an item; a single number, or a tensor with one element, stands for all.
at::Tensor to_times(const Times& t, int64_t batch) {
  if (const auto* list = std::get_if<std::vector<double>>(&t)) return at::tensor(*list, at::kFloat);
  if (const auto* number = std::get_if<double>(&t)) return at::full({batch}, *number, at::kFloat);
  const at::Tensor times = std::get<at::Tensor>(t).to(at::kFloat);
  return times.dim() == 0 ? times.expand({batch}) : times;
}

Conditioning to_conditioning(const ZImageTransformer& self, const Prompts& prompts) {
  if (const auto* ready = std::get_if<Conditioning>(&prompts)) return *ready;
  if (const auto* batch = std::get_if<at::Tensor>(&prompts)) return self.condition(batch->unbind(0));
  return self.condition(std::get<std::vector<at::Tensor>>(prompts));
}

/// Items [channels, h, w] gain the frame axis the model has.
std::vector<at::Tensor> with_frames(std::vector<at::Tensor> items) {
  for (at::Tensor& item : items) {
    if (item.dim() == 3) item = item.unsqueeze(1);
  }
  return items;
}

TensorOrList forward(const ZImageTransformer& self, const TensorOrList& latents, const Times& t,
                     const Prompts& prompts) {
  py::gil_scoped_release released;
  const Conditioning conditioning = to_conditioning(self, prompts);
  if (const auto* items = std::get_if<std::vector<at::Tensor>>(&latents)) {
    const auto batch = static_cast<int64_t>(items->size());
    return ordinary(self.forward(with_frames(*items), to_times(t, batch), conditioning));
  }
  const at::Tensor& batch = std::get<at::Tensor>(latents);
  const at::Tensor times = to_times(t, batch.dim() > 0 ? batch.size(0) : 0);
  if (batch.dim() == 5 && batch.size(2) == 1) {
    return ordinary(self.forward(batch.squeeze(2), times, conditioning)).unsqueeze(2);
  }
  return ordinary(self.forward(batch, times, conditioning));
}

}  // namespace

void bind_z_image_transformer(py::module_& m) {
  m.attr("SEQ_MULTI_OF") = seq_multi_of;
  Record<ZImageTransformerConfig>(m, "ZImageTransformerConfig", "config.json of a ZImageTransformer2DModel.")
      .read_only("patch_size", &ZImageTransformerConfig::patch_size, "Side in latents of a patch, which becomes a row.")
      .read_only("f_patch_size", &ZImageTransformerConfig::f_patch_size, "Frames of a patch; 1.")
      .read_only("in_channels", &ZImageTransformerConfig::in_channels, "Of the latents.")
      .read_only("dim", &ZImageTransformerConfig::dim, "Width of a row.")
      .read_only("n_layers", &ZImageTransformerConfig::n_layers, "Blocks that see picture and caption.")
      .read_only("n_refiner_layers", &ZImageTransformerConfig::n_refiner_layers,
                 "Blocks of each refiner, of the picture's and of the caption's rows.")
      .read_only("n_heads", &ZImageTransformerConfig::n_heads, "Heads; they divide dim.")
      .read_only("cap_feat_dim", &ZImageTransformerConfig::cap_feat_dim,
                 "Columns of prompt embeddings: the text encoder's hidden_size.")
      .read_only("norm_eps", &ZImageTransformerConfig::norm_eps, "Added to the mean square in each norm.")
      .read_only("qk_norm", &ZImageTransformerConfig::qk_norm, "Whether queries and keys are normed.")
      .read_only("rope_theta", &ZImageTransformerConfig::rope_theta, "Base of the rotation.")
      .read_only("t_scale", &ZImageTransformerConfig::t_scale,
                 "What model time is multiplied by before it is embedded.")
      .read_only("axes_dims", &ZImageTransformerConfig::axes_dims,
                 "Columns of a head that each axis rotates: caption and time, height, width.")
      .read_only("axes_lens", &ZImageTransformerConfig::axes_lens, "Positions of each axis.");
  m.def("max_caption_len", &max_caption_len, py::arg("config"),
        "The longest caption in tokens that the rope tables of a ZImageTransformerConfig allow, a multiple of "
        "SEQ_MULTI_OF.");
  Record<Conditioning>(m, "Conditioning", "What of a batch of prompts does not depend on the denoising step.")
      .read_only("captions", &Conditioning::captions,
                 "Captions after embedder and context refiner, one [padded tokens, dim] an item.");

  py::class_<ZImageTransformer> cls(
      m, "ZImageTransformer",
      "The diffusion transformer. Immutable after loading; one transformer serves many threads.");
  def_loader(
      cls, "From a folder with config.json and weights, or a weight file of any published layout, safetensors or GGUF.",
      [](const std::filesystem::path& path, const LoadOptions& options, const std::filesystem::path& config_path) {
        return ZImageTransformer::load(path, options, config_path);
      });
  def_unload(cls)
      .def("__call__", &forward, py::arg("latents"), py::arg("t"), py::arg("prompt_embeds"),
           "The prediction for each item, with the sign and shape of diffusers' ZImageTransformer2DModel.\n"
           "latents: a list of [channels, 1, h, w], whose sizes may differ, or a batch [batch, channels, h, w].\n"
           "t: model time of each item, or one for all; 0 is noise, 1 the picture.\n"
           "prompt_embeds: a list of [tokens, cap_feat_dim], a batch of them, or the result of condition().\n"
           "Raises InvalidArgument for other shapes, counts that differ, sides that are no multiple of the patch or "
           "past the\n"
           "rope tables, or a closed transformer; OutOfMemory.")
      .def(
          "condition",
          [](const ZImageTransformer& self, const std::variant<at::Tensor, std::vector<at::Tensor>>& prompt_embeds,
             bool extrapolate) {
            const ConditionOptions options{.extrapolate = extrapolate};
            if (const auto* batch = std::get_if<at::Tensor>(&prompt_embeds))
              return self.condition(batch->unbind(0), options);
            return self.condition(std::get<std::vector<at::Tensor>>(prompt_embeds), options);
          },
          py::arg("prompt_embeds"), py::kw_only(), py::arg("extrapolate") = false, NoGil(),
          "Prompt embeddings, one [tokens, cap_feat_dim] a prompt, made ready for every step: a Conditioning.\n"
          "extrapolate: take captions past max_caption_len, at positions the model was not trained on.\n"
          "Raises InvalidArgument for another width, no rows, captions past max_caption_len without extrapolate, or a "
          "closed\n"
          "transformer.")
      .def("state_dict", &ZImageTransformer::state_dict, NoGil(),
           "The weights under their diffusers names, [out, in] or [out], as they are kept; quantised ones as float32.\n"
           "Raises InvalidArgument when the transformer is closed.")
      .def_property_readonly("config", &ZImageTransformer::config, "Sizes of the model, as config.json has them.")
      .def_property_readonly(
          "max_caption_len", [](const ZImageTransformer& self) { return max_caption_len(self.config()); },
          "The longest caption in tokens that the rope tables allow.")
      .def_property_readonly("unused_weights", &ZImageTransformer::unused_weights,
                             "Tensors of the checkpoint that no part of the model asked for.")
      .def("__repr__", [](const ZImageTransformer& self) {
        if (!self.is_loaded()) return std::string("<llmdit.ZImageTransformer closed>");
        const ZImageTransformerConfig& c = self.config();
        return fmt::format(
            "<llmdit.ZImageTransformer {} layers and {} refiners, {} wide, {} heads, captions to {} tokens>",
            c.n_layers, c.n_refiner_layers, c.dim, c.n_heads, max_caption_len(c));
      });
}

}  // namespace llmdit::python
