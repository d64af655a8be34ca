// A dense projection of one replicate: target = w signal, and dw/dt an outer product of two factors.
//
// The matrices are the large thing, and passing over them is what takes time. So what a step learns
// is kept as a term, a pair of vectors, and applied later, in a pass that multiplies as it goes:
//
//     w = w0 + passed d0 + sum_s <weight_s factor_s^T>,   d = kept d0 + sum_s <filter_s factor_s^T>
//
// w0 and d0 are the matrices at the last such pass, d the filtered product (if there is a filter;
// else the terms change w alone), < > averages over the batch, factor_s are presynaptic factors.
//
// - Without a filter each step's pass applies the term of the step before.
// - With a filter a pass would read and write two matrices. But a term reaches d first and w a step
//   later, and what d0 adds to w by then is known: a pass looks ahead and stores w0 + ahead d0, so
//   that the next step multiplies by w as it lies there, and both terms are applied in the step
//   after. The two matrices are written in every second step, and d is read in no other.
// - As long as the signal stays the same there is no pass at all: the terms share their presynaptic
//   factor, so they add up to one, and w signal follows from w0 signal, d0 signal and |signal|^2.
//   A factor that someone has changed since the drive ends that: its term stays by itself.
// - Batches are matrix products (dense_batch.hpp). A term is a large matrix itself there, and applied
//   where it arises, unless the signal stays.
//
// Every function that rounds is compiled by itself, for sizes known at compile time and nothing else
// known of its callers, so that replicates, chunks and single runs execute the same operations in the
// same order and agree to the bit. Passes over large matrices may differ by what they fetch in advance.
#ifndef MICROCIRCUIT_DENSE_MATRIX
#define MICROCIRCUIT_DENSE_MATRIX

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>

#ifdef __clang__
#define COMPILED_ALONE __attribute__((noinline))
#else
#define COMPILED_ALONE __attribute__((noipa))
#endif

namespace microcircuit {

// L numbers side by side; GCC and Clang map them to whatever registers the processor has.
template <typename T, int L> struct Vector
{
    typedef T type __attribute__((vector_size(L*sizeof(T))));
};

template <typename T> struct Vector<T, 1>
{
    typedef T type;
};

// Such numbers where rows of a matrix have them: anywhere in memory.
template <typename T, int L> struct __attribute__((packed, may_alias)) Unaligned
{
    typename Vector<T, L>::type vector;
};

template <typename T, int L> inline typename Vector<T, L>::type load(const T* from)
{
    return ((const Unaligned<T, L>*)from)->vector;
}

template <typename T, int L> inline void store(T* to, typename Vector<T, L>::type v)
{
    ((Unaligned<T, L>*)to)->vector = v;
}

template <typename T, int L>
inline typename Vector<T, L/2>::type fold(typename Vector<T, L>::type v)
{
    T parts[L];
    std::memcpy(parts, &v, sizeof parts);
    return load<T, L/2>(parts) + load<T, L/2>(parts + L/2);
}

template <typename T, int L> inline T sum(typename Vector<T, L>::type v)
{
    if constexpr (L == 1)
        return v;
    else
        return sum<T, L/2>(fold<T, L>(v));
}

} // namespace microcircuit

{% include 'dense_batch.hpp' %}

