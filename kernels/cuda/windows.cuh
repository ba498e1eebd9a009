// Windows that slide over an image, or are spread over it: which positions an output sees and, the other way round, which outputs see a
// position. All of it holds for one axis at a time. For all poolings.
//
//     Sliding    window p sees  p·stride − before + r·dilation,  r < window,  as far as they lie inside the image
//     Spread     window p sees  ⌊p·size/count⌋ … ⌈(p+1)·size/count⌉ − 1:  `count` windows over the whole axis
//
// Spread is its own mirror:  ⌊p·size/count⌋ ≤ h < ⌈(p+1)·size/count⌉  is the same as  ⌊h·count/size⌋ ≤ p < ⌈(h+1)·count/size⌉,  so the
// outputs that see position h are found by the formula for windows, with the sizes exchanged.
#pragma once
#include "common.cuh"

// As windows.py lays them out, an int32 each.
struct Sliding {
    int size, count;                     // positions, and windows over them
    int window, stride, before, dilation;
    int lowest, highest;                 // the positions that count in an average: 0 … size − 1, or with the padding −before …

    __device__ int first(int p) const {
        const int start = p * stride - before;
        return start < 0 ? start + (dilation - 1 - start) / dilation * dilation : start;          // the first tap that is not negative
    }
    __device__ int taps(int p) const {   // how many it sees; none if it lies in the padding
        const int end = min(size, p * stride - before + dilation * (window - 1) + 1);
        return max(0, (end - first(p) + dilation - 1) / dilation);
    }
    __device__ int step() const { return dilation; }
    __device__ int counted(int p) const {
        const int start = p * stride - before;
        return min(start + window, highest) - max(start, lowest);
    }
    // The outputs whose span holds position h. With dilation some of them step over it.
    __device__ int first_output(int h) const {
        const int reach = h + before - dilation * (window - 1);
        return reach <= 0 ? 0 : (reach + stride - 1) / stride;
    }
    __device__ int end_output(int h) const { return min(count, (h + before) / stride + 1); }
};

struct Spread {
    int size, count;

    __device__ static int floor_of(int i, int a, int b) { return (long)i * a / b; }               // ⌊i·a/b⌋
    __device__ static int ceiling_of(int i, int a, int b) { return ((long)i * a + b - 1) / b; }
    __device__ int first(int p) const { return floor_of(p, size, count); }
    __device__ int taps(int p) const { return ceiling_of(p + 1, size, count) - first(p); }
    __device__ int step() const { return 1; }
    __device__ int counted(int p) const { return taps(p); }
    __device__ int first_output(int h) const { return floor_of(h, count, size); }
    __device__ int end_output(int h) const { return ceiling_of(h + 1, count, size); }
};

// Element i of an array (planes, rows, columns). One division of 64 bits, which is slow, and one of 32.
struct Place {
    long plane;
    int row, column;
    __device__ Place(long i, int rows, int columns) : plane(i / (rows * columns)) {
        const int rest = i - plane * (rows * columns);
        row = rest / columns, column = rest - row * columns;
    }
};

// visit(h, w) for what LANES neighbouring threads see together of the window of output (p, q): each goes through every LANES-th position,
// in row-major order. rows and columns: the windows along the two axes.
template <int LANES, class Windows, class Visit>
__device__ inline void each_position(const Windows& rows, const Windows& columns, int p, int q, Visit visit) {
    const int height = rows.taps(p), width = columns.taps(q), top = rows.first(p), left = columns.first(q);
    if (width == 0) return;
    for (int r = 0, s = LANES == 1 ? 0 : threadIdx.x % LANES;; s += LANES) {
        while (s >= width) s -= width, ++r;
        if (r >= height) return;
        visit(top + r * rows.step(), left + s * columns.step());
    }
}
