#include "llmdit/guidance.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.hpp"
#include "base/translate.hpp"

namespace llmdit {
namespace {

std::string shapes_of(const at::Tensor& a, const at::Tensor& b) {
  const auto shape = [](const at::Tensor& x) {
    return x.defined() ? fmt::format("[{}]", fmt::join(x.sizes(), ", ")) : std::string("none");
  };
  return shape(a) + " and " + shape(b);
}

}  // namespace

double guidance_scale_at(const GuidanceOptions& options, double t) {
  return t > options.truncation ? 0.0 : options.scale;
}

at::Tensor apply_guidance(const at::Tensor& positive, const at::Tensor& negative, double scale, double normalization) {
  constexpr std::string_view op = "apply_guidance";
  return translate_errors(op, [&] {
    check(positive.defined() && negative.defined() && positive.dim() > 0 && positive.numel() > 0 &&
              positive.sizes() == negative.sizes(),
          op, "expected positive and negative of one shape [batch, ...], got {}", shapes_of(positive, negative));
    check(std::isfinite(scale), op, "expected a finite scale, got {}", scale);
    check(std::isfinite(normalization) && normalization >= 0, op, "expected a normalization of at least 0, got {}",
          normalization);
    const at::Tensor guided = positive + (positive - negative) * scale;
    if (normalization == 0) return guided;
    const auto norm = [](const at::Tensor& x) { return x.reshape({x.size(0), -1}).norm(2, 1); };
    const at::Tensor allowed = norm(positive) * normalization, found = norm(guided);
    const at::Tensor factor = at::where(found > allowed, allowed / found, at::ones_like(found));
    std::vector<int64_t> per_item(static_cast<size_t>(positive.dim()), 1);
    per_item[0] = positive.size(0);
    return guided * factor.view(per_item);
  });
}

}  // namespace llmdit
