// What cuBLAS leaves to do of a fully connected layer: the bias, and its gradient. Neighbouring threads have neighbouring columns.
#include "common.cuh"

template <typename T> __global__ void add_bias(T* __restrict__ y, const T* __restrict__ bias, long count, int K) {
    FOR_EACH(i, count) y[i] += bias[i % K];
}

// grad_bias[k] = Σ over the rows of g (rows, K), one thread a column: it reads a number of each row, and its neighbours the ones beside it.
template <typename T> __global__ void sum_rows(const T* __restrict__ g, T* __restrict__ grad_bias, int rows, int K) {
    FOR_EACH(k, K) {
        double sum = 0;
        for (long row = 0; row < rows; ++row) sum += g[row * K + k];
        grad_bias[k] = sum;
    }
}
