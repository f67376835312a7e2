// The product of a row of x with a row of a weight straight from storage, for gemm_tile.hpp, whose rules hold here.
// Each weight is used once, so that the time is that of reading it. Sums are of float32, as if the weights had been
// widened.

namespace llmdit::kernels {
namespace {

using Bytes [[gnu::vector_size(LLMDIT_GEMM_BYTES / 4)]] = int8_t;
using Numbers [[gnu::vector_size(LLMDIT_GEMM_BYTES)]] = uint8_t;

/// IEEE's half precision.
struct Half {
  uint16_t bits;
};

inline Vector load_numbers(const float* from) { return load<Vector>(from); }

/// Of bfloat16.
inline Vector load_numbers(const uint16_t* from) {
#if LLMDIT_GEMM_BYTES == 32 && defined(__AVX2__)  // GCC 12 makes four instructions of the general form's conversion
  return (Vector)_mm256_slli_epi32(_mm256_cvtepu16_epi32(load<__m128i>(from)), 16);
#else
  return (Vector)(__builtin_convertvector(load<HalfWidth>(from), UnsignedInts) << 16);
#endif
}

inline Vector load_numbers(const Half* from) {
#if LLMDIT_GEMM_BYTES == 64 && defined(__AVX512BW__)
  return (Vector)_mm512_cvtph_ps(load<__m256i>(from));
#elif LLMDIT_GEMM_BYTES == 32 && defined(__F16C__)
  return (Vector)_mm256_cvtph_ps(load<__m128i>(from));
#else
  Vector numbers;
  for (int i = 0; i < lanes; ++i) numbers[i] = half_to_float(from[i].bits);
  return numbers;
#endif
}

inline Vector load_numbers(const int8_t* from) {
#if LLMDIT_GEMM_BYTES == 64 && defined(__AVX512BW__)
  return (Vector)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load<__m128i>(from)));
#elif LLMDIT_GEMM_BYTES == 32 && defined(__AVX2__)
  return (Vector)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)from)));
#else
  return __builtin_convertvector(load<Bytes>(from), Vector);
#endif
}

inline float to_float(float number) { return number; }

inline float to_float(uint16_t number) {
  const uint32_t bits = uint32_t{number} << 16;
  float result;
  __builtin_memcpy(&result, &bits, sizeof result);
  return result;
}

inline float to_float(Half number) {
#ifdef __F16C__
  return _cvtsh_ss(number.bits);
#else
  return half_to_float(number.bits);
#endif
}

inline float half_at(const std::byte* from) { return to_float(load<Half>(from)); }

void widen_float16(const uint16_t* from, float* out, int64_t count) {
  const auto* halves = reinterpret_cast<const Half*>(from);
  int64_t k = 0;
  for (; k + lanes <= count; k += lanes) store(out + k, load_numbers(halves + k));
  for (; k < count; ++k) out[k] = to_float(halves[k]);
}

inline float total_of(const Vector& sum) {
  float total = 0;
  for (int i = 0; i < lanes; ++i) total += sum[i];
  return total;
}

/// Asks for what comes after the numbers at hand, of this row or the next: alone the processor stops at each page.
inline void prefetch(const void* numbers) {
  constexpr int64_t ahead = 1536;  // bytes; 1 to 2 KiB were measured best
  __builtin_prefetch(static_cast<const char*>(numbers) + ahead);
}

/// Several sums side by side: one alone would wait for each of its additions.
template <class Number>
inline float dot_numbers(const Number* a, const float* b, int64_t count) {
  constexpr int64_t sums = 4, step = sums * lanes;
  Vector sum[sums] = {};
  int64_t k = 0;
  for (; k + step <= count; k += step) {
    prefetch(a + k);
#pragma GCC unroll 4
    for (int i = 0; i < sums; ++i) sum[i] += load_numbers(a + k + i * lanes) * load<Vector>(b + k + i * lanes);
  }
  float total = total_of((sum[0] + sum[1]) + (sum[2] + sum[3]));
  for (; k < count; ++k) total += to_float(a[k]) * b[k];
  return total;
}

