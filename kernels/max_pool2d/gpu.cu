// Max pooling, and adaptive max pooling: the same but for the windows.
//
// Forward: a thread owns a window and walks through it; neighbouring threads have neighbouring windows, so that they read neighbouring
// numbers, and what windows share comes from the cache. A large window is shared by the 32 lanes of a warp: each finds the winner of its
// part, and in five steps of shuffles the lanes agree on one. That gives the same winner only because "beats" is an order: who wins does
// not depend on who is compared with whom first.
//
// Backward in gather form: not the outputs add to the pixels where their winners stood, for then threads would meet in one pixel, but each
// pixel asks the windows that hold it whose winner it is. One thread a pixel, the same order of additions in every run.
//
// x, dx: (planes, H, W), planes = N·C.  y, g, indices: (planes, P, Q), indices h·W + w of the winner. windows: of rows, of columns.
#include "windows.cuh"

// The greater wins; of equals the first in row-major order; a NaN over every number, the last of several over the others. index −1: nobody.
template <typename T> __device__ inline bool beats(T value, int index, T best, int where) {
    if (index < 0 || where < 0) return index >= 0;
    if (value != value) return best == best || index > where;
    return value > best || (value == best && index < where);
}

template <typename T, class Windows, int LANES>
__global__ void forward(const T* __restrict__ x, T* __restrict__ y, int* __restrict__ indices, const Windows* windows, long planes) {
    const Windows rows = windows[0], columns = windows[1];
    FOR_EACH(i, planes * rows.count * columns.count * LANES) {                        // whole warps: count · 32 threads
        const long j = i / LANES;
        const Place output(j, rows.count, columns.count);
        const T* plane = x + output.plane * rows.size * columns.size;
        T best = 0;
        int where = -1;
        each_position<LANES>(rows, columns, output.row, output.column, [&](int h, int w) {
            const int index = h * columns.size + w;
            const T value = plane[index];
            if (beats(value, index, best, where)) best = value, where = index;
        });
        for (int distance = LANES / 2; distance; distance /= 2) {
            const T value = __shfl_xor_sync(ALL_LANES, best, distance);
            const int index = __shfl_xor_sync(ALL_LANES, where, distance);
            if (beats(value, index, best, where)) best = value, where = index;
        }
        if (LANES == 1 || threadIdx.x % 32 == 0) y[j] = best, indices[j] = where;
    }
}

template <typename T, class Windows>
__global__ void backward(const T* __restrict__ g, const int* __restrict__ indices, T* __restrict__ dx, const Windows* windows,
                         long planes) {
    const Windows rows = windows[0], columns = windows[1];
    FOR_EACH(i, planes * rows.size * columns.size) {
        const Place pixel(i, rows.size, columns.size);
        const int index = pixel.row * columns.size + pixel.column;
        const int left = columns.first_output(pixel.column), right = columns.end_output(pixel.column);
        T sum = 0;
        for (int p = rows.first_output(pixel.row); p < rows.end_output(pixel.row); ++p) {
            const long row = (pixel.plane * rows.count + p) * columns.count;
            for (int q = left; q < right; ++q)
                if (indices[row + q] == index) sum += g[row + q];
        }
        dx[i] = sum;
    }
}
