// Negative log-likelihood: one number is read a label.
//
// The number that a mean or sum is takes two launches: each block adds up its labels, then one block the sums of the blocks (common.cuh).
// Backward writes all of dx, one thread a number, and reads the labels from the cache.
//
// x, dx: (N, C, P), P positions of an image.  labels, losses: (N, P).  weight: (C,), or null.
#include "common.cuh"

// Σ loss and Σ w[target] of each block in sums (2, blocks). A label that is neither a class nor ignored makes its loss NaN: the host does
// not wait for the device to look at labels.
template <typename T>
__global__ void forward(const T* __restrict__ x, const long* __restrict__ labels, const T* __restrict__ weight, T* __restrict__ losses,
                        double* __restrict__ sums, long ignore_index, long N, int C, int P) {
    double summed = 0, weights = 0;
    FOR_EACH(row, N * P) {
        const long t = labels[row];
        double loss = 0;
        if (t != ignore_index && t >= 0 && t < C) {
            const double w = weight ? weight[t] : T(1);
            loss = -w * x[(row / P * C + t) * P + row % P];
            weights += w;
        } else if (t != ignore_index) {
            loss = not_a_number<double>();
        }
        losses[row] = loss;
        summed += loss;
    }
    leave_sum(summed, sums);
    leave_sum(weights, sums + gridDim.x);
}

// loss = Σ loss, divided for a mean, NaN for nothing; divisor: what it was divided by.
template <typename T> __global__ void reduce(T* __restrict__ loss, double* __restrict__ divisor, const double* __restrict__ sums,
                                             int blocks, int mean) {
    const double summed = sum_of_blocks(sums, blocks), weights = sum_of_blocks(sums + blocks, blocks);
    if (threadIdx.x > 0) return;
    *loss = mean ? summed / weights : summed;
    *divisor = mean && weights ? weights : 1;
}

// dx = −w[t]·g at the label, 0 elsewhere.  g: (N, P), or one number for all; divided by divisor, unless that is null.
template <typename T>
__global__ void backward(const T* __restrict__ g, const long* __restrict__ labels, const T* __restrict__ weight,
                         const double* __restrict__ divisor, T* __restrict__ dx, long ignore_index, int one_g, long N, int C, int P) {
    FOR_EACH(i, N * C * P) {
        const long row = i / ((long)C * P) * P + i % P, t = labels[row];
        const int c = i / P % C;
        T gradient = 0;
        if (t != ignore_index) {
            if (t < 0 || t >= C) gradient = not_a_number<T>();
            if (t == c) gradient = -(weight ? double(weight[t]) : 1.0) * g[one_g ? 0 : row] / (divisor ? *divisor : 1.0);
        }
        dx[i] = gradient;
    }
}