float dot(const float* a, const float* b, int64_t count) { return dot_numbers(a, b, count); }
float dot_bfloat16(const uint16_t* a, const float* b, int64_t count) { return dot_numbers(a, b, count); }
float dot_float16(const uint16_t* a, const float* b, int64_t count) {
  return dot_numbers(reinterpret_cast<const Half*>(a), b, count);
}

/// The product of dot_group numbers with x.
inline Vector multiply_bytes(const int8_t* numbers, const float* x) {
  Vector sum = load_numbers(numbers) * load<Vector>(x);
#pragma GCC unroll 8
  for (int64_t i = lanes; i < dot_group; i += lanes) sum += load_numbers(numbers + i) * load<Vector>(x + i);
  return sum;
}

float dot_int8(const int8_t* a, const float* factors, int64_t columns, const float* b, int64_t count) {
  Vector sum = {};
  for (int64_t k = 0; k < count; ++factors) {
    for (const int64_t end = k + columns; k < end; k += dot_group) {
      prefetch(a + k);
      sum += *factors * multiply_bytes(a + k, b + k);
    }
  }
  return total_of(sum);
}

#if LLMDIT_GEMM_BYTES == 32 && defined(__AVX2__)
/// 16 bytes, once in each lane, from which a shuffle takes eight at a time.
using Packed = Numbers;
inline Packed load_packed(const std::byte* from) { return (Packed)_mm256_broadcastsi128_si256(load<__m128i>(from)); }

/// The product of 16 numbers 0 to 127 with x.
inline Vector multiply_sixteen(Packed numbers, const float* x) {
  const __m256i first = _mm256_setr_epi8(0, -1, -1, -1, 1, -1, -1, -1, 2, -1, -1, -1, 3, -1, -1, -1,  //
                                         4, -1, -1, -1, 5, -1, -1, -1, 6, -1, -1, -1, 7, -1, -1, -1);
  const __m256i second = _mm256_setr_epi8(8, -1, -1, -1, 9, -1, -1, -1, 10, -1, -1, -1, 11, -1, -1, -1,  //
                                          12, -1, -1, -1, 13, -1, -1, -1, 14, -1, -1, -1, 15, -1, -1, -1);
  return to_float((Ints)_mm256_shuffle_epi8((__m256i)numbers, first)) * load<Vector>(x) +
         to_float((Ints)_mm256_shuffle_epi8((__m256i)numbers, second)) * load<Vector>(x + lanes);
}
#else
using Packed [[gnu::vector_size(16)]] = uint8_t;
inline Packed load_packed(const std::byte* from) { return load<Packed>(from); }

inline Vector multiply_sixteen(Packed numbers, const float* x) {
  int8_t bytes[16];
  store(bytes, numbers);
  Vector sum = load_numbers(bytes) * load<Vector>(x);
#pragma GCC unroll 4
  for (int64_t i = lanes; i < 16; i += lanes) sum += load_numbers(bytes + i) * load<Vector>(x + i);
  return sum;
}
#endif

/// What a row of blocks adds up to: `sum` over all lanes, and the share of the groups' minima.
struct DotSums {
  Vector sum = {};
  float minima = 0;
};

// One struct a kind of block: how its product with x is added, whose totals are those of each dot_group.

struct Q8_0 {
  static constexpr const BlockFormat& format = block_format(BlockType::q8_0);
  static void add(const std::byte* block, const float* x, const float*, DotSums& to) {
    to.sum += half_at(block) * multiply_bytes(reinterpret_cast<const int8_t*>(block + 2), x);
  }
};

struct Q4_0 {
  static constexpr const BlockFormat& format = block_format(BlockType::q4_0);
  static void add(const std::byte* block, const float* x, const float* totals, DotSums& to) {
    const float d = half_at(block);
    const Packed both = load_packed(block + 2);
    to.sum += d * (multiply_sixteen(both & 15, x) + multiply_sixteen(both >> 4, x + 16));
    to.minima -= 8 * d * *totals;
  }
};