namespace microcircuit {

inline size_t bytes_of_matrices = 0; // of all projections

// Half of the last cache, which is shared with other cores. What sysconf says of it is wrong on
// virtual machines; where the system says nothing, 32 MB in all are assumed.
inline size_t bytes_in_cache()
{
    size_t kilobytes = 0;
    std::ifstream("/sys/devices/system/cpu/cpu0/cache/index3/size") >> kilobytes;
    return (kilobytes ? kilobytes : 32768)*1024/2;
}

// Passes over more bytes of matrices than this fetch rows ahead: where no cache holds them, and
// registers have 64 bytes (Zen 5 takes a quarter less time then; Zen 3, with 32, a quarter more).
inline size_t bytes_not_fetched = REGISTER == 64 ? bytes_in_cache() : SIZE_MAX;

template <typename T, int POST, int PRE, int BATCH, bool FILTERED, bool BOUNDED, bool SHARED>
class DenseMatrix
{
    static constexpr int LANES = REGISTER_LANES<T>;
    static constexpr size_t ROW = PRE*sizeof(T), PAGE = 4096;
    // Rows share what is loaded of the signal, and each needs registers for its sum and its factors:
    // five, which divide round numbers, or three with a filter and 16 registers. Of rows that are whole
    // pages long all lines at a column compete for eight places in the first cache, or some more, those
    // of the filter, the signal and the factors as well: then two.
    static constexpr int ROWS = !FILTERED ? 5 : ROW % PAGE == 0 ? 2 : REGISTERS == 16 ? 3 : 5;
    // Bounds cut off each step's change, so it can't wait.
    static constexpr int MOST_TERMS = FILTERED && BATCH == 1 && !BOUNDED ? 2 : 1;
    // A presynaptic factor that is not the signal need not stay the same with it.
    static constexpr bool SUMS_TERMS = SHARED && !BOUNDED;
    static constexpr bool LOOKS_AHEAD = MOST_TERMS == 2;
    static constexpr T MEAN = T(1)/BATCH;

    int terms = 0; // that wait to be applied
    bool known = false; // base_drive holds w0 base_signal
    bool seen = false; // first_presentation is of the step before
    bool constant = false; // the signal is base_signal
    bool summed = false; // the first term holds several steps
    bool extended = false; // base_filtered and overlap belong to base_signal
    T passed = 0, kept = 1, ahead = 0;
    T rate = 0, low = 0, high = 0; // of the last step that learnt
    alignas(64) T base_signal[BATCH*PRE];
    T base_drive[BATCH*POST], base_filtered[FILTERED ? BATCH*POST : 1];
    T overlap[BATCH*BATCH], added[BATCH*POST];
    T first_presentation[BATCH > 1 ? PRE : 1];
    alignas(64) T factor[MOST_TERMS][BATCH*PRE];
    T weight_term[MOST_TERMS][BATCH*POST], filter_term[MOST_TERMS][FILTERED ? BATCH*POST : 1];

    // One pass over rows that lie APART: apply TERMS terms to d, the first WEIGHTS of them to w as
    // well, and multiply by x. Columns that a vector does not divide are left to vectors of half the
    // length. If FETCH, the rows after these are fetched meanwhile.
    template <int TERMS, int WEIGHTS, bool MULTIPLY, bool FETCH, int ROWS_, int APART, int L,
              int BEGIN>
    inline void columns(T* __restrict w, T* __restrict d, const T* __restrict x,
                        const T (*weight)[ROWS], const T (*filter)[ROWS],
                        typename Vector<T, L>::type (&products)[ROWS_], T* __restrict y)
    {
        typedef typename Vector<T, L>::type V;
        constexpr int END = BEGIN + (PRE - BEGIN)/L*L;
        if constexpr (END > BEGIN)
        {
            const T from_filter = passed - ahead, next = rate, keep = kept, least = low, most = high;
            for (int i = BEGIN; i < END; i += L)
            {
                V f[TERMS ? TERMS : 1] = {}, s = {};
                for (int n = 0; n < TERMS; n++)
                    f[n] = load<T, L>(factor[n] + i);
                if constexpr (MULTIPLY)
                    s = load<T, L>(x + i);
                #pragma GCC unroll 8
                for (int k = 0; k < ROWS_; k++)
                {
                    const size_t place = (size_t)k*APART*PRE + i;
                    T* __restrict row = w + place;
                    V value = load<T, L>(row), filtered = {};
                    if constexpr (FETCH)
                        __builtin_prefetch(row + PRE, TERMS > 0);
                    if constexpr (FETCH && TERMS && FILTERED)
                        __builtin_prefetch(d + place + PRE, 1);
                    if constexpr (TERMS && FILTERED)
                    {
                        V learned = filter[0][k]*f[0];
                        for (int n = 1; n < TERMS; n++)
                            learned += filter[n][k]*f[n];
                        filtered = load<T, L>(d + place);
                        value += from_filter*filtered;
                        filtered = keep*filtered + learned;
                        store<T, L>(d + place, filtered);
                    }
                    for (int n = 0; n < WEIGHTS; n++)
                        value += weight[n][k]*f[n];
                    if constexpr (TERMS && BOUNDED)
                    {
                        value = value < least ? V{} + least : value;
                        value = value > most ? V{} + most : value;
                    }
                    if constexpr (MULTIPLY)
                        products[k] += value*s;
                    if constexpr (TERMS)
                        store<T, L>(row, MULTIPLY && LOOKS_AHEAD ? value + next*filtered : value);
                }
            }
        }
        if constexpr (END < PRE)
        {
            typename Vector<T, L/2>::type halves[ROWS_];
            for (int k = 0; k < ROWS_; k++)
                halves[k] = fold<T, L>(products[k]);
            columns<TERMS, WEIGHTS, MULTIPLY, FETCH, ROWS_, APART, L/2, END>(
                w, d, x, weight, filter, halves, y);
        }
        else
            for (int k = 0; MULTIPLY && k < ROWS_; k++)
                y[k] = sum<T, L>(products[k]);
    }

