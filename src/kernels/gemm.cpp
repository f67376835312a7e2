#include "kernels/gemm.hpp"

#include <cstdlib>
#include <string_view>

#include "base/check.hpp"

namespace llmdit::kernels {

extern const GemmKernel gemm_baseline, gemm_avx2, gemm_avx512;

namespace {

const GemmKernel& choose() {
  const char* variable = std::getenv("LLMDIT_CPU");
  const std::string_view newest = variable && *variable ? variable : "avx512";
  if (newest != "avx512" && newest != "avx2" && newest != "baseline") {
    fail(ErrorCode::invalid_argument, "LLMDIT_CPU", "expected avx512, avx2 or baseline in the environment, got '{}'",
         newest);
  }
#ifdef LLMDIT_GEMM_X86
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  if (newest == "avx512" && has_avx2 && has_avx512) return gemm_avx512;
  if (newest != "baseline" && has_avx2) return gemm_avx2;
#endif
  return gemm_baseline;
}

}  // namespace

const GemmKernel& gemm_kernel() {
  static const GemmKernel& chosen = choose();
  return chosen;
}

}  // namespace llmdit::kernels
