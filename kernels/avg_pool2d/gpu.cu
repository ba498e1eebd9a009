// Average pooling, and adaptive average pooling: the same but for the windows.
//
// Forward: a thread owns a window; neighbouring threads have neighbouring windows. A large window, as that of a global average, is shared
// by the 32 lanes of a warp: they read 32 neighbouring numbers at a time, and add up their sums by shuffles.
//
// Backward in gather form: each pixel adds up its shares of the outputs that hold it, g / D. One thread a pixel: nobody else writes there,
// and the order of additions is the same in every run.
//
// Sums in double: every window adds its own elements anew, and no digits are lost over large ones.
//
// x, dx: (planes, H, W), planes = N·C.  y, g: (planes, P, Q).  windows: of rows, of columns.  divisor: 0, or D for all windows.
#include "windows.cuh"

template <class Windows> __device__ inline double D(const Windows& rows, const Windows& columns, int p, int q, double divisor) {
    return divisor != 0 ? divisor : (double)rows.counted(p) * columns.counted(q);
}

template <typename T, class Windows, int LANES>
__global__ void forward(const T* __restrict__ x, T* __restrict__ y, const Windows* windows, double divisor, long planes) {
    const Windows rows = windows[0], columns = windows[1];
    FOR_EACH(i, planes * rows.count * columns.count * LANES) {                        // whole warps: count · 32 threads
        const long j = i / LANES;
        const Place output(j, rows.count, columns.count);
        const T* plane = x + output.plane * rows.size * columns.size;
        double sum = 0;
        each_position<LANES>(rows, columns, output.row, output.column, [&](int h, int w) { sum += plane[h * columns.size + w]; });
        if (LANES == 32) sum = warp_sum(sum);
        if (LANES == 1 || threadIdx.x % 32 == 0) y[j] = sum / D(rows, columns, output.row, output.column, divisor);
    }
}

template <typename T, class Windows>
__global__ void backward(const T* __restrict__ g, T* __restrict__ dx, const Windows* windows, double divisor, long planes) {
    const Windows rows = windows[0], columns = windows[1];
    FOR_EACH(i, planes * rows.size * columns.size) {
        const Place pixel(i, rows.size, columns.size);
        const int left = columns.first_output(pixel.column), right = columns.end_output(pixel.column);
        double sum = 0;
        for (int p = rows.first_output(pixel.row); p < rows.end_output(pixel.row); ++p)
            for (int q = left; q < right; ++q)
                sum += g[(pixel.plane * rows.count + p) * columns.count + q] / D(rows, columns, p, q, divisor);
        dx[i] = sum;
    }
}
