// What many kernels share.
#pragma once

// The host passes np.int64 for a long. On Windows a long has 32 bits: there the word stands for the type that has 64.
#if defined(_WIN32) || defined(AS_ON_WINDOWS)
#define long long long
#endif

// For each i from 0 to count − 1, by some thread of a grid of any size: neighbouring threads take neighbouring elements, so that the 32
// loads of a warp lie in the same lines of memory.
#define FOR_EACH(i, count) for (long i = blockIdx.x * (long)blockDim.x + threadIdx.x; i < (count); i += (long)blockDim.x * gridDim.x)

constexpr unsigned ALL_LANES = 0xffffffffu;

// The sum over the 32 lanes of a warp, in every lane. In five steps each lane adds what the lane at distance 16, 8, 4, 2, 1 has so far.
template <typename T> __device__ inline T warp_sum(T v) {
    for (int distance = 16; distance; distance /= 2) v += __shfl_xor_sync(ALL_LANES, v, distance);
    return v;
}

template <typename T> __device__ inline T warp_max(T v) {
    for (int distance = 16; distance; distance /= 2) v = max(v, __shfl_xor_sync(ALL_LANES, v, distance));
    return v;
}

// The sum over a block of whole warps, in every thread: of each warp first, then of the warps' sums, in the same order in every run.
template <typename T> __device__ inline T block_sum(T v) {
    __shared__ T of_warps[32];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    v = warp_sum(v);
    __syncthreads();                    // an earlier call may still be reading of_warps
    if (lane == 0) of_warps[warp] = v;
    __syncthreads();
    return warp_sum(lane < warps ? of_warps[lane] : T(0));
}

template <typename T> __device__ inline T block_max(T v) {
    __shared__ T of_warps[32];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    v = warp_max(v);
    __syncthreads();
    if (lane == 0) of_warps[warp] = v;
    __syncthreads();
    return warp_max(lane < warps ? of_warps[lane] : v);
}

// What a loss adds up: each block leaves the sum of its threads, and then one block, in a second launch, has the sum of these in each of
// its threads. Who adds what, and in which order, is fixed before the launch: the same bits in every run. Atomics would add as threads
// arrive.
__device__ inline void leave_sum(double v, double* of_blocks) {
    v = block_sum(v);
    if (threadIdx.x == 0) of_blocks[blockIdx.x] = v;
}
__device__ inline double sum_of_blocks(const double* of_blocks, int blocks) {
    double sum = 0;
    for (int b = threadIdx.x; b < blocks; b += blockDim.x) sum += of_blocks[b];
    return block_sum(sum);
}

template <typename T> __device__ inline T infinity() { return __int_as_float(0x7f800000); }
template <typename T> __device__ inline T not_a_number() { return __int_as_float(0x7fc00000); }

// 16 bytes of an array, the most that a thread reads or writes with one instruction: 4 floats or 2 doubles. Where memory is what a kernel
// waits for, it goes by packs, and does what is left over number by number:
//
//     const long packs = packs_of(count, x, y);
//     FOR_EACH(i, packs) { const Pack<T> a = pack(x)[i]; …; pack(y)[i] = b; }
//     FOR_EACH_FROM(packs * Pack<T>::COUNT, i, count) …
template <typename T> struct alignas(16) Pack {
    static constexpr int COUNT = 16 / sizeof(T);
    T v[COUNT];
};
template <typename T> __device__ inline Pack<T>* pack(T* p) { return reinterpret_cast<Pack<T>*>(p); }
template <typename T> __device__ inline const Pack<T>* pack(const T* p) { return reinterpret_cast<const Pack<T>*>(p); }
#define FOR_EACH_FROM(start, i, count) \
    for (long i = (start) + blockIdx.x * (long)blockDim.x + threadIdx.x; i < (count); i += (long)blockDim.x * gridDim.x)

// How many packs there are in arrays of so many numbers: none where one of them does not begin at a multiple of 16 bytes.
template <typename T> __device__ inline long packs_of(long count, const T* a, const T* b, const T* c = nullptr, const T* d = nullptr) {
    const unsigned long places = (unsigned long)a | (unsigned long)b | (unsigned long)c | (unsigned long)d;
    return places % 16 ? 0 : count / Pack<T>::COUNT;
}
