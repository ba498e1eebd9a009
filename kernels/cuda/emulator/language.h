// What makes CUDA C++ of a .cu file C++ for g++: the words, the vector types, the built-in functions. One fiber is one GPU thread;
// scheduler.cpp runs them, checker.cpp watches their loads and stores. In CUDA none of this is included.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#define MINICNN_EMULATED 1
#ifdef MINICNN_WALK
#define __global__ __attribute__((noinline, flatten))
#define UNCHECKED __attribute__((no_sanitize_thread, no_sanitize_coverage))
#define WHOLE(V) V& operator=(const V& other) { __builtin_memcpy(this, &other, sizeof other); return *this; }        // as one store
#else
#define WHOLE(V)
#define __global__ __attribute__((noinline))
#define UNCHECKED __attribute__((no_sanitize_thread))        // the emulator's own code, whose loads and stores are not the kernel's
#endif
#define __device__
#define __host__
#define __constant__ static
#define __shared__ static               // blocks run one after another: a static array is the array of the block that runs
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#ifdef __SANITIZE_THREAD__
#define OURS UNCHECKED __attribute__((noinline)) inline
#else
#define OURS inline
#endif

struct uint2 { unsigned x, y; };                struct int2 { int x, y; };              struct alignas(8) float2 { float x, y; WHOLE(float2) };
struct uint3 { unsigned x, y, z; };             struct int3 { int x, y, z; };           struct float3 { float x, y, z; };
struct alignas(16) uint4 { unsigned x, y, z, w; WHOLE(uint4) };
struct alignas(16) int4 { int x, y, z, w; WHOLE(int4) };
struct alignas(16) float4 { float x, y, z, w; WHOLE(float4) };
struct alignas(16) double2 { double x, y; WHOLE(double2) };
struct dim3 { unsigned x, y, z; dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {} };
#define MAKE_VECTORS(V, T)                                                          \
    inline V##2 make_##V##2(T x, T y) { return {x, y}; }                            \
    inline V##3 make_##V##3(T x, T y, T z) { return {x, y, z}; }                    \
    inline V##4 make_##V##4(T x, T y, T z, T w) { return {x, y, z, w}; }
MAKE_VECTORS(uint, unsigned) MAKE_VECTORS(int, int) MAKE_VECTORS(float, float)
inline double2 make_double2(double x, double y) { return {x, y}; }

namespace emulator {
struct Thread { uint3 place; unsigned number, lane, warp; };                     // the GPU thread that runs now
struct Launch { uint3 block, blocks, threads; };                                // blockIdx, gridDim, blockDim
extern Thread* now;
extern Launch launch;
void barrier(int line);                                                         // __syncthreads
const uint64_t* meet(unsigned mask, uint64_t value, int line, const void* code = nullptr);   // lanes meet, and see one another's values
void touch_atomically(const void* place, int size, const void* code);
[[noreturn]] void fail(const char* format, ...);
OURS uint3 thread_index() { return now->place; }
OURS uint3 block_index() { return launch.block; }
OURS uint3 block_size() { return launch.threads; }
OURS uint3 grid_size() { return launch.blocks; }
OURS unsigned lane() { return now->lane; }

template <class T> OURS uint64_t bits(T value) { uint64_t b = 0; static_assert(sizeof value <= 8); std::memcpy(&b, &value, sizeof value); return b; }
template <class T> OURS T value(uint64_t bits) { T v; std::memcpy(&v, &bits, sizeof v); return v; }
template <class T> OURS T shuffle(unsigned mask, T own, unsigned source, bool inside, int line, const void* code) {
    const uint64_t* all = meet(mask, bits(own), line, code);
    return value<T>(all[inside ? source : now->lane]);
}

// The table that Python reads: each kernel's name, what calls it with an array of addresses of arguments, and the arguments' types as
// letters, "*f4" for float*, "*cf4" for const float*, "i4" for int.
struct Entry { const char* name; void (*call)(void** arguments); const char* types; };
template <class T> constexpr const char* letters() {
    using U = std::remove_cv_t<std::remove_pointer_t<T>>;
    constexpr int form = !std::is_pointer_v<T> ? 0 : std::is_const_v<std::remove_pointer_t<T>> ? 2 : 1;
#define LETTERS(TYPE, NAME) if constexpr (std::is_same_v<U, TYPE>) { constexpr const char* f[] = {NAME, "*" NAME, "*c" NAME}; return f[form]; }
    LETTERS(float, "f4") LETTERS(double, "f8") LETTERS(bool, "b1") LETTERS(int, "i4") LETTERS(unsigned, "u4")
    LETTERS(long, "i8") LETTERS(unsigned long, "u8") LETTERS(long long, "i8") LETTERS(unsigned long long, "u8")
    LETTERS(signed char, "i1") LETTERS(unsigned char, "u1") LETTERS(short, "i2") LETTERS(unsigned short, "u2")
    return form == 0 ? "?" : form == 1 ? "*?" : "*c?";
}
template <class... A> struct Signature {
    template <void (*F)(A...), size_t... I> UNCHECKED static void run(void** a, std::index_sequence<I...>) { F(*(A*)a[I]...); }
    template <void (*F)(A...)> UNCHECKED static void call(void** a) { run<F>(a, std::index_sequence_for<A...>{}); }
    static const char* types() {
        static char text[8 * sizeof...(A) + 1];
        if (!text[0]) ((std::strcat(text, letters<A>()), std::strcat(text, ",")), ...);
        return text;
    }
};
template <class... A> Signature<A...> signature(void (*)(A...));
template <auto F> Entry entry(const char* name) {
    using S = decltype(signature(F));
    return {name, &S::template call<F>, S::types()};
}
}  // namespace emulator

