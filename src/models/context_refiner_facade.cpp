#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/GradMode.h>

#include <atomic>
#include <cmath>

#include "base/check.hpp"
#include "base/load_options.hpp"
#include "base/translate.hpp"
#include "io/encoding.hpp"
#include "io/model_config.hpp"
#include "models/context_refiner.hpp"
#include "models/model_files.hpp"
#include "nn/gradient_checkpoint.hpp"

namespace llmdit {

using models::PackedRows;
using models::RefinerBlock;

struct [[gnu::visibility("hidden")]] ContextRefiner::Impl {
  Impl(ContextRefinerConfig resolved, c10::Device device, models::Computation computation,
       const models::ParameterSource& source);

  PackedRows pack(const at::Tensor& x, const at::Tensor& positions, std::vector<int64_t> lengths) const;
  at::Tensor default_positions(int64_t tokens) const;
  at::Tensor checked_positions(const at::Tensor& positions, int64_t tokens) const;
  void check_rows(const at::Tensor& x, bool batched) const;
  at::Tensor refine(PackedRows rows) const;

  ContextRefinerConfig config;
  c10::Device device;
  models::Computation computation;
  std::vector<RefinerBlock> blocks;
  std::atomic<bool> checkpointing = false;
};

namespace {

namespace fs = std::filesystem;
using Files = models::ModelFiles<ContextRefinerConfig>;

constexpr std::string_view module_name = "context_refiner.";

std::string sizes_of(const at::Tensor& tensor) {
  return tensor.defined() ? fmt::format("[{}]", fmt::join(tensor.sizes(), ", ")) : "none";
}

// --- rows and masks
// -----------------------------------------------------------------------------------------------------------

/// The rows of a batch that take part.
struct KeptRows {
  at::Tensor index;              ///< int64, into the rows of all sequences
  std::vector<int64_t> lengths;  ///< of each sequence
};

KeptRows kept_rows(const at::Tensor& attention_mask, const at::Tensor& x) {
  const auto shape = x.sizes().slice(0, static_cast<size_t>(x.dim() - 1));
  check(attention_mask.sizes() == shape, "context_refiner", "expected attention_mask of [{}], got {}",
        fmt::join(shape, ", "), sizes_of(attention_mask));
  check(at::isIntegralType(attention_mask.scalar_type(), /*includeBool=*/true), "context_refiner",
        "expected attention_mask of bool or of integers 0 and 1, got {}", c10::toString(attention_mask.scalar_type()));
  const at::Tensor values = attention_mask.to(at::kCPU, at::kLong).view({-1, x.size(-2)});
  check(values.ge(0).logical_and(values.le(1)).all().item<bool>(), "context_refiner",
        "expected 0 and 1 in attention_mask, got {} to {}", values.min().item<int64_t>(), values.max().item<int64_t>());
  const at::Tensor counts = values.sum(1);
  KeptRows kept{.index = values.flatten().nonzero().squeeze(1), .lengths = {}};
  for (int64_t i = 0; i < counts.size(0); ++i) {
    kept.lengths.push_back(counts[i].item<int64_t>());
    check(kept.lengths.back() > 0, "context_refiner",
          "expected a row that takes part in each sequence, got none in the attention_mask of sequence {}", i);
  }
  return kept;
}

// --- parameters
// ---------------------------------------------------------------------------------------------------------------

/// Draws as torch.nn.Linear and RMSNorm do.
at::Tensor drawn(at::IntArrayRef shape, at::Generator& generator) {
  at::Tensor tensor = at::ones(shape, at::kFloat);
  if (shape.size() < 2) return tensor;
  const double bound = 1.0 / std::sqrt(static_cast<double>(shape[1]));
  return tensor.uniform_(-bound, bound, generator);
}

ContextRefinerConfig refiner_config(const ZImageTransformerConfig& c) {
  ContextRefinerConfig refiner;
  refiner.dim = c.dim;
  refiner.n_layers = c.n_refiner_layers;
  refiner.n_heads = c.n_heads;
  refiner.norm_eps = c.norm_eps;
  refiner.qk_norm = c.qk_norm;
  refiner.rope_theta = c.rope_theta;
  refiner.max_seq_len = c.axes_lens[0] - 1;  // positions begin at 1
  refiner.axes_dims = c.axes_dims;
  return refiner;
}

/// Sizes from the tensors, what these do not tell from `known`, or as the published model has it.
ContextRefinerConfig told_config(const io::TensorTable& table, const std::optional<ZImageTransformerConfig>& known) {
  const ZImageTransformerConfig published{.axes_lens = {1536, 512, 512}};
  ContextRefinerConfig c = refiner_config(known.value_or(published));
  const std::string path = io::printable_path(table.checkpoint().path());
  const std::string first = std::string(module_name) + "0.";
  c.n_layers = table.count_indices(module_name);
  if (c.n_layers == 0) {
    fail(ErrorCode::unsupported, "context_refiner", "expected tensors of a context_refiner in {}, found none", path);
  }
  c.dim = table.size(first + "attention.to_q.weight", 1, 2);
  c.ffn_hidden = table.size(first + "feed_forward.w1.weight", 0, 2);
  c.qk_norm = table.find(first + "attention.norm_q.weight") != nullptr;
  if (!c.qk_norm && !known) {
    fail(ErrorCode::unsupported, "context_refiner",
         "expected a config.json beside {}, or config_path: without norm_q the tensors do not tell the width of a head",
         path);
  }
  const int64_t head_dim =
      c.qk_norm ? table.size(first + "attention.norm_q.weight", 0, 1) : known->dim / known->n_heads;
  const int64_t kv_width = table.size(first + "attention.to_k.weight", 0, 2);
  if (c.dim % head_dim != 0 || kv_width % head_dim != 0 || c.dim % kv_width != 0 || head_dim % 2 != 0) {
    fail(ErrorCode::unsupported, "context_refiner",
         "expected to_q and to_k in {} to be whole heads of {} rows, found {} "
         "and {} rows",
         path, head_dim, c.dim, kv_width);
  }
  c.n_heads = c.dim / head_dim;
  c.n_kv_heads = kv_width / head_dim;
  const auto& axes = *c.axes_dims;
  if (axes[0] + axes[1] + axes[2] == head_dim) return c;
  if (head_dim % 16 != 0) {
    fail(ErrorCode::unsupported, "context_refiner",
         "expected a config.json beside {}, or config_path: the rotary axes of heads of width {} cannot be told from "
         "the "
         "tensors",
         path, head_dim);
  }
  c.axes_dims.reset();
  return c;
}

Files open_refiner(const fs::path& path, const fs::path& config_path, bool legacy_rope) {
  io::TensorTable table = models::z_image_table(io::Checkpoint::open(path));
  ContextRefinerConfig config;
  if (const auto own = models::own_config(path, table, "ZImageTransformer2DModel")) {
    config = refiner_config(models::parse_z_image_config(*own));
    if (config.n_layers == 0) {
      fail(ErrorCode::unsupported, "context_refiner",
           "expected n_refiner_layers of at least 1 in the configuration of {}, "
           "found 0: this transformer has no context refiner",
           io::printable_path(path));
    }
  } else {
    std::optional<ZImageTransformerConfig> known;
    if (!config_path.empty()) known = models::parse_z_image_config(io::read_config(config_path));
    config = told_config(table, known);
  }
  config.legacy_rope = legacy_rope;
  if (legacy_rope) config.axes_dims.reset();
  return {std::move(table), models::resolved(config)};
}

/// Nothing of the file's refiner may be left over.
void check_all_used(const nn::WeightStore& store, const ContextRefinerConfig& config) {
  for (const auto& [name, place] : store.table().places()) {
    if (!name.starts_with(module_name) || store.given().contains(name)) continue;
    fail(ErrorCode::unsupported, "context_refiner",
         "expected in {} the tensors of {} blocks, found '{}' as well, which no part of them asks for",
         io::printable_path(store.table().checkpoint().path()), config.n_layers, io::printable(place.entry->name));
  }
}

}  // namespace

// --- computation
// --------------------------------------------------------------------------------------------------------------

ContextRefiner::Impl::Impl(ContextRefinerConfig resolved, c10::Device device, models::Computation computation,
                           const models::ParameterSource& source)
    : config(std::move(resolved)), device(device), computation(computation) {
  for (int64_t i = 0; i < config.n_layers; ++i)
    blocks.emplace_back(config, computation, fmt::format("{}{}.", module_name, i), source);
}

at::Tensor ContextRefiner::Impl::default_positions(int64_t tokens) const {
  const int64_t first = config.legacy_rope ? 0 : 1;
  return at::arange(first, first + tokens, at::kLong);
}

at::Tensor ContextRefiner::Impl::checked_positions(const at::Tensor& positions, int64_t tokens) const {
  if (!positions.defined()) return default_positions(tokens);
  const bool one_axis = positions.dim() == 1 && positions.size(0) == tokens;
  const bool three_axes = positions.dim() == 2 && positions.size(0) == tokens && positions.size(1) == 3;
  check(one_axis || (three_axes && !config.legacy_rope), "context_refiner", "expected position_ids of [{}]{}, got {}",
        tokens, config.legacy_rope ? "" : fmt::format(" or [{}, 3]", tokens), sizes_of(positions));
  check(at::isIntegralType(positions.scalar_type(), /*includeBool=*/false), "context_refiner",
        "expected position_ids of integers, got {}", c10::toString(positions.scalar_type()));
  const at::Tensor values = positions.to(at::kCPU, at::kLong);
  const auto least = values.min().item<int64_t>(), largest = values.max().item<int64_t>();
  check(least >= 0 && largest <= config.max_seq_len, "context_refiner",
        "expected position_ids from 0 to max_seq_len = {}, got {} to {}", config.max_seq_len, least, largest);
  return values;
}

void ContextRefiner::Impl::check_rows(const at::Tensor& x, bool batched) const {
  const bool fits =
      x.defined() && (x.dim() == 2 || (batched && x.dim() == 3)) && x.size(-1) == config.dim && x.size(0) >= 1;
  check(fits, "context_refiner", "expected x of [tokens, {}]{}, got {}", config.dim,
        batched ? fmt::format(" or [batch, tokens, {}]", config.dim) : "", sizes_of(x));
  check(at::isFloatingType(x.scalar_type()), "context_refiner", "expected x of a float type, got {}",
        c10::toString(x.scalar_type()));
  check(x.size(-2) >= 1 && x.size(-2) <= config.max_seq_len, "context_refiner",
        "expected 1 to max_seq_len = {} tokens, got {}", config.max_seq_len, x.size(-2));
}

PackedRows ContextRefiner::Impl::pack(const at::Tensor& x, const at::Tensor& positions,
                                      std::vector<int64_t> lengths) const {
  return {.x = x, .freqs_cis = models::refiner_freqs(config, positions).to(device), .lengths = std::move(lengths)};
}

at::Tensor ContextRefiner::Impl::refine(PackedRows rows) const {
  const bool checkpoint = checkpointing && c10::GradMode::is_enabled();
  for (const RefinerBlock& block : blocks) {
    if (!checkpoint) {
      rows.x = block(rows);
      continue;
    }
    std::vector<at::Tensor> inputs = block.parameters();
    inputs.insert(inputs.begin(), rows.x);
    const auto run = [block, freqs_cis = rows.freqs_cis, lengths = rows.lengths](at::TensorList in) {
      return block.with(in.slice(1))({.x = in[0], .freqs_cis = freqs_cis, .lengths = lengths});
    };
    rows.x = nn::checkpointed(run, inputs);
  }
  return rows.x;
}

at::Tensor ContextRefiner::forward(const at::Tensor& x, const at::Tensor& attention_mask,
                                   const at::Tensor& position_ids) const {
  // rows of all sequences, one after another -> those that take part -> blocks -> back in their places
  return translate_errors("context_refiner", [&] {
    impl_->check_rows(x, /*batched=*/true);
    const int64_t tokens = x.size(-2), batch = x.dim() == 3 ? x.size(0) : 1;
    at::Tensor rows = x.to(impl_->device, impl_->computation.type).reshape({-1, impl_->config.dim});
    at::Tensor positions = impl_->checked_positions(position_ids, tokens);
    if (!attention_mask.defined()) {
      if (batch > 1) positions = at::cat(std::vector<at::Tensor>(static_cast<size_t>(batch), positions));
      const std::vector<int64_t> lengths(static_cast<size_t>(batch), tokens);
      return impl_->refine(impl_->pack(rows, positions, lengths)).view(x.sizes());
    }
    const KeptRows kept = kept_rows(attention_mask, x);
    const at::Tensor index = kept.index.to(impl_->device);
    positions = positions.index_select(0, kept.index.remainder(tokens));
    const at::Tensor refined = impl_->refine(impl_->pack(rows.index_select(0, index), positions, kept.lengths));
    return at::zeros_like(rows).index_copy(0, index, refined).view(x.sizes());
  });
}

std::vector<at::Tensor> ContextRefiner::forward(std::span<const at::Tensor> x,
                                                std::span<const at::Tensor> position_ids) const {
  return translate_errors("context_refiner", [&] {
    check(!x.empty(), "context_refiner", "expected at least one sequence, got none");
    check(position_ids.empty() || position_ids.size() == x.size(), "context_refiner",
          "expected position_ids for each of {} sequences, got {}", x.size(), position_ids.size());
    std::vector<at::Tensor> parts, positions;
    std::vector<int64_t> lengths;
    for (size_t i = 0; i < x.size(); ++i) {
      impl_->check_rows(x[i], /*batched=*/false);
      lengths.push_back(x[i].size(0));
      parts.push_back(x[i].to(impl_->device, impl_->computation.type));
      positions.push_back(
          impl_->checked_positions(position_ids.empty() ? at::Tensor() : position_ids[i], lengths.back()));
    }
    const at::Tensor refined = impl_->refine(impl_->pack(at::cat(parts), at::cat(positions), lengths));
    std::vector<at::Tensor> result;
    int64_t begin = 0;
    for (const int64_t length : lengths) {
      result.push_back(refined.narrow(0, begin, length));
      begin += length;
    }
    return result;
  });
}

// --- making
// -------------------------------------------------------------------------------------------------------------------

ContextRefiner::ContextRefiner(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

ContextRefiner::ContextRefiner(const ContextRefinerConfig& config, const LoadOptions& options, uint64_t seed) {
  translate_errors("context_refiner", [&] {
    check_plain_component_options(options);
    const auto resolved = models::resolved(config);
    const auto placement = nn::resolve_placement(options, {.part = "dit", .device = options.dit_device});
    const c10::ScalarType type = placement.storage.value_or(at::kFloat);
    auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
    const auto source = [&](const std::string&, at::IntArrayRef shape) {
      const c10::NoGradGuard guard;
      return drawn(shape, generator).to(placement.device, type).set_requires_grad(true);
    };
    impl_ = std::make_shared<Impl>(resolved, placement.device,
                                   models::Computation{placement.compute(type), placement.attention}, source);
  });
}

ContextRefiner ContextRefiner::load(const fs::path& path, const LoadOptions& options, const fs::path& config_path,
                                    bool legacy_rope) {
  return translate_errors("context_refiner", [&] {
    check_plain_component_options(options);
    auto placement = nn::resolve_placement(options, {.part = "dit", .device = options.dit_device});
    placement.max_memory.reset();  // parameters are copies, all of them
    Files files = open_refiner(path, config_path, legacy_rope);
    nn::WeightStore store(std::move(files.table), placement);
    const auto source = [&](const std::string& name, at::IntArrayRef shape) {
      const c10::NoGradGuard guard;
      const nn::StoredTensor stored = store.get(name, shape);
      const c10::ScalarType type = stored.is_plain() ? stored.data.scalar_type() : at::kFloat;
      // A copy: the file is mapped read-only.
      return stored.widen(type)
          .to(placement.device, type, /*non_blocking=*/false, /*copy=*/true)
          .set_requires_grad(true);
    };
    auto impl = std::make_shared<Impl>(files.config, placement.device,
                                       models::Computation{store.compute(), placement.attention}, source);
    check_all_used(store, impl->config);
    return ContextRefiner(std::move(impl));
  });
}

// --- parameters
// ---------------------------------------------------------------------------------------------------------------

const ContextRefinerConfig& ContextRefiner::config() const { return impl_->config; }

std::vector<std::pair<std::string, at::Tensor>> ContextRefiner::named_parameters() const {
  std::vector<std::pair<std::string, at::Tensor>> result;
  for (size_t i = 0; i < impl_->blocks.size(); ++i) {
    for (const auto& [name, parameter] : impl_->blocks[i].named_parameters())
      result.emplace_back(fmt::format("{}{}.{}", module_name, i, name), parameter);
  }
  return result;
}

std::vector<at::Tensor> ContextRefiner::parameters() const {
  std::vector<at::Tensor> result;
  for (const auto& [name, parameter] : named_parameters()) result.push_back(parameter);
  return result;
}

int64_t ContextRefiner::get_num_params(bool trainable_only) const {
  int64_t count = 0;
  for (const at::Tensor& parameter : parameters()) {
    if (!trainable_only || parameter.requires_grad()) count += parameter.numel();
  }
  return count;
}

std::map<std::string, at::Tensor> ContextRefiner::state_dict() const {
  std::map<std::string, at::Tensor> result;
  for (const auto& [name, parameter] : named_parameters()) result.emplace(name, parameter.detach());
  return result;
}

void ContextRefiner::load_state_dict(const std::map<std::string, at::Tensor>& state) {
  translate_errors("context_refiner", [&] {
    const auto parameters = named_parameters();
    std::vector<std::string> missing, unexpected;
    const auto own = state_dict();
    for (const auto& [name, parameter] : parameters) {
      if (!state.contains(name)) missing.push_back(name);
    }
    for (const auto& [name, tensor] : state) {
      if (!own.contains(name)) unexpected.push_back(name);
    }
    check(missing.empty() && unexpected.empty(), "context_refiner",
          "expected exactly the names of state_dict(), got {} missing [{}] and {} others [{}]", missing.size(),
          fmt::join(missing, ", "), unexpected.size(), fmt::join(unexpected, ", "));
    for (const auto& [name, parameter] : parameters) {
      const at::Tensor& tensor = state.at(name);
      check(tensor.defined() && tensor.sizes() == parameter.sizes() && at::isFloatingType(tensor.scalar_type()),
            "context_refiner", "expected '{}' to be numbers [{}], got {} {}", name, fmt::join(parameter.sizes(), ", "),
            tensor.defined() ? c10::toString(tensor.scalar_type()) : "", sizes_of(tensor));
    }
    const c10::NoGradGuard guard;
    for (auto [name, parameter] : parameters) parameter.copy_(state.at(name));
  });
}

void ContextRefiner::enable_gradient_checkpointing(bool enable) { impl_->checkpointing = enable; }
bool ContextRefiner::is_gradient_checkpointing() const { return impl_->checkpointing; }

}  // namespace llmdit
