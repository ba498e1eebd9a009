"""Kernels with one bug each, as students write them, and what the emulator says of it.

A bug is its source, how it is launched, and regular expressions that its finding matches, whatever the order of the threads.
"""
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Bug(NamedTuple):
    name: str
    source: str                            # KERNEL stands for the name
    grid: tuple
    block: tuple
    arguments: Callable[[], list]
    words: tuple[str, ...]
    shared_mem: int = 0


def numbers(count: int, *more: Any, kind: str = "float32") -> Callable[[], list]:
    """x and y of so many numbers, and what follows."""
    return lambda: [np.arange(count).astype(kind), np.zeros(count, kind), *more]


I32 = np.int32
RACE = "race: a (read|write) of what another thread (writes|reads), "
NOBODY = "read of shared memory that nobody has written, "
BUGS = (
    # ---- bounds
    Bug("reads_behind_the_end", """__global__ void KERNEL(const float* x, float* y, int n) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i < n) y[i] = x[i + 1] - x[i];
    }""", (4,), (32,), numbers(100, I32(100)), (r"read outside x\[100\], of 100 elements at KERNEL\.cu:3, block 3 thread \(3, 0, 0\)",)),

    Bug("writes_before_the_start", """__global__ void KERNEL(const float* x, float* y, int n) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i < n) y[i - 1] = x[i];
    }""", (4,), (32,), numbers(100, I32(100)),
        (r"write outside (y\[-1\]|x\[103\]), of 100 elements at KERNEL\.cu:3, block 0 thread \(0, 0, 0\)", r"y\[-1\]")),

    Bug("tail_off_by_one", """__global__ void KERNEL(const float* x, float* y, int n) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i <= n) y[i] = 2 * x[i];
    }""", (4,), (32,), numbers(100, I32(100)), (r"read outside x\[100\], of 100 elements",)),

    Bug("no_tail", """__global__ void KERNEL(float* x, float* y) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        y[i] = 1;
    }""", (4,), (32,), numbers(100), (r"write outside y\[1[0-2]\d\], of 100 elements",)),

    Bug("last_pack", """__global__ void KERNEL(const float* x, float* y, int n) {
        const int i = threadIdx.x;
        if (i < (n + 3) / 4) ((float4*)y)[i] = ((const float4*)x)[i];
    }""", (1,), (32,), numbers(102, I32(102)), (r"(read|write) outside [xy]\[100\], and what lies behind the end at KERNEL\.cu:3",)),

    Bug("rows_taken_for_columns", """__global__ void KERNEL(const float* x, float* y, int H, int W) {      // 5 × 7
        const int h = threadIdx.y, w = threadIdx.x;
        if (h < H && w < W) y[w * W + h] = x[h * W + w];
    }""", (1,), (8, 8), numbers(35, I32(5), I32(7)), (r"write outside y\[\d+\], of 35 elements at KERNEL\.cu:3",)),

    Bug("no_array", """__global__ void KERNEL(const float* x, float* y, const float* bias) {
        y[threadIdx.x] = x[threadIdx.x] + bias[threadIdx.x];
    }""", (1,), (32,), numbers(32, None), (r"read outside .* at KERNEL\.cu:2",)),

    Bug("registers_overflow", """__global__ void KERNEL(const float* x, float* y, int n) {
        float window[4];
        for (int k = 0; k < n; ++k) window[k] = x[k];
        float sum = 0;
        for (int k = 0; k < 4; ++k) sum += window[k];
        y[threadIdx.x] = sum;
    }""", (1,), (32,), numbers(32, I32(5)), (r"KERNEL\.cu:3: index 4 is outside an array of fixed size",)),

    Bug("tile_overflows", """__global__ void KERNEL(const float* x, float* y) {
        __shared__ float tile[16][16];
        tile[threadIdx.y][threadIdx.x + 1] = x[threadIdx.y * 16 + threadIdx.x];
        __syncthreads();
        y[threadIdx.y * 16 + threadIdx.x] = tile[threadIdx.y][threadIdx.x];
    }""", (1,), (16, 16), numbers(256), (r"KERNEL\.cu:3: index 16 is outside an array of fixed size",)),

    Bug("shared_by_a_pointer", """__device__ float next(const float* s) { return s[1]; }
    __global__ void KERNEL(const float* x, float* y) {
        __shared__ float s[32];
        s[threadIdx.x] = x[threadIdx.x];
        __syncthreads();
        y[threadIdx.x] = next(&s[threadIdx.x]);
    }""", (1,), (32,), numbers(32), (r"read outside s, its 4 bytes number 32 of 32 at KERNEL\.cu:1, block 0 thread \(31, 0, 0\)",)),

    Bug("too_little_shared_memory", """__global__ void KERNEL(const float* x, float* y) {
        extern __shared__ float buffer[];
        buffer[threadIdx.x] = x[threadIdx.x];
        __syncthreads();
        y[threadIdx.x] = buffer[31 - threadIdx.x];
    }""", (1,), (32,), numbers(32), (r"write outside buffer, its 4 bytes number 31 of 31 at KERNEL\.cu:3",), shared_mem=31 * 4),

    Bug("pack_at_an_odd_place", """__global__ void KERNEL(const float* x, float* y) {
        ((float4*)(y + 1))[threadIdx.x] = ((const float4*)x)[threadIdx.x];
    }""", (1,), (8,), numbers(40), (r"an access of 16 bytes at an address which is no multiple of 16",
                                    r"does not divide: y\[\d+\] at KERNEL\.cu:2")),

    # ---- races
    Bug("neighbours_in_a_block", """__global__ void KERNEL(const float* x, float* y) {
        const int i = threadIdx.x;
        y[i] = x[i];
        if (i) y[i] += y[i - 1];
    }""", (1,), (64,), numbers(64), (RACE + r"y\[\d+\] at KERNEL\.cu:[34]",
                                     r"the other access at KERNEL\.cu:[34], block 0 thread")),

    Bug("every_block_adds", """__global__ void KERNEL(const float* x, float* y) {
        if (threadIdx.x == 0) y[0] += x[blockIdx.x];
    }""", (4,), (32,), numbers(4), (r"race: .* y\[0\] at KERNEL\.cu:2, block (\d) thread \(0, 0, 0\); "
                                    r"the other access at KERNEL\.cu:2, block (?!\1)\d thread \(0, 0, 0\)",)),

    Bug("block_waits_for_nobody", """__global__ void KERNEL(const float* x, float* y) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        y[i] = x[i];
        __syncthreads();                                      // waits for this block alone
        y[i] = y[(i + 32) % 64] + 1;
    }""", (2,), (32,), numbers(64), (r"race: .* y\[\d+\] at KERNEL\.cu:5",)),

    Bug("no_barrier_after_writing", """__global__ void KERNEL(const float* x, float* y) {
        __shared__ float s[64];
        s[threadIdx.x] = x[threadIdx.x];
        y[threadIdx.x] = s[63 - threadIdx.x];
    }""", (1,), (64,), numbers(64), (RACE + r"s, its 4 bytes number \d+ at KERNEL\.cu:[34]",)),

    Bug("no_barrier_after_reading", """__global__ void KERNEL(const float* x, float* y) {
        __shared__ float s[64];
        float sum = 0;
        for (int k = 0; k < 2; ++k) {
            s[threadIdx.x] = x[k * 64 + threadIdx.x];
            __syncthreads();
            sum += s[63 - threadIdx.x];
        }
        y[threadIdx.x] = sum;
    }""", (1,), (64,), numbers(128), (RACE + r"s, its 4 bytes number \d+ at KERNEL\.cu:[57]",)),

    Bug("counts_without_atomics", """__global__ void KERNEL(const int* x, int* bins) {
        bins[x[threadIdx.x] % 4]++;
    }""", (1,), (32,), numbers(32, kind="int32"), (r"race: .* bins\[[0-3]\] at KERNEL\.cu:2",)),

    Bug("sums_without_atomics", """__global__ void KERNEL(const float* x, float* y) {
        __shared__ float sum;
        if (threadIdx.x == 0) sum = 0;
        __syncthreads();
        sum += x[threadIdx.x];
        __syncthreads();
        if (threadIdx.x == 0) y[0] = sum;
    }""", (1,), (32,), numbers(32), (r"race: .* sum, its 4 bytes number 0 at KERNEL\.cu:5",)),

    Bug("looks_at_an_atomic", """__global__ void KERNEL(int* x, int* tickets) {
        atomicAdd(&tickets[0], 1);
        x[threadIdx.x] = tickets[0];                          // in CUDA: some number from 1 to 32
    }""", (1,), (32,), numbers(32, kind="int32"), (r"race: .* tickets\[0\] at",)),

    Bug("warp_without_syncwarp", """__global__ void KERNEL(const float* x, float* y) {           // as before Volta
        __shared__ volatile float s[64];
        const int t = threadIdx.x;
        s[t] = x[t];
        s[t + 32] = 0;
        s[t] += s[t + 16];
        s[t] += s[t + 8];
        y[t] = s[t];
    }""", (1,), (32,), numbers(32), (RACE + r"s, its 4 bytes number \d+ at KERNEL\.cu:[467]",)),

    Bug("tiles_overlap", """__global__ void KERNEL(const float* x, float* y, int n) {
        const int i = blockIdx.x * 31 + threadIdx.x;          // blocks of 32 threads
        if (i < n) y[i] = x[i];
    }""", (3,), (32,), numbers(90, I32(90)), (r"race: two threads write y\[(31|62)\] at KERNEL\.cu:3",)),

    Bug("transposes_in_place", """__global__ void KERNEL(float* x, float* y) {
        const int h = threadIdx.y, w = threadIdx.x;
        x[w * 8 + h] = x[h * 8 + w];
    }""", (1,), (8, 8), numbers(64), (RACE + r"x\[\d+\] at KERNEL\.cu:3",)),

    Bug("blurs_in_place", """__global__ void KERNEL(float* x, float* y, int n) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i > 0 && i < n - 1) x[i] = (x[i - 1] + x[i] + x[i + 1]) / 3;
    }""", (4,), (32,), numbers(100, I32(100)), (RACE + r"x\[\d+\] at KERNEL\.cu:3",)),

    Bug("gradient_is_scattered", """__global__ void KERNEL(const float* g, float* dx, int stride) {        // windows of 3
        for (int k = 0; k < 3; ++k) dx[threadIdx.x * stride + k] += g[threadIdx.x];
    }""", (1,), (32,), lambda: [np.ones(32, "f4"), np.zeros(65, "f4"), I32(2)], (r"race: .* dx\[\d+\] at KERNEL\.cu:2",)),

    # ---- shared memory that nobody has written
    Bug("half_a_tile", """__global__ void KERNEL(const float* x, float* y) {
        __shared__ float s[32];
        if (threadIdx.x < 16) s[threadIdx.x] = x[threadIdx.x];
        __syncthreads();
        y[threadIdx.x] = s[threadIdx.x];
    }""", (1,), (32,), numbers(32), (NOBODY + r"s, its 4 bytes number (1[6-9]|2\d|3[01]) at KERNEL\.cu:5",)),

    Bug("sum_from_nothing", """__global__ void KERNEL(const float* x, float* y) {
        __shared__ float sum;
        atomicAdd(&sum, x[threadIdx.x]);
        __syncthreads();
        y[threadIdx.x] = sum;
    }""", (1,), (32,), numbers(32), (r"shared memory that nobody has written, sum, its 4 bytes number 0 at",)),

    Bug("shared_by_all_blocks", """__global__ void KERNEL(const float* x, float* y) {
        __shared__ float scale;
        if (blockIdx.x == 0 && threadIdx.x == 0) scale = 2;
        __syncthreads();
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        y[i] = scale * x[i];
    }""", (3,), (32,), numbers(96), (NOBODY + r"scale, its 4 bytes number 0 at KERNEL\.cu:6, block [12]",)),

    # ---- barriers and warps
    Bug("barrier_in_a_branch", """__global__ void KERNEL(const float* x, float* y) {
        if (threadIdx.x < 16) {
            y[threadIdx.x] = x[threadIdx.x];
            __syncthreads();
        }
    }""", (1,), (32,), numbers(32), (r"deadlock: 16 of 32 threads wait at line 4, 16 have returned",)),

    Bug("barrier_in_both_branches", """__global__ void KERNEL(const float* x, float* y) {
        if (threadIdx.x % 2)
            __syncthreads();
        else
            __syncthreads();
        y[threadIdx.x] = x[threadIdx.x];
    }""", (1,), (32,), numbers(32), (r"divergent __syncthreads: thread \d+ waits at line [35], thread \d+ at line [35]",)),

    Bug("returns_before_the_barrier", """__global__ void KERNEL(const float* x, float* y, int n) {
        __shared__ float s[64];
        if (threadIdx.x >= n) return;
        s[threadIdx.x] = x[threadIdx.x];
        __syncthreads();
        y[threadIdx.x] = s[n - 1 - threadIdx.x];
    }""", (1,), (64,), numbers(50, I32(50)), (r"deadlock: 50 of 64 threads wait at line 5, 14 have returned",)),

    Bug("loops_of_different_lengths", """__global__ void KERNEL(const float* x, float* y) {
        for (int k = 0; k < 1 + threadIdx.x % 3; ++k) {
            y[threadIdx.x] = x[threadIdx.x] + k;
            __syncthreads();
        }
    }""", (1,), (32,), numbers(32), (r"deadlock: \d+ of 32 threads wait at line 4, \d+ have returned",)),

    Bug("lane_outside_its_mask", """__global__ void KERNEL(const float* x, float* y) {
        float v = x[threadIdx.x];
        v += __shfl_down_sync(0xffff, v, 8);                  // by all 32 lanes
        y[threadIdx.x] = v;
    }""", (1,), (32,), numbers(32), (r"line 3: lane (1[6-9]|2\d|3[01]) is not in its own mask 0xffff",)),

    Bug("mask_of_lanes_that_do_not_come", """__global__ void KERNEL(const float* x, float* y, int n) {
        float v = 0;
        if (threadIdx.x < n) {
            v = x[threadIdx.x];
            for (int d = 16; d; d /= 2) v += __shfl_xor_sync(0xffffffff, v, d);
        }
        if (threadIdx.x == 0) y[0] = v;
    }""", (1,), (32,), numbers(32, I32(20)), (r"deadlock: 20 of 32 threads wait at line 5, 12 have returned",)),

    Bug("assertion", """__global__ void KERNEL(const int* x, float* y) {
        assert(x[threadIdx.x] < 10);
        y[threadIdx.x] = 0;
    }""", (1,), (32,), lambda: [np.arange(32, dtype="i4"), np.zeros(32, "f4")],
        (r"line 2: assert\(x\[threadIdx\.x\] < 10\) failed  \[block \(0,0,0\) thread \((1\d|2\d|3[01]),0,0\)\]",)),
)
