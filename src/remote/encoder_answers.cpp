#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.hpp"
#include "io/base64.hpp"
#include "remote/encoder_protocol.hpp"

namespace llmdit::remote {
namespace {

constexpr int64_t kWidest = 1 << 16;

std::string shape_text(const std::vector<int64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

}  // namespace

uint64_t ProtocolParts::max_body(const StatesRequest& request, uint64_t bytes_each) const {
  const auto width = static_cast<uint64_t>(model.hidden_size > 0 ? model.hidden_size : 8192);
  const uint64_t layers = std::max<uint64_t>(1, options.layer_ids.size());
  return (uint64_t{4} << 20) + request.most_rows() * width * layers * bytes_each;
}

at::Tensor rows_of_lists(const HttpClient& client, const nlohmann::json& lists) {
  if (!lists.is_array() || lists.empty() || !lists.front().is_array())
    client.fail(0, "expected hidden states as a list of lists of numbers, got something else");
  const auto rows = static_cast<int64_t>(lists.size()), width = static_cast<int64_t>(lists.front().size());
  if (width < 1 || width > kWidest)
    client.fail(0, fmt::format("expected rows of numbers, got {} of them in a row", width));
  for (const nlohmann::json& row : lists) {  // before memory is taken for them
    if (!row.is_array() || static_cast<int64_t>(row.size()) != width)
      client.fail(0, fmt::format("expected rows of {} numbers each, got one of another length", width));
  }
  at::Tensor tensor = at::empty({rows, width}, at::kFloat);
  float* out = tensor.mutable_data_ptr<float>();
  for (const nlohmann::json& row : lists) {
    for (const nlohmann::json& number : row) {
      if (!number.is_number()) client.fail(0, fmt::format("expected numbers in the rows, got {}", number.type_name()));
      *out++ = static_cast<float>(number.get<double>());
    }
  }
  return tensor;
}

at::Tensor rows_of_base64(const HttpClient& client, const std::string& text, const std::vector<int64_t>& shape) {
  if (shape.size() != 2 || shape[0] < 1 || shape[1] < 1 || shape[0] > (1 << 24) || shape[1] > kWidest)
    client.fail(0, fmt::format("expected a shape [tokens, width], got {}", shape_text(shape)));
  const auto bytes = io::base64_decode(text);
  if (!bytes) client.fail(0, "expected hidden states in base64, got something else");
  const auto expected = static_cast<size_t>(shape[0] * shape[1]) * sizeof(float);
  if (bytes->size() != expected) {
    client.fail(0, fmt::format("expected {} bytes of float32 for the shape {}, got {}", expected, shape_text(shape),
                               bytes->size()));
  }
  at::Tensor tensor = at::empty(shape, at::kFloat);
  std::memcpy(tensor.mutable_data_ptr(), bytes->data(), bytes->size());
  return tensor;
}

at::Tensor columns_of_layer(const ProtocolParts& parts, const at::Tensor& rows, int64_t id, std::string_view flag) {
  const auto& ids = parts.options.layer_ids;
  const int64_t width = parts.model.hidden_size;
  if (ids.empty()) {
    if (width > 0 && rows.size(1) != width && rows.size(1) % width == 0) {
      parts.client->fail(0, fmt::format("expected {} columns, got {}: it gives {} layers; start it with {} {}, or tell "
                                        "the ids that it was started with by --encoder-layer-ids (layer_ids)",
                                        width, rows.size(1), rows.size(1) / width, flag, id));
    }
    return rows;
  }
  const auto found = std::ranges::find(ids, static_cast<double>(id));
  const auto count = static_cast<int64_t>(ids.size());
  check(found != ids.end(), kEncoderOperation,
        "expected the id {} of the layer that is asked for among the server's, got {}; start it with {} {}", id,
        fmt::join(ids, ", "), flag, id);
  if (rows.size(1) % count != 0 || (width > 0 && rows.size(1) != width * count)) {
    parts.client->fail(0, fmt::format("expected {} layers of {} columns, got {} columns in all; see the ids behind {}",
                                      count, width, rows.size(1), flag));
  }
  const int64_t each = rows.size(1) / count;
  return rows.narrow(1, (found - ids.begin()) * each, each).contiguous();
}

std::vector<int64_t> integers_at(const HttpClient& client, const nlohmann::json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  const bool is_list = object.is_object() && found != object.end() && found->is_array() &&
                       std::ranges::all_of(*found, [](const auto& item) { return item.is_number_integer(); });
  if (!is_list) client.fail(0, fmt::format("expected a list of whole numbers \"{}\" in its answer, got none", key));
  return found->template get<std::vector<int64_t>>();
}

}  // namespace llmdit::remote
