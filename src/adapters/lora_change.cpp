#include "adapters/lora_change.hpp"

#include <ATen/ATen.h>

#include <array>
#include <cmath>

#include "base/check.hpp"

namespace llmdit::adapters {
namespace {

constexpr std::string_view operation = "lora";

std::string shape_text(const at::Tensor& tensor) { return fmt::format("[{}]", fmt::join(tensor.sizes(), ", ")); }

/// Linear layers that were trained as 1 x 1 convolutions have two sizes more.
at::Tensor as_matrix(const at::Tensor& tensor) {
  if (tensor.dim() == 4 && tensor.size(2) == 1 && tensor.size(3) == 1) return tensor.flatten(1);
  return tensor;
}

at::Tensor wide(const at::Tensor& tensor) { return tensor.to(at::kFloat); }

struct Rows {
  int64_t first, count;
  at::Tensor of(const at::Tensor& tensor) const {
    return tensor.size(0) == count ? tensor : tensor.narrow(0, first, count);
  }
};

const at::Tensor* find(const LoraTensors& tensors, LoraRole role) {
  const auto found = tensors.tensors.find(role);
  return found == tensors.tensors.end() ? nullptr : &found->second;
}

at::Tensor need(const LoraTensors& tensors, LoraRole role, std::string_view name) {
  const at::Tensor* tensor = find(tensors, role);
  check(tensor != nullptr, operation, "expected its {} as well, found none", name);
  return as_matrix(*tensor);
}

double one_number(const at::Tensor& tensor, std::string_view name) {
  check(tensor.numel() == 1, operation, "expected {} to be one number, found {}", name, shape_text(tensor));
  return tensor.to(at::kDouble).flatten()[0].item<double>();
}

/// alpha / rank, or alpha / sqrt(rank); 1 without alpha. A scale of its own stands for all of it.
double scaling(const LoraTensors& tensors, int64_t rank) {
  const at::Tensor *scale = find(tensors, LoraRole::scale), *own = find(tensors, LoraRole::alpha);
  double factor = 1;
  if (scale) {
    factor = one_number(*scale, "scale");
  } else if (own || tensors.file_alpha) {
    const auto r = static_cast<double>(rank);
    factor = (own ? one_number(*own, "alpha") : *tensors.file_alpha) / (tensors.is_rank_stabilized ? std::sqrt(r) : r);
  }
  check(std::isfinite(static_cast<float>(factor)), operation, "expected a finite alpha or scale, found {}", factor);
  return factor;
}

at::Tensor product(const at::Tensor& a, const at::Tensor& b, std::string_view what) {
  check(a.dim() == 2 && b.dim() == 2 && a.size(1) == b.size(0), operation,
        "expected the factors of {} to be matrices that fit each other, found {} and {}", what, shape_text(a),
        shape_text(b));
  return at::mm(wide(a), wide(b));
}

/// up * down.
class LowRankChange final : public LoraChange {
 public:
  LowRankChange(at::Tensor up, at::Tensor down, double factor)
      : up_(std::move(up)), down_(std::move(down)), factor_(factor) {}

  void add_to(const at::Tensor& sum, const at::Tensor& /*original*/, double scale) const override {
    sum.addmm_(wide(up_), wide(down_), /*beta=*/1, /*alpha=*/scale * factor_);
  }
  std::optional<nn::LowRank> low_rank(double scale) const override {
    return nn::LowRank{wide(up_) * (scale * factor_), wide(down_)};
  }

 private:
  at::Tensor up_, down_;
  double factor_;
};

/// (w1_a w1_b) * (w2_a w2_b), element by element.
class HadamardChange final : public LoraChange {
 public:
  HadamardChange(std::array<at::Tensor, 4> factors, Rows rows, double factor)
      : factors_(std::move(factors)), rows_(rows), factor_(factor) {}

  void add_to(const at::Tensor& sum, const at::Tensor& /*original*/, double scale) const override {
    const auto& [w1_a, w1_b, w2_a, w2_b] = factors_;
    const at::Tensor change = product(rows_.of(w1_a), w1_b, "w1").mul_(product(rows_.of(w2_a), w2_b, "w2"));
    sum.add_(change.view(sum.sizes()), scale * factor_);
  }

 private:
  std::array<at::Tensor, 4> factors_;
  Rows rows_;
  double factor_;
};

/// The Kronecker product of w1 and w2, each a matrix or a product of two.
class KroneckerChange final : public LoraChange {
 public:
  struct Side {
    at::Tensor whole, a, b;
    at::Tensor matrix(std::string_view what) const { return whole.defined() ? wide(whole) : product(a, b, what); }
  };

  KroneckerChange(Side w1, Side w2, Rows rows, double factor)
      : w1_(std::move(w1)), w2_(std::move(w2)), rows_(rows), factor_(factor) {}

  void add_to(const at::Tensor& sum, const at::Tensor& /*original*/, double scale) const override {
    const at::Tensor change = at::kron(w1_.matrix("w1"), w2_.matrix("w2"));
    sum.add_(rows_.of(change).reshape(sum.sizes()), scale * factor_);
  }

