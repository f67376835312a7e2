#include <algorithm>
#include <charconv>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "models/model_files.hpp"

namespace llmdit::models {
namespace {

constexpr std::string_view prefix_list[] = {"", "vae.", "first_stage_model."};

// Modules of single files, applied one after another to what stands behind "encoder." or "decoder.".
constexpr Rename modules[] = {
    {"mid.block_1.", "mid_block.resnets.0."},
    {"mid.block_2.", "mid_block.resnets.1."},
    {"mid.attn_1.norm.", "mid_block.attentions.0.group_norm."},
    {"mid.attn_1.q.", "mid_block.attentions.0.to_q."},
    {"mid.attn_1.k.", "mid_block.attentions.0.to_k."},
    {"mid.attn_1.v.", "mid_block.attentions.0.to_v."},
    {"mid.attn_1.proj_out.", "mid_block.attentions.0.to_out.0."},
    // Early diffusers.
    {"mid_block.attentions.0.query.", "mid_block.attentions.0.to_q."},
    {"mid_block.attentions.0.key.", "mid_block.attentions.0.to_k."},
    {"mid_block.attentions.0.value.", "mid_block.attentions.0.to_v."},
    {"mid_block.attentions.0.proj_attn.", "mid_block.attentions.0.to_out.0."},
};

/// A number at the start of `text`, which is cut off together with the dot behind it.
std::optional<int64_t> take_index(std::string_view& text) {
  int64_t index = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (error != std::errc() || end == text.data() + text.size() || *end != '.' || index < 0) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()) + 1);
  return index;
}

std::string rename_shortcut(std::string_view rest) {
  constexpr std::string_view old = "nin_shortcut.";
  return rest.starts_with(old) ? std::string("conv_shortcut.").append(rest.substr(old.size())) : std::string(rest);
}

/// What stands behind "down." or "up." in a single file; levels count from the other end in the decoder.
std::string rename_level(std::string_view rest, bool is_decoder, int64_t levels) {
  const auto level = take_index(rest);
  if (!level) return "";
  const std::string block =
      is_decoder ? fmt::format("up_blocks.{}.", levels - 1 - *level) : fmt::format("down_blocks.{}.", *level);
  if (rest.starts_with("block.")) {
    rest.remove_prefix(6);
    const auto resnet = take_index(rest);
    return resnet ? fmt::format("{}resnets.{}.{}", block, *resnet, rename_shortcut(rest)) : "";
  }
  if (rest.starts_with("downsample.")) return block + "downsamplers.0." + std::string(rest.substr(11));
  if (rest.starts_with("upsample.")) return block + "upsamplers.0." + std::string(rest.substr(9));
  return "";
}

std::string rename_half(std::string_view rest, bool is_decoder, int64_t levels) {
  const std::string_view start = is_decoder ? "up." : "down.";
  if (rest.starts_with(start)) return rename_level(rest.substr(start.size()), is_decoder, levels);
  for (const Rename& module : modules) {
    if (rest.starts_with(module.from)) return std::string(module.to).append(rest.substr(module.from.size()));
  }
  if (rest.starts_with("norm_out.")) return std::string("conv_").append(rest);
  return std::string(rest);
}

std::vector<io::TensorPart> published(std::string_view name, int64_t levels) {
  for (const std::string_view half : {"encoder.", "decoder."}) {
    if (!name.starts_with(half)) continue;
    const std::string rest = rename_half(name.substr(half.size()), half == "decoder.", levels);
    if (rest.empty()) return {};
    return {{std::string(half) + rest}};
  }
  return {};
}

/// How many "up.N." levels a single file has; 0 for diffusers' names.
int64_t count_levels(const io::Checkpoint& checkpoint) {
  int64_t levels = 0;
  for (const std::string& key : checkpoint.names()) {
    auto name = io::strip_prefix(key, {std::begin(prefix_list), std::end(prefix_list)});
    if (!name || !name->starts_with("decoder.up.")) continue;
    name->remove_prefix(11);
    if (const auto level = take_index(*name)) levels = std::max(levels, std::min<int64_t>(*level, 64) + 1);
  }
  return levels;
}

}  // namespace

std::string single_file_vae_name(std::string name, int64_t levels) {
  const size_t half = name.find('.') + 1;
  std::string rest = name.substr(half);
  const bool is_decoder = name.starts_with("decoder.");
  const std::string_view start = is_decoder ? "up_blocks." : "down_blocks.";
  if (rest.starts_with(start)) {
    std::string_view behind = std::string_view(rest).substr(start.size());
    const auto level = take_index(behind);
    if (!level) return name;
    std::string inside(behind);
    const auto swap = [&](std::string_view from, std::string_view to) {
      if (const size_t at = inside.find(from); at != std::string::npos) inside.replace(at, from.size(), to);
    };
    swap("resnets.", "block.");
    swap("conv_shortcut.", "nin_shortcut.");
    swap("downsamplers.0.", "downsample.");
    swap("upsamplers.0.", "upsample.");
    rest = fmt::format("{}.{}.{}", is_decoder ? "up" : "down", is_decoder ? levels - 1 - *level : *level, inside);
  }
  for (const Rename& module : modules) {
    if (rest.starts_with(module.to))
      return name.substr(0, half).append(module.from).append(rest.substr(module.to.size()));
  }
  if (rest.starts_with("conv_norm_out.")) rest = rest.substr(5);
  return name.substr(0, half) + rest;
}

io::TensorTable autoencoder_table(io::Checkpoint checkpoint) {
  const int64_t levels = count_levels(checkpoint);
  return {std::move(checkpoint),
          {.component = "vae",
           .prefixes = {std::begin(prefix_list), std::end(prefix_list)},
           .strays = {},
           .published = [levels](std::string_view name) { return published(name, levels); }}};
}

AutoencoderKLConfig tell_autoencoder_config(const io::TensorTable& table,
                                            const std::optional<AutoencoderKLConfig>& known) {
  // That of Flux, which Z-Image shares.
  AutoencoderKLConfig c = known.value_or(AutoencoderKLConfig{
      .norm_num_groups = 32, .sample_size = 1024, .scaling_factor = 0.3611, .shift_factor = 0.1159});
  c.latent_channels = table.size("decoder.conv_in.weight", 1, 4);
  c.out_channels = table.size("decoder.conv_out.weight", 0, 4);
  c.in_channels = table.find("encoder.conv_in.weight") ? table.size("encoder.conv_in.weight", 1, 4) : c.out_channels;
  const int64_t levels = table.count_indices("decoder.up_blocks.");
  c.layers_per_block = std::max<int64_t>(1, table.count_indices("decoder.up_blocks.0.resnets.") - 1);
  c.block_out_channels.clear();
  for (int64_t i = levels - 1; i >= 0; --i) {
    c.block_out_channels.push_back(table.size(fmt::format("decoder.up_blocks.{}.resnets.0.conv1.weight", i), 0, 4));
  }
  c.mid_block_add_attention = table.find("decoder.mid_block.attentions.0.to_q.weight") != nullptr;
  return c;
}

}  // namespace llmdit::models
