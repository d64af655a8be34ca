// Philox-4x32-10 in C++ and CUDA: four random words from a counter and a key; see
// microcircuit/noise.py, which computes the same in numpy. Made for loops that a compiler turns into
// vectors: products of 32 bits by 32 are best had from vectors of 64-bit words, whose upper halves
// hold no matter what, where those can be multiplied.
#ifdef __CUDACC__
#define INLINE __device__ inline
#else
#define INLINE inline __attribute__((always_inline))
#endif

namespace philox {

#ifdef __AVX512DQ__
typedef uint64_t Word;
#else
typedef uint32_t Word;
#endif

const Word LOW = 0xffffffff;

// The counter (c0, c1, c2, c3) becomes the random words; their lower 32 bits count.
INLINE void scramble(Word& c0, Word& c1, Word& c2, Word& c3, int64_t key)
{
    Word k0 = key, k1 = (uint64_t)key >> 32;
    #pragma GCC unroll 10
    for (int round = 0; round < 10; round++)
    {
        const uint64_t p0 = 0xD2511F53ULL * (c0 & LOW);
        const uint64_t p1 = 0xCD9E8D57ULL * (c2 & LOW);
        c0 = (Word)(p1 >> 32) ^ c1 ^ k0;
        c1 = p1;
        c2 = (Word)(p0 >> 32) ^ c3 ^ k1;
        c3 = p0;
        k0 += 0x9E3779B9U;
        k1 += 0xBB67AE85U;
    }
}

// A number between 0 and 1, neither of them but for rounding.
template <typename Real> INLINE Real uniform(Word word)
{
    return ((Real)(word & LOW) + Real(0.5)) * Real(0x1p-32);
}

}

#undef INLINE
