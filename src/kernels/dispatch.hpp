#pragma once

// Note [Run-time dispatch]
// The library is built for the oldest x86-64, and a loop that is marked with this is compiled once more for newer ones;
// the loader picks by the processor it finds. Products and sums must not be contracted (-ffp-contract=off for these
// files; gemm_*.cpp are another matter), so that all of them give the same bits.
#if defined(__x86_64__) && defined(__linux__) && !defined(LLMDIT_NO_DISPATCH)  // sanitizers do not stand it
#define LLMDIT_DISPATCH __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LLMDIT_DISPATCH
#endif

// What is called inside such a loop is compiled with it.
#define LLMDIT_INLINE inline __attribute__((always_inline))
