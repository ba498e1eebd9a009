// Local response normalisation: one thread owns a pixel and walks its channels.
//
// Neighbouring threads own neighbouring pixels, so a channel is read and written in whole lines of memory. The numbers of a window are read
// `size` times, from the cache. Bound by memory: x in, y and D out.
//
// x, y, D, g, dx: (N, C, P), P pixels of a plane.
#include "common.cuh"

template <typename T> __device__ T damp(T D, T beta) {                       // D^(−β); the papers' 3/4 by two square roots
    const T root = sqrt(D);
    return beta == T(0.75) ? T(1) / (root * sqrt(root)) : T(pow(D, -beta));
}

template <typename T>
__global__ void forward(const T* __restrict__ x, T* __restrict__ y, T* __restrict__ D, int N, int C, int P, int size, T alpha, T beta,
                        T k) {
    FOR_EACH(pixel, (long)N * P) {
        const long column = pixel / P * C * P + pixel % P;                   // channel 0 of this pixel
        for (int c = 0; c < C; ++c) {
            T d = k;
            for (int j = max(0, c - size / 2); j < min(C, c + (size - 1) / 2 + 1); ++j) {
                const T v = x[column + (long)j * P];
                d += alpha * v * v;
            }
            const long i = column + (long)c * P;
            D[i] = d;
            y[i] = x[i] * damp(d, beta);
        }
    }
}

template <typename T>
__global__ void backward(const T* __restrict__ g, const T* __restrict__ x, const T* __restrict__ y, const T* __restrict__ D,
                         T* __restrict__ dx, int N, int C, int P, int size, T factor, T beta) {
    FOR_EACH(pixel, (long)N * P) {
        const long column = pixel / P * C * P + pixel % P;
        for (int c = 0; c < C; ++c) {
            T others = 0;                                                    // Σ g·y/D over the window mirrored
            for (int j = max(0, c - (size - 1) / 2); j < min(C, c + size / 2 + 1); ++j) {
                const long q = column + (long)j * P;
                others += g[q] * y[q] / D[q];
            }
            const long i = column + (long)c * P;
            dx[i] = g[i] * damp(D[i], beta) - factor * x[i] * others;
        }
    }
}
