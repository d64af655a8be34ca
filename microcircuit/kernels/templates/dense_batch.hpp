// Products with a small batch: where a batch is no larger than this, a library's matrix product takes
// most of its time to rearrange the matrix, which is the large thing, for so few columns.
//
// A few rows at a time are brought up to date and multiplied while they are in the fastest cache, in
// tiles whose sums stay in registers. What a row's product is does not depend on the tile it is in.
#ifndef MICROCIRCUIT_DENSE_BATCH
#define MICROCIRCUIT_DENSE_BATCH

namespace microcircuit {

template <typename T, int POST, int PRE, int BATCH> class SmallBatch
{
    static constexpr int LANES = 64/sizeof(T);
    static constexpr int ROWS = 4, TILE = 5, TERMS = 4;

    // rows = keep rows + sum over TERMS_ of weight^T factor
    template <int ROWS_, int TERMS_, int L, int BEGIN>
    static inline void add_columns(T* __restrict row, const T* __restrict factor,
                                   const T (&weight)[TERMS][ROWS], T keep)
    {
        typedef typename Vector<T, L>::type V;
        constexpr int END = BEGIN + (PRE - BEGIN)/L*L;
        for (int i = BEGIN; i < END; i += L)
        {
            V f[TERMS_];
            #pragma GCC unroll 8
            for (int n = 0; n < TERMS_; n++)
                f[n] = at<T, L>(factor + (size_t)n*PRE + i);
            #pragma GCC unroll 8
            for (int k = 0; k < ROWS_; k++)
            {
                V value = keep*at<T, L>((const T*)row + (size_t)k*PRE + i);
                #pragma GCC unroll 8
                for (int n = 0; n < TERMS_; n++)
                    value += weight[n][k]*f[n];
                at<T, L>(row + (size_t)k*PRE + i) = value;
            }
        }
        if constexpr (END < PRE)
            add_columns<ROWS_, TERMS_, L/2, END>(row, factor, weight, keep);
    }

    template <int ROWS_, int FIRST>
    static inline void add(T* row, const T* post, const T* pre, T scale, T keep)
    {
        constexpr int TERMS_ = BATCH - FIRST < TERMS ? BATCH - FIRST : TERMS;
        T weight[TERMS][ROWS];
        for (int n = 0; n < TERMS_; n++)
            for (int k = 0; k < ROWS_; k++)
                weight[n][k] = scale*post[(size_t)(FIRST + n)*POST + k];
        add_columns<ROWS_, TERMS_, LANES, 0>(row, pre + (size_t)FIRST*PRE, weight, keep);
        if constexpr (FIRST + TERMS_ < BATCH)
            add<ROWS_, FIRST + TERMS_>(row, post, pre, scale, 1);
    }

    // Columns that a vector does not divide are left to vectors of half the length.
    template <int ROWS_, int TILE_, int L, int BEGIN>
    static inline void multiply_columns(const T* __restrict row, const T* __restrict x, T* __restrict y,
                                        typename Vector<T, L>::type (&products)[ROWS][TILE])
    {
        typedef typename Vector<T, L>::type V;
        constexpr int END = BEGIN + (PRE - BEGIN)/L*L;
        for (int i = BEGIN; i < END; i += L)
        {
            V value[ROWS_];
            #pragma GCC unroll 8
            for (int k = 0; k < ROWS_; k++)
                value[k] = at<T, L>(row + (size_t)k*PRE + i);
            #pragma GCC unroll 8
            for (int b = 0; b < TILE_; b++)
            {
                const V s = at<T, L>(x + (size_t)b*PRE + i);
                #pragma GCC unroll 8
                for (int k = 0; k < ROWS_; k++)
                    products[k][b] += value[k]*s;
            }
        }
        if constexpr (END < PRE)
        {
            typename Vector<T, L/2>::type halves[ROWS][TILE];
            for (int k = 0; k < ROWS_; k++)
                for (int b = 0; b < TILE_; b++)
                    halves[k][b] = fold<T, L>(products[k][b]);
            multiply_columns<ROWS_, TILE_, L/2, END>(row, x, y, halves);
        }
        else
            for (int k = 0; k < ROWS_; k++)
                for (int b = 0; b < TILE_; b++)
                    y[(size_t)b*POST + k] = sum<T, L>(products[k][b]);
    }

    template <int ROWS_, int FIRST> static inline void multiply(const T* row, const T* x, T* y)
    {
        constexpr int TILE_ = BATCH - FIRST < TILE ? BATCH - FIRST : TILE;
        typename Vector<T, LANES>::type products[ROWS][TILE] = {};
        multiply_columns<ROWS_, TILE_, LANES, 0>(
            row, x + (size_t)FIRST*PRE, y + (size_t)FIRST*POST, products);
        if constexpr (FIRST + TILE_ < BATCH)
            multiply<ROWS_, FIRST + TILE_>(row, x, y);
    }

    template <bool ADD, bool MULTIPLY, int ROWS_, int FIRST>
    static inline void rows(T* m, const T* post, const T* pre, T scale, T keep, const T* x, T* y)
    {
        for (int j = FIRST; j + ROWS_ <= POST; j += ROWS_)
        {
            if constexpr (ADD)
                add<ROWS_, 0>(m + (size_t)j*PRE, post + j, pre, scale, keep);
            if constexpr (MULTIPLY)
                multiply<ROWS_, 0>(m + (size_t)j*PRE, x, y + j);
        }
        constexpr int DONE = FIRST + (POST - FIRST)/ROWS_*ROWS_;
        if constexpr (DONE < POST)
            rows<ADD, MULTIPLY, ROWS_/2, DONE>(m, post, pre, scale, keep, x, y);
    }

public:
    // m = keep m + scale post^T pre
    static COMPILED_ALONE void add(T* m, const T* post, const T* pre, T scale, T keep)
    {
        rows<true, false, ROWS, 0>(m, post, pre, scale, keep, nullptr, nullptr);
    }

    // y = x m^T
    static COMPILED_ALONE void multiply(const T* m, const T* x, T* y)
    {
        rows<false, true, ROWS, 0>((T*)m, nullptr, nullptr, 0, 0, x, y);
    }

    // The one and the other, of the matrix as it is by then.
    static COMPILED_ALONE void add_and_multiply(T* m, const T* post, const T* pre, T scale,
                                                const T* x, T* y)
    {
        rows<true, true, ROWS, 0>(m, post, pre, scale, 1, x, y);
    }
};

} // namespace microcircuit
#endif
