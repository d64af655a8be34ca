// What the programs that brian2cuda generates need of CUDA, on a CPU: to run them where no GPU is.
//
// Device memory is memory of its own, so a copy that is missing shows. Blocks run one after another;
// the threads of a block take turns from one __syncthreads or shuffle to the next, from the first to
// the last or, with CUDA_ON_CPU_BACKWARDS, the other way round.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <ucontext.h>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __launch_bounds__(...)
using std::max;
using std::min;

struct dim3
{
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

inline dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace on_cpu {

// Threads are never ended: each waits for the next block. Switching is left to the compiler, since
// swapcontext calls the operating system every time.
struct Thread
{
    ucontext_t context;
    void* resume[5];
    std::vector<char> stack;
    bool done;
};

inline std::vector<Thread> threads(1024);
inline void* scheduler[5];
inline unsigned current;
inline std::function<void()> kernel;

// Not in the function that has called __builtin_setjmp, where it may not be used.
__attribute__((noinline)) inline void jump(void** to) { __builtin_longjmp(to, 1); }

__attribute__((noinline)) inline void wait()
{
    if (!__builtin_setjmp(threads[current].resume))
        jump(scheduler);
}

inline void work()
{
    for (;;)
    {
        kernel();
        threads[current].done = true;
        wait();
    }
}

__attribute__((noinline)) inline void go_on(Thread& thread)
{
    if (__builtin_setjmp(scheduler))
        return;
    if (!thread.stack.empty())
        jump(thread.resume);
    thread.stack.resize(1 << 16);
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = thread.stack.data();
    thread.context.uc_stack.ss_size = thread.stack.size();
    makecontext(&thread.context, work, 0);
    setcontext(&thread.context);
}

inline void run_block()
{
    const bool backwards = getenv("CUDA_ON_CPU_BACKWARDS");
    for (unsigned i = 0; i < blockDim.x; i++)
        threads[i].done = false;
    for (unsigned left = blockDim.x; left > 0;)
        for (unsigned i = 0; i < blockDim.x; i++)
        {
            current = backwards ? blockDim.x - 1 - i : i;
            if (threads[current].done)
                continue;
            threadIdx.x = current;
            go_on(threads[current]);
            left -= threads[current].done;
        }
}

template <typename F> struct Launch
{
    dim3 grid, block;
    F* function;

    template <typename... A> void operator()(A... arguments) const
    {
        gridDim = grid;
        blockDim = block;
        kernel = [&] { function(arguments...); };
        for (blockIdx.z = 0; blockIdx.z < grid.z; blockIdx.z++)
            for (blockIdx.y = 0; blockIdx.y < grid.y; blockIdx.y++)
                for (blockIdx.x = 0; blockIdx.x < grid.x; blockIdx.x++)
                    run_block();
    }
};

// What `function<<<grid, block>>>` is turned into.
template <typename F> Launch<F> launch(F* function, dim3 grid, dim3 block)
{
    return {grid, block, function};
}

inline char exchanged[1024][sizeof(double)];

} // namespace on_cpu

inline void __syncthreads() { on_cpu::wait(); }
inline void __threadfence() {}

template <typename T> T __shfl_down_sync(unsigned, T value, unsigned distance)
{
    const unsigned from = on_cpu::current + distance;
    std::memcpy(on_cpu::exchanged[on_cpu::current], &value, sizeof value);
    on_cpu::wait();
    if (from/32 == on_cpu::current/32)
        std::memcpy(&value, on_cpu::exchanged[from], sizeof value);
    on_cpu::wait();
    return value;
}

template <typename T> T exchange(T* p, T value)
{
    const T old = *p;
    *p = value;
    return old;
}
template <typename T, typename V> T atomicAdd(T* p, V value) { return exchange<T>(p, *p + value); }
template <typename T, typename V> T atomicMax(T* p, V value) { return exchange<T>(p, max(*p, (T)value)); }
template <typename T, typename V> T atomicOr(T* p, V value) { return exchange<T>(p, *p | value); }
template <typename T, typename C, typename V> T atomicCAS(T* p, C compare, V value)
{
    return exchange<T>(p, *p == (T)compare ? value : *p);
}

template <typename To, typename From> To same_bits(From from)
{
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}
inline float __int_as_float(int x) { return same_bits<float>(x); }
inline int __float_as_int(float x) { return same_bits<int>(x); }
inline double __longlong_as_double(long long x) { return same_bits<double>(x); }
inline long long __double_as_longlong(double x) { return same_bits<long long>(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline double cospi(double x) { return std::cos(M_PI*x); }
inline double sinpi(double x) { return std::sin(M_PI*x); }

// ---------------------------------------------------------------------- run time

enum cudaError { cudaSuccess };
typedef cudaError cudaError_t;
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum cudaLimit { cudaLimitMallocHeapSize };

struct cudaDeviceProp
{
    int multiProcessorCount = 1, warpSize = 32;
    int maxThreadsPerBlock = 1024, maxThreadsPerMultiProcessor = 2048;
    size_t sharedMemPerBlock = 49152;
};

struct cudaFuncAttributes
{
    int maxThreadsPerBlock = 1024, numRegs = 0;
    size_t sharedSizeBytes = 0, localSizeBytes = 0, constSizeBytes = 0;
};

inline const char* cudaGetErrorString(cudaError) { return ""; }
inline cudaError cudaGetLastError() { return cudaSuccess; }
inline cudaError cudaSetDevice(int) { return cudaSuccess; }
inline cudaError cudaGetDeviceProperties(cudaDeviceProp*, int) { return cudaSuccess; }
inline cudaError cudaDeviceSetLimit(cudaLimit, size_t) { return cudaSuccess; }
inline cudaError cudaDeviceSynchronize() { return cudaSuccess; }
inline cudaError cudaProfilerStop() { return cudaSuccess; }
inline cudaError cudaMemGetInfo(size_t* free, size_t* total)
{
    *free = *total = size_t(1) << 30;
    return cudaSuccess;
}

// Filled with ones, which make numbers that are none, so that reading before writing shows.
inline cudaError cudaMalloc(void** pointer, size_t size)
{
    *pointer = std::memset(std::malloc(size), 0xff, size);
    return cudaSuccess;
}

inline cudaError cudaFree(void* pointer)
{
    std::free(pointer);
    return cudaSuccess;
}

inline cudaError cudaMemcpy(void* to, const void* from, size_t size, cudaMemcpyKind)
{
    std::memcpy(to, from, size);
    return cudaSuccess;
}

template <typename T> cudaError cudaMemcpyToSymbol(T& symbol, const void* from, size_t size)
{
    std::memcpy(&symbol, from, size);
    return cudaSuccess;
}

// A block size that divides little, so that blocks end in the middle of arrays.
template <typename F>
cudaError cudaOccupancyMaxPotentialBlockSize(int* blocks, int* threads, F, size_t, int)
{
    *blocks = 1, *threads = 7;
    return cudaSuccess;
}

template <typename F>
cudaError cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, F, int, size_t)
{
    *blocks = 1;
    return cudaSuccess;
}

template <typename F> cudaError cudaFuncGetAttributes(cudaFuncAttributes*, F) { return cudaSuccess; }

// ---------------------------------------------------------------------- libraries: named, not used

namespace thrust {
template <typename T> using host_vector = std::vector<T>;
template <typename T> using device_vector = std::vector<T>;
template <typename T> T* raw_pointer_cast(T* pointer) { return pointer; }
} // namespace thrust

#define CURAND_H_
enum curandStatus_t
{
    CURAND_STATUS_SUCCESS, CURAND_STATUS_VERSION_MISMATCH, CURAND_STATUS_NOT_INITIALIZED,
    CURAND_STATUS_ALLOCATION_FAILED, CURAND_STATUS_TYPE_ERROR, CURAND_STATUS_OUT_OF_RANGE,
    CURAND_STATUS_LENGTH_NOT_MULTIPLE, CURAND_STATUS_DOUBLE_PRECISION_REQUIRED,
    CURAND_STATUS_LAUNCH_FAILURE, CURAND_STATUS_PREEXISTING_FAILURE,
    CURAND_STATUS_INITIALIZATION_FAILED, CURAND_STATUS_ARCH_MISMATCH, CURAND_STATUS_INTERNAL_ERROR
};
enum curandRngType { CURAND_RNG_PSEUDO_DEFAULT };
struct curandState {};
typedef int curandGenerator_t;
template <typename... A> curandStatus_t no_curand(A...) { return CURAND_STATUS_SUCCESS; }
#define curand_init no_curand
#define curandCreateGenerator no_curand
#define curandDestroyGenerator no_curand
#define curandSetPseudoRandomGeneratorSeed no_curand
#define curandSetGeneratorOffset no_curand
#define curandGenerateUniform no_curand
#define curandGenerateUniformDouble no_curand
#define curandGenerateNormal no_curand
#define curandGenerateNormalDouble no_curand
#define curandGeneratePoisson no_curand
