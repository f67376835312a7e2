#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/dispatch.hpp"

namespace llmdit::kernels {

/// `bytes` bytes with the first weights in their low halves and as many others in the high ones. In vectors, since GCC
/// takes loops of 16 bytes apart.
template <int bytes>
LLMDIT_INLINE void split_nibbles(const uint8_t* packed, uint8_t* out) {
  using Vector [[gnu::vector_size(16)]] = uint8_t;
  for (int i = 0; i < bytes; i += 16) {
    Vector both;
    std::memcpy(&both, packed + i, sizeof both);
    const Vector low = both & 15, high = both >> 4;
    std::memcpy(out + i, &low, sizeof low);
    std::memcpy(out + bytes + i, &high, sizeof high);
  }
}

struct ScaleMin {
  int scale, minimum;
};

/// The 6-bit scale and minimum of part 0 .. 7 out of the 12 packed bytes of a Q4_K or Q5_K block.
LLMDIT_INLINE ScaleMin scale_min(const uint8_t* packed, int part) {
  if (part < 4) return {packed[part] & 63, packed[part + 4] & 63};
  return {(packed[part + 4] & 15) | (packed[part - 4] >> 2 & 48), (packed[part + 4] >> 4) | (packed[part] >> 2 & 48)};
}

}  // namespace llmdit::kernels
