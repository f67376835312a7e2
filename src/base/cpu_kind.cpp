#include "base/cpu_kind.hpp"

#include <ATen/ATen.h>
#include <ATen/cpu/Utils.h>

#include <cstdlib>
#include <string_view>

#include "base/check.hpp"

namespace llmdit {
namespace {

CpuKind parse_cpu_kind(std::string_view name) {
  constexpr std::pair<std::string_view, CpuKind> names[] = {{"native", CpuKind::native},
                                                            {"avx512", CpuKind::avx512},
                                                            {"avx2", CpuKind::avx2},
                                                            {"baseline", CpuKind::baseline}};
  for (const auto& [known, kind] : names) {
    if (name == known) return kind;
  }
  fail(ErrorCode::invalid_argument, "LLMDIT_CPU",
       "expected native, avx512, avx2 or baseline in the environment, got '{}'", name);
}

bool has_any(std::initializer_list<const char*> features) {
  const auto capabilities = at::cpu::get_cpu_capabilities();
  for (const char* name : features) {
    const auto found = capabilities.find(name);
    if (found != capabilities.end() && found->second.isBool() && found->second.toBool()) return true;
  }
  return false;
}

/// Whether sums of the largest products come out.
bool is_int_mm_exact() {
  constexpr int64_t rows = 32, depth = 256;
  const at::Tensor high = at::full({rows, depth}, 127, at::kChar), low = at::full({rows, depth}, -127, at::kChar);
  const at::Tensor most = at::full({rows, rows}, 127 * 127 * depth, at::kInt);
  return at::_int_mm(high, high.t()).equal(most) && at::_int_mm(low, low.t()).equal(most) &&
         at::_int_mm(high, low.t()).equal(-most) && at::_int_mm(low, high.t()).equal(-most);
}

bool is_native(std::initializer_list<const char*> features) {
  const auto kind = chosen_cpu_kind();
  return kind ? *kind == CpuKind::native : has_any(features);
}

}  // namespace

std::optional<CpuKind> chosen_cpu_kind() {
  static const auto kind = [] {
    const char* variable = std::getenv("LLMDIT_CPU");
    return variable && *variable ? std::optional(parse_cpu_kind(variable)) : std::nullopt;
  }();
  return kind;
}

bool is_bfloat16_native() {
  static const bool native = is_native({"avx512_bf16", "amx_bf16"});
  return native;
}

bool is_int8_native() {
  static const bool native = is_native({"avx512_vnni", "amx_int8"}) && is_int_mm_exact();
  return native;
}

int64_t least_native_columns() { return chosen_cpu_kind() == CpuKind::native ? 1 : 2560; }

}  // namespace llmdit