    // Rows that are passed over together lie as far apart as they can, and after them come their
    // neighbours: so memory is read in order, in some streams, which processors fetch ahead. If it can
    // be helped, streams are not whole pages apart.
    template <int TERMS, int WEIGHTS, bool MULTIPLY, bool FETCH, int ROWS_, int FIRST>
    inline void rows(T* w, T* d, const T* x, T* y)
    {
        constexpr int MOST = (POST - FIRST)/ROWS_;
        constexpr bool PAGES_APART = ROWS_ > 1 && MOST > 1 && MOST*ROW % PAGE == 0 && ROW % PAGE != 0;
        constexpr int APART = MOST - PAGES_APART;
        for (int j = FIRST; j < FIRST + APART; j++)
        {
            T weight[MOST_TERMS][ROWS], filter[MOST_TERMS][ROWS], sums[ROWS_];
            typename Vector<T, LANES>::type products[ROWS_] = {};
            for (int k = 0; k < ROWS_; k++)
            {
                for (int n = 0; n < WEIGHTS; n++)
                    weight[n][k] = weight_term[n][j + k*APART];
                for (int n = 0; FILTERED && n < TERMS; n++)
                    filter[n][k] = filter_term[n][j + k*APART];
            }
            const size_t start = (size_t)j*PRE;
            columns<TERMS, WEIGHTS, MULTIPLY, FETCH, ROWS_, APART, LANES, 0>(
                w + start, d ? d + start : d, x, weight, filter, products, sums);
            for (int k = 0; MULTIPLY && k < ROWS_; k++)
                y[j + k*APART] = sums[k];
        }
        constexpr int DONE = FIRST + APART*ROWS_, LEFT = POST - DONE;
        if constexpr (LEFT > 0)
            rows<TERMS, WEIGHTS, MULTIPLY, FETCH, (LEFT < ROWS_ ? ROWS_/2 : ROWS_), DONE>(w, d, x, y);
    }

    template <int TERMS, int WEIGHTS, bool MULTIPLY, bool FETCH>
    COMPILED_ALONE void all_rows(T* w, T* d, const T* x, T* y)
    {
        rows<TERMS, WEIGHTS, MULTIPLY, FETCH, ROWS, 0>(w, d, x, y);
    }

    template <int TERMS, int WEIGHTS, bool MULTIPLY> void pass(T* w, T* d, const T* x, T* y)
    {
        if (bytes_of_matrices > bytes_not_fetched)
            all_rows<TERMS, WEIGHTS, MULTIPLY, true>(w, d, x, y);
        else
            all_rows<TERMS, WEIGHTS, MULTIPLY, false>(w, d, x, y);
    }

    void multiply(T* m, const T* x, T* y)
    {
        if constexpr (BATCH == 1)
            pass<0, 0, true>(m, nullptr, x, y);
        else
            Product<T, BATCH, POST, PRE>::inner(x, m, Set<T, POST>{y});
    }

    template <bool MULTIPLY> void apply_single(T* w, T* d, const T* x, T* y)
    {
        // With a filter the last term has reached d but not w, unless it is a sum.
        if constexpr (MOST_TERMS == 2)
            if (terms == 2)
                return pass<2, 1, MULTIPLY>(w, d, x, y);
        if (summed || !FILTERED)
            pass<1, 1, MULTIPLY>(w, d, x, y);
        else
            pass<1, 0, MULTIPLY>(w, d, x, y);
    }

