// Mean squared error: differences, squared; and their sum.
//
// It waits for memory alone, so it reads 16 bytes at a time (Pack). The number that a mean or sum is takes two launches: each block adds up
// its squares, then one block the sums of the blocks (common.cuh). Computed in double: x − t of two floats is then exact.
#include "common.cuh"

template <typename T> __device__ inline double square(T x, T t) {
    const double difference = (double)x - (double)t;
    return difference * difference;
}

template <typename T> __global__ void squares(const T* __restrict__ x, const T* __restrict__ t, T* __restrict__ losses, long count) {
    const long packs = packs_of(count, x, t, losses);
    FOR_EACH(i, packs) {
        const Pack<T> a = pack(x)[i], b = pack(t)[i];
        Pack<T> out;
        for (int j = 0; j < out.COUNT; ++j) out.v[j] = square(a.v[j], b.v[j]);
        pack(losses)[i] = out;
    }
    FOR_EACH_FROM(packs * Pack<T>::COUNT, i, count) losses[i] = square(x[i], t[i]);
}

template <typename T> __global__ void sum_squares(const T* __restrict__ x, const T* __restrict__ t, double* __restrict__ sums, long count) {
    const long packs = packs_of(count, x, t);
    double sum = 0;
    FOR_EACH(i, packs) {
        const Pack<T> a = pack(x)[i], b = pack(t)[i];
        for (int j = 0; j < a.COUNT; ++j) sum += square(a.v[j], b.v[j]);
    }
    FOR_EACH_FROM(packs * Pack<T>::COUNT, i, count) sum += square(x[i], t[i]);
    leave_sum(sum, sums);
}

template <typename T> __global__ void reduce(T* __restrict__ loss, const double* __restrict__ sums, int blocks, double divisor) {
    const double sum = sum_of_blocks(sums, blocks);
    if (threadIdx.x == 0) *loss = sum / divisor;                                 // 0 / 0 = NaN, the mean of nothing
}

// dx = factor·(x − t)·g.  g: a number for each of x, or one for all.
template <typename T>
__global__ void gradient(const T* __restrict__ g, const T* __restrict__ x, const T* __restrict__ t, T* __restrict__ dx, double factor,
                         int one_g, long count) {
    const long packs = packs_of(count, x, t, dx, one_g ? nullptr : g);
    FOR_EACH(i, packs) {
        const Pack<T> a = pack(x)[i], b = pack(t)[i];
        Pack<T> up, out;
        if (one_g) for (int j = 0; j < up.COUNT; ++j) up.v[j] = g[0];
        else up = pack(g)[i];
        for (int j = 0; j < out.COUNT; ++j) out.v[j] = factor * up.v[j] * ((double)a.v[j] - (double)b.v[j]);
        pack(dx)[i] = out;
    }
    FOR_EACH_FROM(packs * Pack<T>::COUNT, i, count) dx[i] = factor * g[one_g ? 0 : i] * ((double)x[i] - (double)t[i]);
}
