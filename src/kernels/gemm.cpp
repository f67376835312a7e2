#include "kernels/gemm.hpp"

#include <string_view>

#include "base/cpu_kind.hpp"
#include "llmdit/device.hpp"

namespace llmdit::kernels {

extern const GemmKernel gemm_baseline, gemm_avx2, gemm_avx512;

namespace {

struct Choice {
  const GemmKernel& kernel;
  std::string_view name;
};

Choice choose() {
  const CpuKind newest = chosen_cpu_kind().value_or(CpuKind::native);
#ifdef LLMDIT_GEMM_X86
  const bool has_avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  const bool has_avx512 = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  if (newest >= CpuKind::avx512 && has_avx2 && has_avx512) return {gemm_avx512, "avx512"};
  if (newest >= CpuKind::avx2 && has_avx2) return {gemm_avx2, "avx2"};
#else
  (void)newest;
#endif
  return {gemm_baseline, "baseline"};
}

const Choice& chosen() {
  static const Choice choice = choose();
  return choice;
}

}  // namespace

const GemmKernel& gemm_kernel() { return chosen().kernel; }

}  // namespace llmdit::kernels

namespace llmdit {

std::string_view cpu_kernels() { return kernels::chosen().name; }

}  // namespace llmdit