    void add_to_weights(T* w, const T* post, const T* pre, T scale)
    {
        Product<T, POST, PRE, BATCH>::outer(
            post, pre, Change<T, PRE, false, BOUNDED>{w, nullptr, scale, 0, 1, low, high});
    }

    void add_to_filtered(T* w, T* d, const T* post, const T* pre, T scale)
    {
        Product<T, POST, PRE, BATCH>::outer(
            post, pre, Change<T, PRE, true, BOUNDED>{w, d, scale, passed, kept, low, high});
        passed = 0, kept = 1;
    }

    // The same where nothing is added to d.
    COMPILED_ALONE void fade(T* __restrict w, T* __restrict d)
    {
        const T from_filter = passed, keep = kept, least = low, most = high;
        for (size_t i = 0; i < (size_t)POST*PRE; i++)
        {
            T value = w[i] + from_filter*d[i];
            d[i] *= keep;
            if constexpr (BOUNDED)
                value = value < least ? least : value > most ? most : value;
            w[i] = value;
        }
        passed = 0, kept = 1;
    }

    void apply_batch(T* w, T* d)
    {
        if constexpr (FILTERED)
            add_to_filtered(w, d, filter_term[0], factor[0], MEAN);
        if (summed || !FILTERED)
            add_to_weights(w, weight_term[0], factor[0], MEAN);
    }

    // Bring the matrices up to date, and multiply in the same go.
    template <bool MULTIPLY> void apply(T* w, T* d, const T* x, T* y)
    {
        if constexpr (BATCH == 1)
            apply_single<MULTIPLY>(w, d, x, y);
        else
        {
            apply_batch(w, d);
            if constexpr (MULTIPLY)
                multiply(w, x, y);
        }
        terms = 0;
        summed = false;
        passed = 0, kept = 1, ahead = MULTIPLY && LOOKS_AHEAD ? rate : 0;
    }

    // What a signal that stays needs beyond w0 signal, computed the first time that it does.
    void extend(T* d)
    {
        if (extended)
            return;
        extended = true;
        if constexpr (FILTERED)
            multiply(d, base_signal, base_filtered);
        if constexpr (BATCH == 1)
            overlap[0] = square(base_signal);
        else
            Product<T, BATCH, BATCH, PRE>::inner(
                (const T*)base_signal, (const T*)base_signal, Set<T, BATCH>{overlap});
    }

    template <int L, int BEGIN>
    static inline T dot_from(const T* a, const T* b, typename Vector<T, L>::type total)
    {
        constexpr int END = BEGIN + (PRE - BEGIN)/L*L;
        for (int i = BEGIN; i < END; i += L)
            total += load<T, L>(a + i)*load<T, L>(b + i);
        if constexpr (END < PRE)
            return dot_from<L/2, END>(a, b, fold<T, L>(total));
        else
            return sum<T, L>(total);
    }

    static COMPILED_ALONE T square(const T* a)
    {
        return dot_from<LANES, 0>(a, a, typename Vector<T, LANES>::type{});
    }

    // The drive by a signal that has stayed, from what it was at the last pass.
    COMPILED_ALONE void follow(T* __restrict y)
    {
        for (int j = 0; j < BATCH*POST; j++)
        {
            T change = 0;
            if constexpr (FILTERED)
                change = passed*base_filtered[j];
            if constexpr (BATCH == 1)
                change += overlap[0]*weight_term[0][j];
            y[j] = base_drive[j] + change;
        }
        // overlap is symmetric, so it may as well be its own transpose.
        if constexpr (BATCH > 1)
            Product<T, BATCH, POST, BATCH>::outer(
                (const T*)overlap, (const T*)weight_term[0],
                Change<T, POST, false, false>{y, nullptr, MEAN, 0, 1, 0, 0});
    }

    // Looking ahead was in vain if nothing was learnt in that step: someone set the rate to zero.
    void look_back(T* w, T* d)
    {
        if (terms == 0 && ahead != 0)
        {
            std::memset(factor[0], 0, sizeof factor[0]);
            std::memset(filter_term[0], 0, sizeof filter_term[0]);
            terms = 1;
            apply<false>(w, d, nullptr, nullptr);
        }
    }

