#include "kernels/gemm.hpp"

#include <cstdlib>

namespace llmdit::kernels {

extern const GemmKernel gemm_baseline, gemm_avx2, gemm_avx512;

namespace {

const GemmKernel& choose() noexcept {
#ifdef LLMDIT_GEMM_X86
  const char* variable = std::getenv("LLMDIT_CPU");
  const std::string_view newest = variable ? variable : "avx512";
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (newest == "avx512" && has_avx2 && __builtin_cpu_supports("avx512f")) return gemm_avx512;
  if (newest != "baseline" && has_avx2) return gemm_avx2;
#endif
  return gemm_baseline;
}

}  // namespace

const GemmKernel& gemm_kernel() noexcept {
  static const GemmKernel& chosen = choose();
  return chosen;
}

}  // namespace llmdit::kernels
