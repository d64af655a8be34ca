// Random numbers for all neurons of a population: see microcircuit/noise.py, which computes the same
// in numpy.
//
// Words, and then the numbers made of them, are computed for a block of counters after the other, so
// that what is between stays in the first-level cache; and each in a loop of its own, as all that is
// to be done for a number is a long chain, and a processor sees further ahead in short ones. Blocks
// are whole vectors, across replicates, so that next to nothing is left over to be done one by one:
// small populations have less than a vector of counters for each replicate.
#define INLINE inline __attribute__((always_inline))

namespace noise {

// cos(2 pi angle/2^32) from the distance to the nearest zero of the cosine, which is exact.
template <typename Real> INLINE Real cosine(uint32_t angle)
{
    const uint32_t turned = 0 - angle, from_nearest = angle < turned ? angle : turned;
    const int32_t from_zero = (1 << 30) - from_nearest;
    return elementary::sine_of_quarters((Real)from_zero*Real(0x1p-30));
}

// Two numbers for each pair of words (Box and Muller).
template <typename Real, int COUNT>
inline void box_muller(const uint32_t* __restrict radius, const uint32_t* __restrict angle,
                       Real* __restrict first, Real* __restrict second)
{
    for (int i = 0; i < COUNT; i++)
    {
        const Real square = -2*elementary::log_of_normal(philox::uniform<Real>(radius[i]));
        const Real length = std::sqrt(square);
        first[i] = length*cosine<Real>(angle[i]);
        second[i] = length*cosine<Real>(angle[i] - (1U << 30));
    }
}

struct Normal
{
    template <typename Real, int SIZE>
    static void make(const uint32_t (&words)[4][SIZE], Real (&numbers)[4][SIZE])
    {
        box_muller<Real, SIZE>(words[0], words[1], numbers[0], numbers[1]);
        box_muller<Real, SIZE>(words[2], words[3], numbers[2], numbers[3]);
    }
};

struct Uniform
{
    template <typename Real, int SIZE>
    static void make(const uint32_t (&words)[4][SIZE], Real (&numbers)[4][SIZE])
    {
        for (int k = 0; k < 4; k++)
            for (int i = 0; i < SIZE; i++)
                numbers[k][i] = philox::uniform<Real>(words[k][i]);
    }
};

template <class Kind, typename Real, int REPLICATES, int NEURONS> class Source
{
    static constexpr int QUARTER = (NEURONS + 3)/4, COUNTERS = REPLICATES*QUARTER; // see noise.py
    static constexpr int LANES = philox::LANES, VECTOR = sizeof(philox::Words)/sizeof(Real), MOST = 256;
    static constexpr int BLOCKS = (COUNTERS + MOST - 1)/MOST;
    static constexpr int SIZE = ((COUNTERS + BLOCKS - 1)/BLOCKS + VECTOR - 1)/VECTOR*VECTOR;

    // Of the counters, and of some more to fill the last block.
    philox::Words index[BLOCKS*SIZE/LANES] = {}, key[BLOCKS*SIZE/LANES] = {};
    uint32_t words[4][SIZE];
    Real numbers[4][SIZE];

    static int smaller(int a, int b) { return a < b ? a : b; }

    void draw(int start, int64_t step, uint32_t stream)
    {
        typedef uint32_t Narrow __attribute__((vector_size(4*LANES)));
        const philox::Words none = {};
        for (int i = 0; i < SIZE; i += LANES)
        {
            const philox::Words k = key[(start + i)/LANES];
            philox::Words c[4] = {none + (uint32_t)step, none + (uint32_t)(step >> 32),
                                  index[(start + i)/LANES], none + stream};
            philox::scramble(c[0], c[1], c[2], c[3], k, k >> 32);
            for (int n = 0; n < 4; n++)
            {
                const Narrow narrow = __builtin_convertvector(c[n], Narrow);
                std::memcpy(words[n] + i, &narrow, sizeof narrow);
            }
        }
        Kind::make(words, numbers);
    }

    // What a part of the block brings for the neurons of a replicate.
    INLINE void put(int begin, int first, int count, Real* replicate) const
    {
        #pragma GCC unroll 4
        for (int k = 0; k < 4; k++)
        {
            const int neuron = k*QUARTER + first, there = smaller(count, NEURONS - neuron);
            if (there > 0)
                std::memcpy(replicate + neuron, numbers[k] + begin, there*sizeof(Real));
        }
    }

public:
    explicit Source(const int64_t* keys)
    {
        for (int c = 0; c < COUNTERS; c++)
        {
            index[c/LANES][c%LANES] = c%QUARTER;
            key[c/LANES][c%LANES] = keys[c/QUARTER];
        }
    }

    // target[r, n] for all replicates and their neurons
    void fill(int64_t step, uint32_t stream, Real* target)
    {
        for (int start = 0; start < COUNTERS; start += SIZE)
        {
            draw(start, step, stream);
            const int stop = smaller(start + SIZE, COUNTERS);
            for (int c = start; c < stop;)
            {
                const int first = c%QUARTER, count = smaller(QUARTER - first, stop - c);
                Real* const replicate = target + (size_t)(c/QUARTER)*NEURONS;
                // Most often whole quarters, so of a size that the compiler knows.
                if (count == QUARTER)
                    put(c - start, 0, QUARTER, replicate);
                else
                    put(c - start, first, count, replicate);
                c += count;
            }
        }
    }
};

}

#undef INLINE