    // Make way for a term of another factor than base_signal: nothing is added to it, and nothing
    // follows from base_drive any more.
    void stand_alone(T* w, T* d)
    {
        if (terms)
            apply<false>(w, d, nullptr, nullptr);
        known = false;
    }

    // Whether a signal is worth keeping. A batch's is large, so it must have stayed for a step, going
    // by its first presentation.
    bool stays(const T* signal)
    {
        if constexpr (BATCH == 1)
            return true;
        const bool stayed = seen && std::memcmp(signal, first_presentation, sizeof first_presentation) == 0;
        std::memcpy(first_presentation, signal, sizeof first_presentation);
        seen = true;
        return stayed;
    }

    // w signal, by the cheapest of the ways that the comment at the top lists.
    void product(T* w, T* d, const T* signal, T* __restrict y)
    {
        look_back(w, d);
        constant = known && std::memcmp(signal, base_signal, sizeof base_signal) == 0;
        if (constant && terms == 0)
        {
            std::memcpy(y, base_drive, sizeof base_drive);
            return;
        }
        if (constant && SUMS_TERMS && terms == 1)
        {
            extend(d);
            return follow(y);
        }
        known = false;
        if (MOST_TERMS == 2 && terms == 1 && !summed && passed == ahead)
            return multiply(w, signal, y);
        if (terms)
            apply<true>(w, d, signal, y);
        else
            multiply(w, signal, y);
        constant = stays(signal);
        if (!constant)
            return;
        std::memcpy(base_signal, signal, sizeof base_signal);
        std::memcpy(base_drive, y, sizeof base_drive);
        known = true;
        extended = false;
    }

public:
    DenseMatrix() { bytes_of_matrices += (FILTERED ? 2 : 1)*sizeof(T)*POST*PRE; }

    // Bring the matrices up to date, as at the end of a run.
    void flush(T* w, T* d)
    {
        look_back(w, d);
        if (terms)
            apply<false>(w, d, nullptr, nullptr);
        known = seen = false;
    }

    // target (+)= w signal. Matrices are brought up to date where presentations start, so that
    // where a run is cut makes no difference.
    template <bool ACCUMULATE>
    void drive(T* w, T* d, const T* signal, T* __restrict target, bool starts)
    {
        if (starts)
            flush(w, d);
        if constexpr (!ACCUMULATE)
            return product(w, d, signal, target);
        product(w, d, signal, added);
        for (int j = 0; j < BATCH*POST; j++)
            target[j] += added[j];
    }

    // One Euler step of the rule: the product of the factors becomes a term, or part of one.
    COMPILED_ALONE void learn(T* w, T* d, const T* __restrict post, const T* __restrict pre,
                              T rate_, T decay, T low_, T high_, bool on)
    {
        if (!FILTERED && !on)
            return;
        if (SUMS_TERMS && constant && std::memcmp(pre, base_signal, sizeof base_signal) != 0)
            stand_alone(w, d);
        rate = rate_, low = low_, high = high_;
        passed += FILTERED ? rate*kept : T(0);
        kept *= 1 - decay;
        if constexpr (BATCH > 1)
            if (!(SUMS_TERMS && known))
            {
                known = false;
                if constexpr (!FILTERED)
                    add_to_weights(w, post, pre, MEAN*rate);
                else if (on)
                    add_to_filtered(w, d, post, pre, MEAN*decay);
                else
                    fade(w, d);
                return;
            }
        for (int n = 0; FILTERED && n < terms; n++)
            for (int j = 0; j < BATCH*POST; j++)
            {
                weight_term[n][j] += rate*filter_term[n][j];
                filter_term[n][j] *= 1 - decay;
            }
        summed = SUMS_TERMS && constant && terms == 1;
        const int n = summed ? 0 : terms++;
        if (!summed)
        {
            std::memcpy(factor[n], pre, sizeof factor[n]);
            std::memset(weight_term[n], 0, sizeof weight_term[n]);
            std::memset(filter_term[n], 0, sizeof filter_term[n]);
        }
        T* __restrict term = FILTERED ? filter_term[n] : weight_term[n];
        const T scale = FILTERED ? decay : rate;
        if (on)
            for (int j = 0; j < BATCH*POST; j++)
                term[j] += scale*post[j];
    }
};

} // namespace microcircuit
#endif
