// Products of matrices, for batches: sums over k of left[k, m] right[k, n], in tiles of m by n.
//
// A tile's sums stay in registers while k runs. What is done with them is up to the caller, who gets
// them while they are there: they change a matrix of weights, or are low-passed on their way into one.
// A library stores its products first, and takes a pass for each of these.
//
// The right factor is copied into panels, as wide as a tile, that are read in order. Every sum of a tile
// adds its terms in order as well, whatever the tile.
//
// A batch with fewer presentations than a tile has rows is multiplied without panels: sums run along
// the rows of both factors, in as many parts as a vector has lanes, which are added at the end.
#ifndef MICROCIRCUIT_DENSE_BATCH
#define MICROCIRCUIT_DENSE_BATCH

#include <cstdint>
#include <type_traits>

namespace microcircuit {

// The bytes of a register, and how many registers there are.
#if defined(__AVX512F__)
constexpr int REGISTER = 64, REGISTERS = 32;
#elif defined(__AVX__)
constexpr int REGISTER = 32, REGISTERS = 16;
#elif defined(__aarch64__)
constexpr int REGISTER = 16, REGISTERS = 32;
#else
constexpr int REGISTER = 16, REGISTERS = 16;
#endif

// A tile's sums, a row of the right factor and a number of the left one fill the registers. Where there
// are 16 of them GCC needs one to spare, or it loads the right factor again for each row.
constexpr int TILE_ROWS = REGISTERS == 32 ? 8 : 6, TILE_VECTORS = REGISTERS == 32 ? 3 : 2;

template <typename T> constexpr int REGISTER_LANES = REGISTER/sizeof(T);

// Numbers from 0 on; scripts that are compiled as C++11 have no std::integer_sequence.
template <int... I> struct Numbers
{
};

template <int N, int... I> struct First : First<N - 1, N - 1, I...>
{
};

template <int... I> struct First<0, I...> : Numbers<I...>
{
};

// Numbers of two vectors, the first one's counted from 0 and the second one's following.
template <typename T, int L, int... I>
inline typename Vector<T, L>::type pick(typename Vector<T, L>::type a, typename Vector<T, L>::type b)
{
#ifdef __clang__
    return __builtin_shufflevector(a, b, I...);
#else
    typedef typename std::conditional<sizeof(T) == 8, int64_t, int32_t>::type Index;
    return __builtin_shuffle(a, b, typename Vector<Index, L>::type{I...});
#endif
}

// Swap the lanes of b that lack the bit S with those of a that have it, S places further on.
template <typename T, int L, int S, int... I>
inline void swap_lanes(typename Vector<T, L>::type& a, typename Vector<T, L>::type& b,
                       Numbers<I...>)
{
    const typename Vector<T, L>::type before = a;
    a = pick<T, L, (I & S ? L + I - S : I)...>(before, b);
    b = pick<T, L, (I & S ? L + I : I + S)...>(before, b);
}

// Transpose the matrix whose rows are the vectors.
template <typename T, int L, int S = 1> inline void transpose(typename Vector<T, L>::type (&rows)[L])
{
    if constexpr (S < L)
    {
        #pragma GCC unroll 16
        for (int i = 0; i < L; i++)
            if (!(i & S))
                swap_lanes<T, L, S>(rows[i], rows[i + S], First<L>());
        transpose<T, L, 2*S>(rows);
    }
}

// A panel for sums over K: of the right factor's columns as many as fill vectors, the last with zeros.
template <typename T, int K, int COLUMNS> struct Panel
{
    static constexpr int L = REGISTER_LANES<T>;
    static constexpr int VECTORS = (COLUMNS + L - 1)/L;
    static constexpr int WIDTH = VECTORS*L;
    typedef typename Vector<T, L>::type V;

    // From a matrix [K, N], of which N numbers are a row.
    template <int N> static inline void copy(const T* __restrict matrix, T* __restrict panel)
    {
        for (int k = 0; k < K; k++)
            for (int n = 0; n < WIDTH; n++)
                panel[k*WIDTH + n] = n < COLUMNS ? matrix[(size_t)k*N + n] : T(0);
    }

    // From a matrix [COLUMNS, K].
    static inline void turn(const T* __restrict matrix, T* __restrict panel)
    {
        for (int n = 0; n < WIDTH; n += L)
        {
            const int whole = n + L <= COLUMNS ? K/L*L : 0;
            for (int k = 0; k < whole; k += L)
            {
                V block[L];
                #pragma GCC unroll 16
                for (int i = 0; i < L; i++)
                {
                    const T* const row = matrix + (size_t)(n + i)*K + k;
                    block[i] = load<T, L>(row);
                    __builtin_prefetch(row + (size_t)L*K); // of the next block
                }
                transpose<T, L>(block);
                #pragma GCC unroll 16
                for (int i = 0; i < L; i++)
                    store<T, L>(panel + (size_t)(k + i)*WIDTH + n, block[i]);
            }
            for (int k = whole; k < K; k++)
                for (int i = n; i < n + L; i++)
                    panel[k*WIDTH + i] = i < COLUMNS ? matrix[(size_t)i*K + k] : T(0);
        }
    }

    // ROWS rows of results, with left[k, m] at k LEFT_K + m LEFT_M.
    template <int ROWS, int LEFT_K, int LEFT_M, class Result>
    static inline void tile(const T* __restrict left, const T* __restrict panel, Result result)
    {
        V sums[ROWS][VECTORS] = {};
        for (int k = 0; k < K; k++)
        {
            result.template expect<ROWS, WIDTH>(k);
            V right[VECTORS];
            #pragma GCC unroll 8
            for (int v = 0; v < VECTORS; v++)
                right[v] = load<T, L>(panel + (size_t)k*WIDTH + v*L);
            #pragma GCC unroll 8
            for (int r = 0; r < ROWS; r++)
            {
                const T factor = left[(size_t)k*LEFT_K + (size_t)r*LEFT_M];
                #pragma GCC unroll 8
                for (int v = 0; v < VECTORS; v++)
                    sums[r][v] += factor*right[v];
            }
        }
        #pragma GCC unroll 8
        for (int r = 0; r < ROWS; r++)
            #pragma GCC unroll 8
            for (int v = 0; v < VECTORS; v++)
                if ((v + 1)*L <= COLUMNS)
                    result.template take<L>(r, v*L, sums[r][v]);
                else
                    for (int l = 0; l < COLUMNS - v*L; l++)
                        result.template take<1>(r, v*L + l, sums[r][v][l]);
    }
};

template <typename T, int M, int N, int K> class Product
{
    static constexpr int LANES = REGISTER_LANES<T>, PANEL = TILE_VECTORS*LANES;
    static constexpr int REST = N % PANEL, WHOLE = N - REST;
    typedef Panel<T, K, PANEL> Wide;
    typedef Panel<T, K, REST> Last;

    // Rows of one panel after the other.
    template <class Panel_, int ROWS, int FIRST, class Result>
    static inline void down(const T* left, const T* panel, Result result)
    {
        constexpr int END = FIRST + (M - FIRST)/ROWS*ROWS;
        if constexpr (END > FIRST)
            for (int m = FIRST; m < END; m += ROWS)
                Panel_::template tile<ROWS, 1, K>(left + (size_t)m*K, panel, result.from(m, 0));
        if constexpr (END < M)
            down<Panel_, ROWS/2, END>(left, panel, result);
    }

    // Panels of one set of rows after the other.
    template <int ROWS, int FIRST, class Result>
    static inline void across(const T* left, const T* panels, Result result)
    {
        constexpr int END = FIRST + (M - FIRST)/ROWS*ROWS;
        if constexpr (END > FIRST)
            for (int m = FIRST; m < END; m += ROWS)
            {
                for (int n = 0; n < WHOLE; n += PANEL)
                    Wide::template tile<ROWS, M, 1>(
                        left + m, panels + (size_t)n*K, result.from(m, n));
                if constexpr (REST > 0)
                    Last::template tile<ROWS, M, 1>(
                        left + m, panels + (size_t)WHOLE*K, result.from(m, WHOLE));
            }
        if constexpr (END < M)
            across<ROWS/2, END>(left, panels, result);
    }

    // Panels of the right factor turned, one after the other.
    template <class Result>
    static inline void turned(const T* left, const T* right, Result result)
    {
        alignas(REGISTER) static T panel[(size_t)K*PANEL];
        for (int n = 0; n < WHOLE; n += PANEL)
        {
            Wide::turn(right + (size_t)n*K, panel);
            down<Wide, TILE_ROWS, 0>(left, panel, result.from(0, n));
        }
        if constexpr (REST > 0)
        {
            Last::turn(right + (size_t)WHOLE*K, panel);
            down<Last, TILE_ROWS, 0>(left, panel, result.from(0, WHOLE));
        }
    }

    // Sums whose terms lie side by side in both factors.
    template <int ROWS, int L, int BEGIN, class Result>
    static inline void dots(const T* __restrict left, const T* __restrict right,
                            typename Vector<T, L>::type (&sums)[M][ROWS], Result result)
    {
        constexpr int END = BEGIN + (K - BEGIN)/L*L;
        for (int k = BEGIN; k < END; k += L)
        {
            typename Vector<T, L>::type rows[ROWS];
            #pragma GCC unroll 8
            for (int r = 0; r < ROWS; r++)
                rows[r] = load<T, L>(right + (size_t)r*K + k);
            #pragma GCC unroll 8
            for (int m = 0; m < M; m++)
            {
                const typename Vector<T, L>::type factor = load<T, L>(left + (size_t)m*K + k);
                #pragma GCC unroll 8
                for (int r = 0; r < ROWS; r++)
                    sums[m][r] += factor*rows[r];
            }
        }
        if constexpr (END < K)
        {
            typename Vector<T, L/2>::type halves[M][ROWS];
            for (int m = 0; m < M; m++)
                for (int r = 0; r < ROWS; r++)
                    halves[m][r] = fold<T, L>(sums[m][r]);
            dots<ROWS, L/2, END>(left, right, halves, result);
        }
        else
            for (int m = 0; m < M; m++)
                for (int r = 0; r < ROWS; r++)
                    result.template take<1>(m, r, sum<T, L>(sums[m][r]));
    }

    template <int ROWS, int FIRST, class Result>
    static inline void few(const T* left, const T* right, Result result)
    {
        constexpr int END = FIRST + (N - FIRST)/ROWS*ROWS;
        for (int n = FIRST; n < END; n += ROWS)
        {
            typename Vector<T, LANES>::type sums[M][ROWS] = {};
            dots<ROWS, LANES, 0>(left, right + (size_t)n*K, sums, result.from(0, n));
        }
        if constexpr (END < N)
            few<ROWS/2, END>(left, right, result);
    }

public:
    // left^T right of matrices [K, M] and [K, N], along the rows of a large result.
    template <class Result>
    static COMPILED_ALONE void outer(const T* left, const T* right, Result result)
    {
        alignas(REGISTER) static T panels[(size_t)K*(WHOLE + (REST ? Last::WIDTH : 0))];
        for (int n = 0; n < WHOLE; n += PANEL)
            Wide::template copy<N>(right + n, panels + (size_t)n*K);
        if constexpr (REST > 0)
            Last::template copy<N>(right + WHOLE, panels + (size_t)WHOLE*K);
        across<TILE_ROWS, 0>(left, panels, result);
    }

    // left right^T of matrices [M, K] and [N, K], along the rows of a large right factor. With fewer rows
    // on the left than a tile has, turning it does not pay; then as many of its rows are taken at once
    // as there are registers for, with their sums.
    template <class Result>
    static COMPILED_ALONE void inner(const T* left, const T* right, Result result)
    {
        static_assert(M > 1, "a single presentation is no batch");
        if constexpr (M < TILE_ROWS)
            few<TILE_ROWS*TILE_VECTORS/(M + 1), 0>(left, right, result);
        else
            turned(left, right, result);
    }
};

// Results take sums at a row and column, L side by side, to matrices whose rows have N columns.

template <typename T, int N> struct Set
{
    T* to;

    Set from(int m, int n) const { return {to + (size_t)m*N + n}; }

    template <int ROWS, int WIDTH> void expect(int) const {}

    template <int L> inline void take(int m, int n, typename Vector<T, L>::type sum) const
    {
        store<T, L>(to + (size_t)m*N + n, sum);
    }
};

// w += scale sums, or with a filter w += passed d and d = kept d + scale sums; w within bounds.
template <typename T, int N, bool FILTERED, bool BOUNDED> struct Change
{
    T* w;
    T* d;
    T scale, passed, kept, low, high;

    Change from(int m, int n) const
    {
        const size_t place = (size_t)m*N + n;
        return {w + place, d + (FILTERED ? place : 0), scale, passed, kept, low, high};
    }

    // The next tile comes from afar: a line of it is fetched for each k. Only inline: a function that
    // does nothing else counts as one without effect.
    template <int ROWS, int WIDTH> __attribute__((always_inline)) void expect(int k) const
    {
        constexpr int LINE = 64/sizeof(T), LINES = (WIDTH + LINE - 1)/LINE;
        const int row = k % ROWS, line = k/ROWS;
        if (line < LINES)
            __builtin_prefetch(w + (size_t)row*N + WIDTH + line*LINE, 1);
        else if (FILTERED && line < 2*LINES)
            __builtin_prefetch(d + (size_t)row*N + WIDTH + (line - LINES)*LINE, 1);
    }

    template <int L> inline void take(int m, int n, typename Vector<T, L>::type sum) const
    {
        typedef typename Vector<T, L>::type V;
        const size_t place = (size_t)m*N + n;
        V value = load<T, L>(w + place), change = scale*sum;
        if constexpr (FILTERED)
        {
            const V filtered = load<T, L>(d + place);
            value += passed*filtered;
            store<T, L>(d + place, kept*filtered + change);
        }
        else
            value += change;
        if constexpr (BOUNDED)
        {
            value = value < low ? V{} + low : value;
            value = value > high ? V{} + high : value;
        }
        store<T, L>(w + place, value);
    }
};

} // namespace microcircuit
#endif
