// Channel shuffle: planes copied to their new places, 16 bytes at a time where planes are made of whole packs, else number by number.
//
// Neighbouring threads own neighbouring pieces of a plane, so that a warp reads and writes whole lines of memory wherever the planes go.
//
// x, y: (N, C, P), P pieces of a plane: packs or numbers.
#include "common.cuh"

template <typename Piece>
__device__ void deal(const Piece* __restrict__ x, Piece* __restrict__ y, int C, int groups, int P, long count) {
    FOR_EACH(i, count) {
        const long plane = i / P;
        const int c = plane % C, from = c % groups * (C / groups) + c / groups;        // c = j·G + g comes from g·(C/G) + j
        y[i] = x[i + (long)(from - c) * P];
    }
}

template <typename T> __global__ void shuffle(const T* __restrict__ x, T* __restrict__ y, int C, int groups, int P, long count) {
    constexpr int COUNT = Pack<T>::COUNT;
    if (P % COUNT == 0 && packs_of(count, x, y)) deal(pack(x), pack(y), C, groups, P / COUNT, count / COUNT);
    else deal(x, y, C, groups, P, count);
}
