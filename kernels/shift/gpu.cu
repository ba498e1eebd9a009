// Shift: every output reads the one input that moves there, or is 0.
//
// Neighbouring threads own neighbouring outputs of a row, and read neighbours, from the line of memory that begins dx numbers on: there is
// nothing but memory to wait for. sign: 1 forward, −1 for the opposite move, the gradient.
//
// x, y: (N, C, H, W); offsets: (C, 2), dy and dx of each channel.
#include "common.cuh"

template <typename T>
__global__ void move(const T* __restrict__ x, T* __restrict__ y, const long* __restrict__ offsets, int sign, int C, int H, int W,
                     long count) {
    FOR_EACH(i, count) {
        const int w = i % W, h = i / W % H, c = i / ((long)H * W) % C;
        const long dy = sign * offsets[2 * c], dx = sign * offsets[2 * c + 1];
        const bool inside = h + dy >= 0 && h + dy < H && w + dx >= 0 && w + dx < W;
        y[i] = inside ? x[i + dy * W + dx] : T(0);
    }
}