 private:
  Side w1_, w2_;
  Rows rows_;
  double factor_;
};

/// A whole difference, or a whole weight in the place of the old one.
class FullChange final : public LoraChange {
 public:
  FullChange(at::Tensor tensor, bool replaces) : tensor_(std::move(tensor)), replaces_(replaces) {}

  void add_to(const at::Tensor& sum, const at::Tensor& original, double scale) const override {
    const at::Tensor change = wide(tensor_).view(sum.sizes());
    sum.add_(replaces_ ? change - original : change, scale);
  }

 private:
  at::Tensor tensor_;
  bool replaces_;
};

/// Several changes of one weight together.
class SumChange final : public LoraChange {
 public:
  explicit SumChange(std::vector<std::shared_ptr<const LoraChange>> changes) : changes_(std::move(changes)) {}

  void add_to(const at::Tensor& sum, const at::Tensor& original, double scale) const override {
    for (const auto& change : changes_) change->add_to(sum, original, scale);
  }
  std::optional<nn::LowRank> low_rank(double scale) const override {
    return changes_.size() == 1 ? changes_.front()->low_rank(scale) : std::nullopt;
  }

 private:
  std::vector<std::shared_ptr<const LoraChange>> changes_;
};

/// DoRA: the changed weight's rows (or columns) get the lengths that were trained. `scale` goes from the plain weight
/// to the full result.
class DecomposedChange final : public LoraChange {
 public:
  DecomposedChange(std::shared_ptr<const LoraChange> direction, at::Tensor magnitude, int64_t axis)
      : direction_(std::move(direction)), magnitude_(std::move(magnitude)), axis_(axis) {}

  void add_to(const at::Tensor& sum, const at::Tensor& original, double scale) const override {
    at::Tensor changed = original.clone();
    direction_->add_to(changed, original, 1.0);
    const at::Tensor length = at::linalg_vector_norm(changed, 2, at::IntArrayRef{axis_}, /*keepdim=*/true);
    // A row of zeros has no direction and stays.
    changed.mul_(wide(magnitude_).view(length.sizes()) / length.masked_fill(length == 0, 1.0));
    sum.add_(changed.sub_(original), scale);
  }

