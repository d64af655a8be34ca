{# A block of 16 x 16 threads multiplies matrices into a tile of 32 x 32, four values to a thread. #}
const int TILE = 32;
const int SIDE = 16;

// value[m, n] = sum_k a(m, k) b(n, k). With ROWS the sum runs along the rows of a [M, K] and b
// [N, K], without along the columns of a [K, M] and b [K, N]; neighbouring threads read neighbours.
template <typename T, bool ROWS> class Product
{
    const int M, N, K;

    // Copy what begins at a row (or column) and at place k of the sum; zeros beyond the edges.
    __device__ void load(
        T (&tile)[TILE][TILE + 1], const T* __restrict__ matrix, int count, int first, int k) const
    {
        for (int n = threadIdx.x; n < TILE*TILE; n += SIDE*SIDE)
        {
            const int fast = n % TILE, slow = n / TILE;
            const int in_sum = ROWS ? fast : slow, across = ROWS ? slow : fast;
            const int i = first + across, j = k + in_sum;
            const size_t place = ROWS ? (size_t)i*K + j : (size_t)j*count + i;
            tile[in_sum][across] = i < count && j < K ? matrix[place] : T(0);
        }
    }

public:
    static const int SIZE = 4;
    T value[SIZE];

    __device__ Product(int M, int N, int K) : M(M), N(N), K(K), value() {}

    // Where value[k] belongs.
    __device__ int row(int k) const { return blockIdx.y*TILE + threadIdx.x/SIDE + (k/2)*SIDE; }
    __device__ int column(int k) const { return blockIdx.x*TILE + threadIdx.x%SIDE + (k%2)*SIDE; }
    __device__ bool inside(int k) const { return row(k) < M && column(k) < N; }

    // Called by all threads of the block.
    __device__ void compute(const T* __restrict__ a, const T* __restrict__ b)
    {
        __shared__ T left[TILE][TILE + 1], right[TILE][TILE + 1];
        const int y = threadIdx.x/SIDE, x = threadIdx.x%SIDE;
        for (int k = 0; k < K; k += TILE)
        {
            load(left, a, M, blockIdx.y*TILE, k);
            load(right, b, N, blockIdx.x*TILE, k);
            __syncthreads();
            const int depth = K - k < TILE ? K - k : TILE;
            for (int i = 0; i < depth; i++)
                #pragma unroll
                for (int n = 0; n < SIZE; n++)
                    value[n] += left[i][y + (n/2)*SIDE]*right[i][x + (n%2)*SIDE];
            __syncthreads();
        }
    }
};
