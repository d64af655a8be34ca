// How fast memory can be walked through: the ceiling for whatever reads, or changes, every weight
// of a matrix in every step.
//
//     stream                                  names the variants
//     stream BYTES PASSES KIND PAGES VARIANT  prints the CPU seconds of a pass
//
// KIND is "read" (sum) or "update" (add a constant to each number in place); PAGES "small", or
// "huge" for 2 MiB, which spares address translation. The variants differ in what compilers and
// processors are at odds about: width of a vector, vectors a loop, streams, prefetching. Which is
// fastest depends on the machine and the size, so all are tried.

#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

template <int WIDTH>
struct Vector;
template <>
struct Vector<32> {
  typedef double type __attribute__((vector_size(32)));
};
template <>
struct Vector<64> {
  typedef double type __attribute__((vector_size(64)));
};

template <int WIDTH, int UNROLL, int STREAMS, int AHEAD, bool UPDATE>
void walk(char* start, size_t bytes) {
  typedef typename Vector<WIDTH>::type vector;
  const vector change = vector{} + 1e-9;
  vector sums[STREAMS * UNROLL] = {};
  const size_t part = bytes / STREAMS / WIDTH * WIDTH;
  for (size_t at = 0; at + WIDTH * UNROLL <= part; at += WIDTH * UNROLL)
#pragma GCC unroll 8
    for (int stream = 0; stream < STREAMS; stream++) {
      char* here = start + stream * part + at;
      if (AHEAD) __builtin_prefetch(here + AHEAD, UPDATE);
#pragma GCC unroll 8
      for (int k = 0; k < UNROLL; k++) {
        vector& value = *reinterpret_cast<vector*>(here + k * WIDTH);
        if (UPDATE)
          value += change;
        else
          sums[stream * UNROLL + k] += value;
      }
    }
  for (const vector& sum : sums) asm volatile("" ::"m"(sum));  // or nothing would be read
}

struct Variant {
  const char* name;
  void (*read)(char*, size_t);
  void (*update)(char*, size_t);
};

#define VARIANT(width, unroll, streams, ahead)                                \
  {#width "x" #unroll "x" #streams "+" #ahead,                                \
   walk<width, unroll, streams, ahead, false>, walk<width, unroll, streams, ahead, true>}

const Variant variants[] = {
    VARIANT(32, 4, 1, 0),   VARIANT(32, 8, 1, 0),    VARIANT(32, 2, 2, 0),
    VARIANT(32, 4, 2, 0),   VARIANT(32, 1, 8, 0),    VARIANT(64, 4, 1, 0),
    VARIANT(64, 8, 1, 0),   VARIANT(64, 2, 2, 0),    VARIANT(64, 2, 4, 0),
    VARIANT(64, 1, 1, 512), VARIANT(64, 1, 1, 2048), VARIANT(64, 1, 8, 2048),
};

double cpu_seconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec + 1e-9 * now.tv_nsec;
}

char* allocate(size_t bytes, bool huge) {
  const size_t page = size_t(1) << 21, size = (bytes + page - 1) / page * page;
  char* memory = static_cast<char*>(std::aligned_alloc(page, size));
#ifdef MADV_HUGEPAGE  // Linux
  madvise(memory, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#endif
  double* numbers = reinterpret_cast<double*>(memory);
  for (size_t k = 0; k < bytes / sizeof(double); k++) numbers[k] = 1;
  return memory;
}

int main(int count, char** arguments) {
  if (count != 6) {
    for (const Variant& variant : variants) std::puts(variant.name);
    return count == 1 ? 0 : 2;
  }
  const size_t bytes = std::strtoull(arguments[1], nullptr, 10);
  const long passes = std::atol(arguments[2]);
  const bool update = !std::strcmp(arguments[3], "update");
  char* memory = allocate(bytes, !std::strcmp(arguments[4], "huge"));
  for (const Variant& variant : variants) {
    if (std::strcmp(arguments[5], variant.name)) continue;
    const auto pass = update ? variant.update : variant.read;
    for (int k = 0; k < 3; k++) pass(memory, bytes);  // into the caches
    const double start = cpu_seconds();
    for (long k = 0; k < passes; k++) pass(memory, bytes);
    std::printf("%.17g\n", (cpu_seconds() - start) / passes);
    return 0;
  }
  return 2;
}
