// Philox-4x32-10 in C++ and CUDA: four random words from a counter and a key; see
// microcircuit/noise.py, which computes the same in numpy.
#if defined(__AVX2__) && !defined(__CUDACC__)
#include <immintrin.h>
#elif defined(__ARM_NEON) && !defined(__CUDACC__)
#include <arm_neon.h>
#endif

#ifdef __CUDACC__
#define INLINE __device__ inline
#else
#define INLINE inline __attribute__((always_inline))
#endif

namespace philox {

INLINE uint64_t product(uint32_t a, uint32_t b) { return (uint64_t)a*b; }

#ifndef __CUDACC__
#if defined(__AVX512F__)
const int LANES = 8;
#elif defined(__AVX2__)
const int LANES = 4;
#else
const int LANES = 2;
#endif

// Words side by side, in the lower halves of 64 bits. The upper halves hold no matter what.
typedef uint64_t Words __attribute__((vector_size(8*LANES)));

// Processors multiply the lower halves, but compilers only know products of all 64 bits, or spend more
// time on bringing 32 of them into place than on multiplying.
INLINE Words product(Words a, uint32_t b)
{
#if defined(__AVX512F__)
    return (Words)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi64(b));
#elif defined(__AVX2__)
    return (Words)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x(b));
#elif defined(__ARM_NEON)
    return (Words)vmull_u32(vmovn_u64((uint64x2_t)a), vdup_n_u32(b));
#else
    return (a & 0xffffffff)*b;
#endif
}
#endif

// The counter (c0, c1, c2, c3) becomes the random words.
template <typename W> INLINE void scramble(W& c0, W& c1, W& c2, W& c3, W k0, W k1)
{
    #pragma GCC unroll 10
    for (int round = 0; round < 10; round++)
    {
        const auto p0 = product(c0, 0xD2511F53), p1 = product(c2, 0xCD9E8D57);
        c0 = (W)(p1 >> 32) ^ c1 ^ k0;
        c1 = (W)p1;
        c2 = (W)(p0 >> 32) ^ c3 ^ k1;
        c3 = (W)p0;
        k0 += 0x9E3779B9U;
        k1 += 0xBB67AE85U;
    }
}

// A number between 0 and 1, neither of them but for rounding.
template <typename Real> INLINE Real uniform(uint32_t word)
{
    return ((Real)word + Real(0.5)) * Real(0x1p-32);
}

}

#undef INLINE
