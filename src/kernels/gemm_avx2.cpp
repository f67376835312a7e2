#if defined(__AVX2__)
#define LLMDIT_GEMM_VARIABLE gemm_avx2
#define LLMDIT_GEMM_BYTES 32
#define LLMDIT_GEMM_ROWS 6
#include "kernels/gemm_tile.hpp"
#endif
