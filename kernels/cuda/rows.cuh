// Who goes through a row of numbers, for softmax and cross entropy.
//
// An array (outer, C, inner) has outer · inner rows of C numbers, and the numbers of a row lie `inner` apart. Threads that run together
// should read what lies together, so:
//
//     Block    inner = 1, a row is one run of memory: the threads of a block share it, each takes every blockDim-th number
//     Alone    inner > 1, or rows too short to share: a thread has a row of its own, and its neighbour the row beside it
//
// A kernel is written once, for a template parameter Reader:
//
//     for (long row = Reader::first_row(); row < rows; row += Reader::rows_at_once()) {
//         T sum = 0;
//         for (int c = Reader::first(); c < C; c += Reader::step()) sum += …;
//         sum = Reader::sum(sum);                                                     in each thread of the row
//         if (Reader::speaks()) …                                                     one thread a row
//     }
#pragma once
#include "common.cuh"

struct Alone {
    __device__ static long first_row() { return blockIdx.x * (long)blockDim.x + threadIdx.x; }
    __device__ static long rows_at_once() { return (long)blockDim.x * gridDim.x; }
    __device__ static int first() { return 0; }
    __device__ static int step() { return 1; }
    __device__ static bool speaks() { return true; }
    template <typename T> __device__ static T sum(T v) { return v; }
    template <typename T> __device__ static T largest(T v) { return v; }
};

struct Block {
    __device__ static long first_row() { return blockIdx.x; }
    __device__ static long rows_at_once() { return gridDim.x; }
    __device__ static int first() { return threadIdx.x; }
    __device__ static int step() { return blockDim.x; }
    __device__ static bool speaks() { return threadIdx.x == 0; }
    template <typename T> __device__ static T sum(T v) { return block_sum(v); }
    template <typename T> __device__ static T largest(T v) { return block_max(v); }
};

// Number 0 of a row of an array (outer, C, inner).
__device__ inline long start_of_row(long row, int C, int inner) { return row / inner * C * inner + row % inner; }

// m = max of a row x, x[c · inner]; NaN is passed over: it comes back in the sum.
template <class Reader, typename T> __device__ inline T largest_of_row(const T* x, int C, int inner) {
    T m = -infinity<T>();
    for (int c = Reader::first(); c < C; c += Reader::step()) {
        const T v = x[(long)c * inner];
        if (v > m) m = v;
    }
    return Reader::largest(m);
}