struct Q4_1 {
  static constexpr const BlockFormat& format = block_format(BlockType::q4_1);
  static void add(const std::byte* block, const float* x, const float* totals, DotSums& to) {
    const Packed both = load_packed(block + 4);
    to.sum += half_at(block) * (multiply_sixteen(both & 15, x) + multiply_sixteen(both >> 4, x + 16));
    to.minima += half_at(block + 2) * *totals;
  }
};

struct Q4_K {
  static constexpr const BlockFormat& format = block_format(BlockType::q4_k);
  static void add(const std::byte* block, const float* x, const float* totals, DotSums& to) {
    const float d = half_at(block), dmin = half_at(block + 2);
    const auto* scales = reinterpret_cast<const uint8_t*>(block) + 4;
#pragma GCC unroll 4
    for (int part = 0; part < 8; part += 2) {  // 32 bytes: their low halves are a group, the high ones the next
      const Packed left = load_packed(block + 16 + 16 * part), right = load_packed(block + 32 + 16 * part);
      const ScaleMin low = scale_min(scales, part), high = scale_min(scales, part + 1);
      const float *x_low = x + part * dot_group, *x_high = x_low + dot_group;
      to.sum += d * static_cast<float>(low.scale) *
                (multiply_sixteen(left & 15, x_low) + multiply_sixteen(right & 15, x_low + 16));
      to.sum += d * static_cast<float>(high.scale) *
                (multiply_sixteen(left >> 4, x_high) + multiply_sixteen(right >> 4, x_high + 16));
      to.minima -= dmin * static_cast<float>(low.minimum) * totals[part];
      to.minima -= dmin * static_cast<float>(high.minimum) * totals[part + 1];
    }
  }
};

template <class Block>
inline float dot_each(const std::byte* blocks, const float* x, const float* totals, int64_t count) {
  DotSums sums;
  for (int64_t k = 0; k < count; k += Block::format.weights) {
    prefetch(blocks);
    Block::add(blocks, x + k, totals + k / dot_group, sums);
    blocks += Block::format.bytes;
  }
  return total_of(sums.sum) + sums.minima;
}

float dot_blocks(BlockType type, const std::byte* blocks, const float* x, const float* totals, int64_t count) {
  switch (type) {
    case BlockType::q8_0:
      return dot_each<Q8_0>(blocks, x, totals, count);
    case BlockType::q4_0:
      return dot_each<Q4_0>(blocks, x, totals, count);
    case BlockType::q4_1:
      return dot_each<Q4_1>(blocks, x, totals, count);
    case BlockType::q4_k:
      return dot_each<Q4_K>(blocks, x, totals, count);
    default:
      __builtin_unreachable();  // has_block_dot() says no
  }
}

// The same in integers, with x rounded to 8 bits by groups. Sums of 16 bits hold two products of 15 and 127.

#ifdef __AVX2__
using GroupNumbers = __m256i;
using GroupSum = __m256;

inline GroupNumbers low_halves(__m256i bytes) { return _mm256_and_si256(bytes, _mm256_set1_epi8(15)); }
inline GroupNumbers high_halves(__m256i bytes) { return low_halves(_mm256_srli_epi16(bytes, 4)); }

/// 16 bytes: their low halves, then the high ones.
inline GroupNumbers group_of_sixteen(const std::byte* packed) {
  const auto both = load<__m128i>(packed);
  return low_halves(_mm256_inserti128_si256(_mm256_castsi128_si256(both), _mm_srli_epi16(both, 4), 1));
}

inline GroupNumbers low_group(const std::byte* packed) { return low_halves(load<__m256i>(packed)); }
inline GroupNumbers high_group(const std::byte* packed) { return high_halves(load<__m256i>(packed)); }

