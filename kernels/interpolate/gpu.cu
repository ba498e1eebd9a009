// Interpolation: every output blends the four inputs around it; backward, every input gathers from the outputs that it went into.
//
// Which inputs an output takes, and with what weight, depends on its row and on its column alone: two short tables, made by `taps` in
// __init__.py. Their positions never fall from one output to the next, so that the outputs which take from input row h are a run of rows
// begin … end − 1, and those of an input pixel are a rectangle of outputs. Backward walks it: an input is owned by one thread, or, where
// the rectangle is large, by the 32 of a warp, who share it and add up what they have. No atomics, and one order of the sum.
//
// Blends and sums are double: from 1×1 to 224×224 a sum has 50,000 terms.
//
// x, dx: (planes, H, W); y, g: (planes, P, Q).
#include "common.cuh"

// One axis, from n inputs to m outputs. Output p takes (1 − weight) of input first[p] and weight of second[p], the next or the same.
// Input h goes into the outputs begin[h] … end[h] − 1.
struct Axis {
    const int *first, *second, *begin, *end;
    const double* weight;
    __device__ Axis(const int* places, const double* weight, int n, int m)
        : first(places), second(places + m), begin(places + 2 * m), end(places + 2 * m + n), weight(weight) {}
    __device__ double share(int p, int h) const { return (first[p] == h ? 1 - weight[p] : 0) + (second[p] == h ? weight[p] : 0); }
};

template <typename T>
__global__ void forward(const T* __restrict__ x, T* __restrict__ y, const int* __restrict__ rows, const double* __restrict__ down,
                        const int* __restrict__ columns, const double* __restrict__ across, int bilinear, int H, int W, int P, int Q,
                        long count) {
    const Axis vertical(rows, down, H, P), horizontal(columns, across, W, Q);
    FOR_EACH(i, count) {
        const long row = i / Q, plane = row / P;
        const int p = row - plane * P, q = i - row * Q, left = horizontal.first[q], right = horizontal.second[q];
        const T* const upper = x + (plane * H + vertical.first[p]) * W;
        const T* const lower = x + (plane * H + vertical.second[p]) * W;
        if (bilinear) {
            const double d = down[p], a = across[q];
            const double l = (1 - d) * upper[left] + d * lower[left], r = (1 - d) * upper[right] + d * lower[right];
            y[i] = (1 - a) * l + a * r;
        } else {
            y[i] = upper[left];                                    // not as weights 1 and 0: 0 · ∞ is no pixel
        }
    }
}

// lanes: the threads that share an input, 1 or 32.  count: of inputs.
template <typename T>
__global__ void backward(const T* __restrict__ g, T* __restrict__ dx, const int* __restrict__ rows, const double* __restrict__ down,
                         const int* __restrict__ columns, const double* __restrict__ across, int bilinear, int H, int W, int P, int Q,
                         int lanes, long count) {
    const Axis vertical(rows, down, H, P), horizontal(columns, across, W, Q);
    FOR_EACH(i, count * lanes) {
        const long pixel = i / lanes, row = pixel / W, plane = row / H;
        const int lane = i % lanes, h = row - plane * H, w = pixel - row * W;
        const int top = vertical.begin[h], left = horizontal.begin[w], wide = horizontal.end[w] - left;
        const int outputs = (vertical.end[h] - top) * wide;
        double sum = 0;
        for (int k = lane; k < outputs; k += lanes) {
            const int p = top + k / wide, q = left + k % wide;
            const double v = g[(plane * P + p) * Q + q];
            sum += bilinear ? vertical.share(p, h) * (horizontal.share(q, w) * v) : v;
        }
        if (lanes == 32) sum = warp_sum(sum);                      // all 32 are here: count · lanes is a number of whole warps
        if (lane == 0) dx[pixel] = sum;
    }
}
