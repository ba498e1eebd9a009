// Addition and ReLU in one pass: 16 bytes of a and b are read, 16 of y are written, and the sum never goes to memory.
//
// Two kernels, one after the other, would write the sum and read it again: five numbers pass through memory for each output instead of
// three, and memory is all that such a kernel waits for. The gradient is read off the output: what is 0 there passed nothing on.
//
// a, b, y, g, dx: of one shape, seen as `count` numbers.
#include "common.cuh"

template <typename T> __device__ inline T rectified(T sum) { return sum <= 0 ? T(0) : sum; }                 // NaN is not ≤ 0, and stays
template <typename T> __device__ inline T passed(T g, T y) { return y <= 0 ? T(0) : g; }

template <typename T> __global__ void forward(const T* __restrict__ a, const T* __restrict__ b, T* __restrict__ y, long count) {
    const long packs = packs_of(count, a, b, y);
    FOR_EACH(i, packs) {
        const Pack<T> q = pack(b)[i];
        Pack<T> p = pack(a)[i];
        for (int j = 0; j < p.COUNT; ++j) p.v[j] = rectified(p.v[j] + q.v[j]);
        pack(y)[i] = p;
    }
    FOR_EACH_FROM(packs * Pack<T>::COUNT, i, count) y[i] = rectified(a[i] + b[i]);
}

template <typename T> __global__ void backward(const T* __restrict__ g, const T* __restrict__ y, T* __restrict__ dx, long count) {
    const long packs = packs_of(count, g, y, dx);
    FOR_EACH(i, packs) {
        const Pack<T> q = pack(y)[i];
        Pack<T> p = pack(g)[i];
        for (int j = 0; j < p.COUNT; ++j) p.v[j] = passed(p.v[j], q.v[j]);
        pack(dx)[i] = p;
    }
    FOR_EACH_FROM(packs * Pack<T>::COUNT, i, count) dx[i] = passed(g[i], y[i]);
}
