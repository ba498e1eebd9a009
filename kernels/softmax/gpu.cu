// Softmax and its logarithm over the middle index of (outer, C, inner).
//
// Who goes through a row, a thread or a block, is rows.cuh's business; the formula is written once. It goes through the row three times:
// for the largest, for the sum, for the result. That is one reading from memory: a row is short, and the second time it is in the cache.
// For the same reason e^(x − m) is computed twice rather than kept. Sums in double: over many classes a float sum would lose digits.
#include "rows.cuh"

template <typename T, class Reader>
__global__ void forward(const T* __restrict__ x, T* __restrict__ y, int logarithm, long outer, int C, int inner) {
    for (long row = Reader::first_row(); row < outer * inner; row += Reader::rows_at_once()) {
        const long start = start_of_row(row, C, inner);
        const T m = largest_of_row<Reader>(x + start, C, inner);
        double total = 0;
        for (int c = Reader::first(); c < C; c += Reader::step()) total += exp(x[start + (long)c * inner] - m);
        total = Reader::sum(total);
        total = logarithm ? log(total) : 1 / total;
        for (int c = Reader::first(); c < C; c += Reader::step()) {
            const long i = start + (long)c * inner;
            const T from_largest = x[i] - m;
            y[i] = logarithm ? from_largest - total : exp(from_largest) * total;
        }
    }
}

template <typename T, class Reader>
__global__ void backward(const T* __restrict__ g, const T* __restrict__ y, T* __restrict__ dx, int logarithm, long outer, int C,
                         int inner) {
    for (long row = Reader::first_row(); row < outer * inner; row += Reader::rows_at_once()) {
        const long start = start_of_row(row, C, inner);
        double total = 0;                                                        // Σ g, or Σ g·y
        for (int c = Reader::first(); c < C; c += Reader::step()) {
            const long i = start + (long)c * inner;
            total += logarithm ? (double)g[i] : (double)g[i] * y[i];
        }
        total = Reader::sum(total);
        for (int c = Reader::first(); c < C; c += Reader::step()) {
            const long i = start + (long)c * inner;
            dx[i] = logarithm ? g[i] - exp(y[i]) * total : y[i] * (g[i] - total);
        }
    }
}
