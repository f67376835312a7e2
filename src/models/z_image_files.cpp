#include <algorithm>
#include <array>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "models/model_files.hpp"

namespace llmdit::models {
namespace {

// Starts of names: the original's, and diffusers'. Every tensor of the model starts with one of the latter.
constexpr Rename starts[] = {
    {"x_embedder.", "all_x_embedder.2-1."},
    {"final_layer.", "all_final_layer.2-1."},
    {"all_x_embedder.", "all_x_embedder."},
    {"all_final_layer.", "all_final_layer."},
    {"cap_embedder.", "cap_embedder."},
    {"t_embedder.", "t_embedder."},
    {"x_pad_token", "x_pad_token"},
    {"cap_pad_token", "cap_pad_token"},
    {"layers.", "layers."},
    {"noise_refiner.", "noise_refiner."},
    {"context_refiner.", "context_refiner."},
};

// What a block is made of; "layers." alone is a start that other models share.
constexpr std::string_view block_modules[] = {".attention.", ".attention_norm", ".ffn_norm", ".feed_forward.",
                                              ".adaLN_modulation."};

// Modules inside the attention of a block.
constexpr Rename attention_modules[] = {
    {".attention.out.", ".attention.to_out.0."},
    {".attention.q_norm.", ".attention.norm_q."},
    {".attention.k_norm.", ".attention.norm_k."},
};

std::string replaced(std::string_view name, size_t at, const Rename& rename) {
  return std::string(name.substr(0, at)).append(rename.to).append(name.substr(at + rename.from.size()));
}

std::vector<io::TensorPart> published_z_image(std::string_view file_name) {
  const auto start = std::ranges::find_if(starts, [&](const Rename& r) { return file_name.starts_with(r.from); });
  if (start == std::end(starts)) return {};
  const bool is_block = start->from == "layers." || start->from.ends_with("refiner.");
  if (is_block &&
      std::ranges::none_of(block_modules, [&](std::string_view m) { return file_name.find(m) != file_name.npos; }))
    return {};
  const std::string name = replaced(file_name, 0, *start);
  constexpr std::string_view fused = ".attention.qkv.";
  if (const size_t at = name.find(fused); at != name.npos) {
    std::vector<io::TensorPart> parts;
    for (const std::string_view part : {".attention.to_q.", ".attention.to_k.", ".attention.to_v."}) {
      parts.push_back({replaced(name, at, {fused, part}), static_cast<int64_t>(parts.size()), 3});
    }
    return parts;
  }
  for (const Rename& module : attention_modules) {
    if (const size_t at = name.find(module.from); at != name.npos) return {{replaced(name, at, module)}};
  }
  return {{name}};
}

}  // namespace

std::string original_transformer_name(std::string name) {
  for (const Rename& start : starts) {
    if (start.from != start.to && name.starts_with(start.to)) return replaced(name, 0, {start.to, start.from});
  }
  for (const Rename& module : attention_modules) {
    if (const size_t at = name.find(module.to); at != std::string::npos)
      return replaced(name, at, {module.to, module.from});
  }
  return name;
}

io::TensorTable z_image_table(io::Checkpoint checkpoint) {
  return {std::move(checkpoint),
          {.component = "transformer",
           .prefixes = {"", "model.diffusion_model.", "diffusion_model.", "transformer."},
           .strays = {"norm_final.weight"},  // never used; some files hold junk there
           .published = published_z_image}};
}

ZImageTransformerConfig tell_z_image_config(const io::TensorTable& table,
                                            const std::optional<ZImageTransformerConfig>& known) {
  constexpr int64_t lumina_width = 2304;  // a model of the same family and names
  ZImageTransformerConfig c = known.value_or(ZImageTransformerConfig{.axes_lens = {1536, 512, 512}});
  c.dim = table.size("cap_embedder.1.weight", 0, 2);
  if (c.dim == lumina_width) {
    fail(ErrorCode::unsupported, "transformer", "expected a Z-Image transformer in {}, found Lumina-2 (width {})",
         io::printable_path(table.checkpoint().path()), c.dim);
  }
  c.cap_feat_dim = table.size("cap_embedder.1.weight", 1, 2);
  c.in_channels = table.size("all_x_embedder.2-1.weight", 1, 2) / (c.f_patch_size * c.patch_size * c.patch_size);
  c.n_layers = table.count_indices("layers.");
  c.n_refiner_layers = table.count_indices("noise_refiner.");
  c.qk_norm = table.find("layers.0.attention.norm_q.weight") != nullptr;
  // Without q and k norms nothing tells the width of a head.
  const int64_t head_dim = c.qk_norm ? table.size("layers.0.attention.norm_q.weight", 0, 1)
                                     : c.axes_dims[0] + c.axes_dims[1] + c.axes_dims[2];
  c.n_heads = std::max<int64_t>(1, c.dim / head_dim);
  if (c.axes_dims[0] + c.axes_dims[1] + c.axes_dims[2] != head_dim) {
    // The published split, 32 / 48 / 48 of 128, in proportion.
    if (head_dim % 16 != 0) {
      fail(ErrorCode::unsupported, "transformer",
           "expected a config.json beside {}: the rotary axes of heads of width {} cannot be told from the tensors",
           io::printable_path(table.checkpoint().path()), head_dim);
    }
    c.axes_dims = {head_dim / 4, head_dim / 8 * 3, head_dim / 8 * 3};
  }
  return c;
}

}  // namespace llmdit::models
