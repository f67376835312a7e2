#include "kernels/gemm.hpp"

#include <cstdlib>
#include <string_view>

#include "base/check.hpp"
#include "llmdit/device.hpp"

namespace llmdit::kernels {

extern const GemmKernel gemm_baseline, gemm_avx2, gemm_avx512;

namespace {

struct Choice {
  const GemmKernel& kernel;
  std::string_view name;
};

Choice choose() {
  const char* variable = std::getenv("LLMDIT_CPU");
  const std::string_view newest = variable && *variable ? variable : "avx512";
  if (newest != "avx512" && newest != "avx2" && newest != "baseline") {
    fail(ErrorCode::invalid_argument, "LLMDIT_CPU", "expected avx512, avx2 or baseline in the environment, got '{}'",
         newest);
  }
#ifdef LLMDIT_GEMM_X86
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  if (newest == "avx512" && has_avx2 && has_avx512) return {gemm_avx512, "avx512"};
  if (newest != "baseline" && has_avx2) return {gemm_avx2, "avx2"};
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