inline void add_group(GroupNumbers numbers, const int8_t* x, float factor, GroupSum& sum) {
  const __m256i pairs = _mm256_maddubs_epi16(numbers, load<__m256i>(x));
  const __m256 products = _mm256_cvtepi32_ps(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  sum = _mm256_fmadd_ps(products, _mm256_set1_ps(factor), sum);
}

inline float total_of_groups(GroupSum sum) {
  float total = 0;
  for (int i = 0; i < 8; ++i) total += sum[i];
  return total;
}
#else
struct GroupNumbers {
  uint8_t at[nibble_group];
};
using GroupSum = float;

inline GroupNumbers group_of_sixteen(const std::byte* packed) {
  GroupNumbers numbers;
  for (int i = 0; i < 16; ++i) {
    numbers.at[i] = static_cast<uint8_t>(packed[i]) & 15;
    numbers.at[16 + i] = static_cast<uint8_t>(packed[i]) >> 4;
  }
  return numbers;
}

inline GroupNumbers low_group(const std::byte* packed) {
  GroupNumbers numbers;
  for (int i = 0; i < nibble_group; ++i) numbers.at[i] = static_cast<uint8_t>(packed[i]) & 15;
  return numbers;
}

inline GroupNumbers high_group(const std::byte* packed) {
  GroupNumbers numbers;
  for (int i = 0; i < nibble_group; ++i) numbers.at[i] = static_cast<uint8_t>(packed[i]) >> 4;
  return numbers;
}

inline void add_group(const GroupNumbers& numbers, const int8_t* x, float factor, GroupSum& sum) {
  int32_t product = 0;
  for (int i = 0; i < nibble_group; ++i) product += numbers.at[i] * x[i];
  sum += static_cast<float>(product) * factor;
}

inline float total_of_groups(GroupSum sum) { return sum; }
#endif

inline float dot_nibbles_by_32(const std::byte* blocks, int64_t bytes, bool has_minimum, const NibbleRows& x,
                               int64_t count) {
  GroupSum sum = {};
  float minima = 0;
  for (int64_t g = 0; g < count / nibble_group; ++g, blocks += bytes) {
    prefetch(blocks);
    const float d = half_at(blocks);
    add_group(group_of_sixteen(blocks + (has_minimum ? 4 : 2)), x.numbers + g * nibble_group, d * x.scales[g], sum);
    minima += (has_minimum ? half_at(blocks + 2) : -8 * d) * x.totals[g];
  }
  return total_of_groups(sum) + minima;
}

inline float dot_nibbles_by_256(const std::byte* blocks, const NibbleRows& x, int64_t count) {
  GroupSum sum = {};
  float minima = 0;
  for (int64_t g = 0; g < count / nibble_group; g += 8, blocks += Q4_K::format.bytes) {
    const float d = half_at(blocks), dmin = half_at(blocks + 2);
    const auto* scales = reinterpret_cast<const uint8_t*>(blocks) + 4;
#pragma GCC unroll 8
    for (int part = 0; part < 8; ++part) {
      const std::byte* packed = blocks + 16 + part / 2 * 32;
      const ScaleMin s = scale_min(scales, part);
      add_group(part % 2 == 0 ? low_group(packed) : high_group(packed), x.numbers + (g + part) * nibble_group,
                d * static_cast<float>(s.scale) * x.scales[g + part], sum);
      minima -= dmin * static_cast<float>(s.minimum) * x.totals[g + part];
    }
  }
  return total_of_groups(sum) + minima;
}

float dot_nibbles(BlockType type, const std::byte* blocks, const NibbleRows& x, int64_t count) {
  if (type == BlockType::q4_0) return dot_nibbles_by_32(blocks, Q4_0::format.bytes, false, x, count);
  if (type == BlockType::q4_1) return dot_nibbles_by_32(blocks, Q4_1::format.bytes, true, x, count);
  return dot_nibbles_by_256(blocks, x, count);
}

}  // namespace
}  // namespace llmdit::kernels
