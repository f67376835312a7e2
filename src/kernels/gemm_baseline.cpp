#define LLMDIT_GEMM_VARIABLE gemm_baseline
#define LLMDIT_GEMM_BYTES 16
#define LLMDIT_GEMM_ROWS 4
#include "kernels/gemm_tile.hpp"