#define threadIdx (emulator::thread_index())
#define blockIdx (emulator::block_index())
#define blockDim (emulator::block_size())
#define gridDim (emulator::grid_size())
constexpr int warpSize = 32;

#define LINE int line = __builtin_LINE()                     // the line of whoever calls
#define CALLER __builtin_return_address(0)                     // and its machine code, in a function that is not inlined
inline void __syncthreads(LINE) { emulator::barrier(line); }
inline void __syncwarp(unsigned mask = ~0u, LINE) { emulator::meet(mask, 0, line); }
inline void __threadfence() {}
inline void __threadfence_block() {}
template <class T> OURS T __shfl_sync(unsigned mask, T v, int source, int width = 32, LINE) {
    return emulator::shuffle(mask, v, (emulator::lane() & ~(width - 1)) + (source & (width - 1)), true, line, CALLER);
}
template <class T> OURS T __shfl_down_sync(unsigned mask, T v, unsigned delta, int width = 32, LINE) {
    const unsigned l = emulator::lane();
    return emulator::shuffle(mask, v, l + delta, (l & (width - 1)) + delta < (unsigned)width, line, CALLER);
}
template <class T> OURS T __shfl_up_sync(unsigned mask, T v, unsigned delta, int width = 32, LINE) {
    const unsigned l = emulator::lane();
    return emulator::shuffle(mask, v, l - delta, (l & (width - 1)) >= delta, line, CALLER);
}
template <class T> OURS T __shfl_xor_sync(unsigned mask, T v, int x, int width = 32, LINE) {
    const unsigned l = emulator::lane(), source = l ^ x;
    return emulator::shuffle(mask, v, source & 31, source < (l & ~(width - 1)) + width, line, CALLER);
}
OURS unsigned __ballot_sync(unsigned mask, int yes, LINE) {
    const uint64_t* all = emulator::meet(mask, yes != 0, line, CALLER);
    unsigned found = 0;
    for (int i = 0; i < 32; ++i) if (mask >> i & 1 && all[i] == 1) found |= 1u << i;
    return found;
}
inline int __any_sync(unsigned mask, int yes, LINE) { return __ballot_sync(mask, yes, line) != 0; }
inline int __all_sync(unsigned mask, int yes, LINE) { return __ballot_sync(mask, !yes, line) == 0; }

// No fiber gives way inside these, so that to read, change and write is one act.
#define ATOMIC(NAME, CHANGED)                                                                               \
    template <class T, class U> UNCHECKED __attribute__((noinline)) T NAME(T* place, U operand) {           \
        emulator::touch_atomically(place, sizeof(T), CALLER);                                                 \
        const T v = (T)operand, old = *place; *place = (CHANGED); return old; }
ATOMIC(atomicAdd, old + v) ATOMIC(atomicSub, old - v) ATOMIC(atomicExch, v)
ATOMIC(atomicMax, old > v ? old : v) ATOMIC(atomicMin, old < v ? old : v)
template <class T> UNCHECKED __attribute__((noinline)) T atomicCAS(T* place, T expected, T v) {
    emulator::touch_atomically(place, sizeof(T), CALLER);
    const T old = *place;
    if (old == expected) *place = v;
    return old;
}

template <class T> inline T __ldg(const T* p) { return *p; }
template <class A, class B> constexpr auto min(A a, B b) { std::common_type_t<A, B> x = a, y = b; return y < x ? y : x; }
template <class A, class B> constexpr auto max(A a, B b) { std::common_type_t<A, B> x = a, y = b; return x < y ? y : x; }
using std::isnan;
inline unsigned __umulhi(unsigned a, unsigned b) { return (uint64_t)a * b >> 32; }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
OURS float __int_as_float(int x) { return emulator::value<float>((unsigned)x); }
OURS float __uint_as_float(unsigned x) { return emulator::value<float>(x); }
OURS int __float_as_int(float x) { return (int)emulator::bits(x); }
OURS unsigned __float_as_uint(float x) { return (unsigned)emulator::bits(x); }
OURS double __longlong_as_double(long long x) { return emulator::value<double>((uint64_t)x); }
inline float rsqrtf(float x) { return 1.f / std::sqrt(x); }
inline double rsqrt(double x) { return 1. / std::sqrt(x); }
inline float rsqrt(float x) { return 1.f / std::sqrt(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __saturatef(float x) { return x < 0 ? 0 : x > 1 ? 1 : x; }
#undef assert
#define assert(c) ((c) ? (void)0 : emulator::fail("line %d: assert(%s) failed", __LINE__, #c))

// Tensor cores: mma.sync.m16n8k8 of TF32, with the lanes and registers of the PTX instruction ("Matrix fragments for mma.m16n8k8" in the
// PTX manual). Row r of a lane's registers and what they stand for: see A and B.
OURS unsigned to_tf32(float x) { return (__float_as_uint(x) + 0x1000u) & ~0x1fffu; }             // rounded to 10 bits, ties away from zero
OURS void mma_m16n8k8_tf32(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2], LINE) {
    float A[16][8], B[8][8];
    for (int r = 0; r < 6; ++r) {
        const uint64_t* all = emulator::meet(~0u, r < 4 ? a[r] : b[r - 4], line, CALLER);
        for (int l = 0; l < 32; ++l) {
            const float v = __uint_as_float((unsigned)all[l] & ~0x1fffu);                        // the chip ignores the low 13 bits
            if (r < 4) A[l / 4 + r % 2 * 8][l % 4 + r / 2 * 4] = v; else B[l % 4 + (r - 4) * 4][l / 4] = v;
        }
    }
    const int l = emulator::lane();
    for (int e = 0; e < 4; ++e)
        for (int k = 0; k < 8; ++k) c[e] += A[l / 4 + e / 2 * 8][k] * B[k][l % 4 * 2 + e % 2];
}