 private:
  std::shared_ptr<const LoraChange> direction_;
  at::Tensor magnitude_;
  int64_t axis_;
};

void check_output(int64_t rows, int64_t columns, const std::vector<int64_t>& shape, int64_t total) {
  check(rows == total && columns == shape.at(1), operation, "expected a change of [{}, {}], found one of [{}, {}]",
        total, shape.at(1), rows, columns);
}

std::shared_ptr<const LoraChange> make_low_rank(const LoraTensors& t, const std::vector<int64_t>& shape, Rows rows,
                                                int64_t total) {
  const at::Tensor up = need(t, LoraRole::up, "up factor (lora_B)"),
                   down = need(t, LoraRole::down, "down factor (lora_A)");
  check(up.dim() == 2 && down.dim() == 2 && up.size(1) == down.size(0), operation,
        "expected factors [out, rank] and [rank, in], found {} and {}", shape_text(up), shape_text(down));
  check_output(up.size(0), down.size(1), shape, total);
  return std::make_shared<LowRankChange>(rows.of(up), down, scaling(t, down.size(0)));
}

std::shared_ptr<const LoraChange> make_hadamard(const LoraTensors& t, const std::vector<int64_t>& shape, Rows rows,
                                                int64_t total) {
  const std::array factors = {need(t, LoraRole::hada_w1_a, "hada_w1_a"), need(t, LoraRole::hada_w1_b, "hada_w1_b"),
                              need(t, LoraRole::hada_w2_a, "hada_w2_a"), need(t, LoraRole::hada_w2_b, "hada_w2_b")};
  for (int i = 0; i < 4; i += 2) {
    check(factors[i].dim() == 2 && factors[i + 1].dim() == 2 && factors[i].size(1) == factors[i + 1].size(0), operation,
          "expected factors [out, rank] and [rank, in], found {} and {}", shape_text(factors[i]),
          shape_text(factors[i + 1]));
    check_output(factors[i].size(0), factors[i + 1].size(1), shape, total);
  }
  return std::make_shared<HadamardChange>(factors, rows, scaling(t, factors[1].size(0)));
}

KroneckerChange::Side make_side(const LoraTensors& t, LoraRole whole, LoraRole a, LoraRole b, std::string_view name) {
  if (const at::Tensor* tensor = find(t, whole)) {
    const at::Tensor matrix = as_matrix(*tensor);
    check(matrix.dim() == 2, operation, "expected {} to be a matrix, found {}", name, shape_text(matrix));
    return {.whole = matrix, .a = {}, .b = {}};
  }
  KroneckerChange::Side side{.whole = {}, .a = need(t, a, name), .b = need(t, b, name)};
  check(side.a.dim() == 2 && side.b.dim() == 2 && side.a.size(1) == side.b.size(0), operation,
        "expected factors of {} that fit each other, found {} and {}", name, shape_text(side.a), shape_text(side.b));
  return side;
}

std::shared_ptr<const LoraChange> make_kronecker(const LoraTensors& t, const std::vector<int64_t>& shape, Rows rows,
                                                 int64_t total) {
  auto w1 = make_side(t, LoraRole::lokr_w1, LoraRole::lokr_w1_a, LoraRole::lokr_w1_b, "lokr_w1");
  auto w2 = make_side(t, LoraRole::lokr_w2, LoraRole::lokr_w2_a, LoraRole::lokr_w2_b, "lokr_w2");
  const auto height = [](const auto& side) { return side.whole.defined() ? side.whole.size(0) : side.a.size(0); };
  const auto width = [](const auto& side) { return side.whole.defined() ? side.whole.size(1) : side.b.size(1); };
  check_output(height(w1) * height(w2), width(w1) * width(w2), shape, total);
  // With both factors whole there is no rank, and what stands in alpha is a placeholder.
  const at::Tensor& low = w2.b.defined() ? w2.b : w1.b;
  const double factor = low.defined() ? scaling(t, low.size(0)) : 1.0;
  return std::make_shared<KroneckerChange>(std::move(w1), std::move(w2), rows, factor);
}

std::shared_ptr<const LoraChange> make_full(const at::Tensor& tensor, bool replaces, const std::vector<int64_t>& shape,
                                            Rows rows, int64_t total) {
  int64_t columns = 1;
  for (size_t i = 1; i < shape.size(); ++i) columns *= shape[i];
  check(tensor.numel() == total * columns && (total == 1 || tensor.size(0) == total), operation,
        "expected {} of [{}{}{}], found {}", replaces ? "a weight" : "a difference", total,
        shape.size() > 1 ? ", " : "", fmt::join(shape.begin() + 1, shape.end(), ", "), shape_text(tensor));
  return std::make_shared<FullChange>(rows.of(tensor.reshape({total, columns})), replaces);
}

std::shared_ptr<const LoraChange> decomposed(std::shared_ptr<const LoraChange> direction, const at::Tensor& magnitude,
                                             const std::vector<int64_t>& shape, Rows rows, int64_t total) {
  check(shape.size() == 2, operation, "DoRA is for matrices, found a weight of {} sizes", shape.size());
  const at::Tensor flat = magnitude.flatten();
  // By shape: [out, 1] and [out] are lengths of rows, [1, in] lengths of columns.
  const bool of_columns = magnitude.dim() == 2 && magnitude.size(0) == 1 && magnitude.size(1) == shape[1] && total != 1;
  check(!of_columns || rows.count == total, operation,
        "DoRA by columns of a fused projection needs the lengths of the whole, which the model has in parts");
  if (of_columns) return std::make_shared<DecomposedChange>(std::move(direction), flat, /*axis=*/0);
  check(flat.numel() == total, operation, "expected a magnitude for each of {} rows or {} columns, found {}", total,
        shape[1], shape_text(magnitude));
  return std::make_shared<DecomposedChange>(std::move(direction), rows.of(flat), /*axis=*/1);
}

}  // namespace

std::shared_ptr<const LoraChange> make_weight_change(const LoraTensors& t, const std::vector<int64_t>& shape,
                                                     const TargetRows& part, int64_t total) {
  const auto has = [&](LoraRole role) { return find(t, role) != nullptr; };
  const Rows rows{part.first, part.rows};
  std::vector<std::shared_ptr<const LoraChange>> changes;
  const bool is_matrix = shape.size() == 2;
  const bool has_low_rank = has(LoraRole::up) || has(LoraRole::down);
  const bool has_hadamard = has(LoraRole::hada_w1_a) || has(LoraRole::hada_w1_b);
  const bool has_kronecker =
      has(LoraRole::lokr_w1) || has(LoraRole::lokr_w1_a) || has(LoraRole::lokr_w2) || has(LoraRole::lokr_w2_a);
  check(is_matrix || !(has_low_rank || has_hadamard || has_kronecker), operation,
        "expected a matrix for factors, found a weight of [{}]", fmt::join(shape, ", "));
  if (has_low_rank) changes.push_back(make_low_rank(t, shape, rows, total));
  if (has_hadamard) changes.push_back(make_hadamard(t, shape, rows, total));
  if (has_kronecker) changes.push_back(make_kronecker(t, shape, rows, total));
  if (const auto* diff = find(t, LoraRole::diff)) changes.push_back(make_full(*diff, false, shape, rows, total));
  if (const auto* whole = find(t, LoraRole::set_weight)) changes.push_back(make_full(*whole, true, shape, rows, total));
  if (changes.empty()) return nullptr;
  std::shared_ptr<const LoraChange> change = std::make_shared<SumChange>(std::move(changes));
  if (const auto* magnitude = find(t, LoraRole::dora_scale))
    change = decomposed(change, *magnitude, shape, rows, total);
  return change;
}

std::shared_ptr<const LoraChange> make_bias_change(const LoraTensors& t, const std::vector<int64_t>& shape,
                                                   const TargetRows& part, int64_t total) {
  const auto* diff = find(t, LoraRole::diff_bias);
  return diff ? make_full(*diff, false, shape, {part.first, part.rows}, total) : nullptr;
}

}  // namespace llmdit::adapters
