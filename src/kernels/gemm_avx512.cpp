#if defined(__AVX512BW__)
#define LLMDIT_GEMM_VARIABLE gemm_avx512
#define LLMDIT_GEMM_BYTES 64
#define LLMDIT_GEMM_ROWS 12
#include "kernels/gemm_tile.hpp"
#endif
