#include "models/qwen3_vl.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/check.hpp"

namespace llmdit::models {

int64_t VLSequence::next_position() const { return positions.max().item<int64_t>() + 1; }

Qwen3VLModel::Qwen3VLModel(const nn::Weights& language, const nn::Weights& vision, const Qwen3VLConfig& config)
    : config_(config), language_(language, config.text), vision_(vision, config.vision) {}

VLPicture Qwen3VLModel::look_at(const PixelValues& pixels, const std::stop_token& stop) const {
  return {vision_(pixels, stop), pixels.grid_thw};
}

at::Tensor Qwen3VLModel::position_ids(std::span<const int64_t> input_ids,
                                      const std::array<int64_t, 3>* grid_thw) const {
  const auto count = static_cast<int64_t>(input_ids.size()), merge = config_.vision.spatial_merge_size;
  const int64_t rows = grid_thw ? (*grid_thw)[1] / merge : 0, columns = grid_thw ? (*grid_thw)[2] / merge : 0;
  check(!grid_thw || (rows >= 1 && columns >= 1), "vl_encoder",
        "expected a picture of {} x {} patches or more, got {} x {}", merge, merge, grid_thw ? (*grid_thw)[2] : 0,
        grid_thw ? (*grid_thw)[1] : 0);
  at::Tensor positions = at::empty({3, count}, at::kLong);
  auto* values = positions.mutable_data_ptr<int64_t>();
  int64_t position = 0, image_token = 0;  // the next one's
  for (int64_t i = 0; i < count; ++i) {
    const bool is_image = input_ids[static_cast<size_t>(i)] == config_.image_token_id && grid_thw;
    const int64_t row = is_image ? image_token / columns : 0, column = is_image ? image_token % columns : 0;
    values[i] = position;
    values[count + i] = position + row;
    values[2 * count + i] = position + column;
    if (!is_image) {
      ++position;
    } else if (++image_token == rows * columns) {
      position += std::max(rows, columns);
    }
  }
  return positions;
}

nn::RopeHalves Qwen3VLModel::rope(const at::Tensor& positions) const {
  const int64_t dim = config_.text.head_dim;
  const at::Tensor inverse = 1.0 / at::pow(config_.text.rope_theta, at::arange(0, dim, 2, at::kFloat) / dim);
  const at::Tensor angles = positions.to(at::kFloat).unsqueeze(2) * inverse;  // [3, tokens, dim / 2]
  at::Tensor mixed = angles[0].clone();
  for (int64_t axis = 1; axis < 3; ++axis) {
    const int64_t end = std::min(3 * config_.mrope_section[static_cast<size_t>(axis)], dim / 2);
    mixed.slice(1, axis, end, 3).copy_(angles[axis].slice(1, axis, end, 3));
  }
  mixed = at::cat({mixed, mixed}, 1);
  const at::TensorOptions options = language_.embed(std::array<int64_t, 1>{0}).options();
  return {mixed.cos().to(options), mixed.sin().to(options)};
}

VLSequence Qwen3VLModel::sequence(std::span<const int64_t> input_ids, const VLPicture* picture) const {
  VLSequence sequence{.embeddings = language_.embed(input_ids),
                      .positions = position_ids(input_ids, picture ? &picture->grid_thw : nullptr)};
  sequence.rope = rope(sequence.positions);
  if (!picture) return sequence;
  std::vector<int64_t> places;
  for (size_t i = 0; i < input_ids.size(); ++i) {
    if (input_ids[i] == config_.image_token_id) places.push_back(static_cast<int64_t>(i));
  }
  const auto count = static_cast<int64_t>(places.size());
  const int64_t expected = picture->features.embeddings.size(0);
  check(count == expected, "vl_encoder", "expected {} image tokens (id {}) for this picture, got {}", expected,
        config_.image_token_id, count);
  check(places.back() - places.front() + 1 == count, "vl_encoder",
        "expected the image tokens one after another, got others between them");
  const at::TensorOptions options = sequence.embeddings.options();
  sequence.embeddings.narrow(0, places.front(), count).copy_(picture->features.embeddings);
  sequence.additions =
      RowAdditions{.rows = at::arange(places.front(), places.front() + count, options.dtype(at::kLong))};
  for (const at::Tensor& values : picture->features.deepstack) sequence.additions->values.push_back(values.to(options));
  return sequence;
}

}  // namespace llmdit::models
