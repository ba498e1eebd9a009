"""Correct kernels, of which the emulator must say nothing: what each is called with, and what comes out."""
from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Correct(NamedTuple):
    name: str
    source: str
    grid: tuple
    block: tuple
    arguments: Callable[[], list]           # the last array is the output
    result: Callable[..., np.ndarray]
    shared_mem: int = 0


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(-4, 5, shape).astype("f4")        # small whole numbers: sums are exact in any order


I32 = np.int32
CORRECT = (
    Correct("product_in_tiles", """__global__ void KERNEL(const float* a, const float* b, int M, int N, int K, float* c) {
        __shared__ float as[16][16], bs[16][16];
        const int m = blockIdx.y * 16 + threadIdx.y, n = blockIdx.x * 16 + threadIdx.x;
        float sum = 0;
        for (int k = 0; k < K; k += 16) {
            as[threadIdx.y][threadIdx.x] = m < M && k + threadIdx.x < K ? a[m * K + k + threadIdx.x] : 0;
            bs[threadIdx.y][threadIdx.x] = n < N && k + threadIdx.y < K ? b[(k + threadIdx.y) * N + n] : 0;
            __syncthreads();
            for (int i = 0; i < 16; ++i) sum += as[threadIdx.y][i] * bs[i][threadIdx.x];
            __syncthreads();
        }
        if (m < M && n < N) c[m * N + n] = sum;
    }""", (3, 2), (16, 16), lambda: [draw(20, 37), draw(37, 33), I32(20), I32(33), I32(37), np.zeros((20, 33), "f4")],
        lambda a, b, *_: a @ b),

    Correct("sum_by_shuffles", """__global__ void KERNEL(const float* x, int n, float* y) {
        __shared__ float of_warps[32];
        float v = 0;
        for (int i = threadIdx.x; i < n; i += blockDim.x) v += x[i];
        for (int d = 16; d; d /= 2) v += __shfl_down_sync(0xffffffff, v, d);
        if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = v;
        __syncthreads();
        if (threadIdx.x < 32) {
            v = threadIdx.x < blockDim.x / 32 ? of_warps[threadIdx.x] : 0;
            for (int d = 16; d; d /= 2) v += __shfl_xor_sync(0xffffffff, v, d);
            if (threadIdx.x == 0) y[0] = v;
        }
    }""", (1,), (128,), lambda: [draw(1000), I32(1000), np.zeros(1, "f4")], lambda x, *_: x.sum(keepdims=True)),

    Correct("sum_of_common_cuh", """#include "common.cuh"
    template <typename T> __global__ void KERNEL(const T* x, T* y) {
        const T first = block_sum(x[threadIdx.x]), second = block_sum(first);
        if (threadIdx.x == 0) y[0] = second;
    }""", (1,), (96,), lambda: [draw(96), np.zeros(1, "f4")], lambda x, *_: 96 * x.sum(keepdims=True)),

    Correct("transposed_in_tiles", """__global__ void KERNEL(const float* x, int H, int W, float* y) {
        __shared__ float tile[32][33];
        for (int j = threadIdx.y; j < 32; j += 8) {
            const int h = blockIdx.y * 32 + j, w = blockIdx.x * 32 + threadIdx.x;
            if (h < H && w < W) tile[j][threadIdx.x] = x[h * W + w];
        }
        __syncthreads();
        for (int j = threadIdx.y; j < 32; j += 8) {
            const int w = blockIdx.x * 32 + j, h = blockIdx.y * 32 + threadIdx.x;
            if (h < H && w < W) y[w * H + h] = tile[threadIdx.x][j];
        }
    }""", (3, 2), (32, 8), lambda: [draw(40, 70), I32(40), I32(70), np.zeros((70, 40), "f4")], lambda x, *_: x.T),

    Correct("histogram", """__global__ void KERNEL(const int* x, int n, int* bins) {
        __shared__ int own[8];
        if (threadIdx.x < 8) own[threadIdx.x] = 0;
        __syncthreads();
        for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) atomicAdd(&own[x[i]], 1);
        __syncthreads();
        if (threadIdx.x < 8) atomicAdd(&bins[threadIdx.x], own[threadIdx.x]);
    }""", (3,), (64,), lambda: [np.arange(500, dtype="i4") ** 2 % 8, I32(500), np.zeros(8, "i4")],
        lambda x, *_: np.bincount(x, minlength=8)),

    Correct("largest", """__global__ void KERNEL(const int* x, int n, int* y) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i < n) atomicMax(y, x[i]);
    }""", (4,), (64,), lambda: [np.arange(200, dtype="i4") * 77 % 211, I32(200), np.zeros(1, "i4")], lambda x, *_: x.max(keepdims=True)),

    Correct("running_sums", """__global__ void KERNEL(const float* x, int n, float* y) {       // Hillis and Steele, two buffers
        extern __shared__ float s[];
        const int t = threadIdx.x;
        int now = 0;
        s[t] = x[t];
        __syncthreads();
        for (int d = 1; d < n; d *= 2) {
            s[(1 - now) * n + t] = t >= d ? s[now * n + t] + s[now * n + t - d] : s[now * n + t];
            now = 1 - now;
            __syncthreads();
        }
        y[t] = s[now * n + t];
    }""", (1,), (100,), lambda: [draw(100), I32(100), np.zeros(100, "f4")], lambda x, *_: x.cumsum(), shared_mem=2 * 100 * 4),

    Correct("warp_with_syncwarp", """__global__ void KERNEL(const float* x, float* y) {
        __shared__ float s[64];
        const int t = threadIdx.x;
        s[t] = x[t];
        __syncwarp();
        for (int d = 16; d; d /= 2) {
            const float other = t % 32 < d ? s[t + d] : 0;
            __syncwarp();
            if (t % 32 < d) s[t] += other;
            __syncwarp();
        }
        if (t % 32 == 0) y[t / 32] = s[t];
    }""", (1,), (64,), lambda: [draw(64), np.zeros(2, "f4")], lambda x, *_: x.reshape(2, 32).sum(1)),

    Correct("lanes_of_a_smaller_mask", """__global__ void KERNEL(const float* x, int n, float* y) {
        const unsigned mask = __ballot_sync(0xffffffff, threadIdx.x < n);
        if (threadIdx.x < n) {
            const float first = __shfl_sync(mask, x[threadIdx.x], 0);
            y[threadIdx.x] = x[threadIdx.x] - first;
        }
    }""", (1,), (32,), lambda: [draw(20), I32(20), np.zeros(20, "f4")], lambda x, *_: x - x[0]),

    Correct("running_sums_of_a_warp", """__global__ void KERNEL(const float* x, float* y) {
        float v = x[threadIdx.x];
        for (int d = 1; d < 32; d *= 2) {
            const float before = __shfl_up_sync(0xffffffff, v, d);
            if (threadIdx.x >= d) v += before;
        }
        y[threadIdx.x] = v;
    }""", (1,), (32,), lambda: [draw(32), np.zeros(32, "f4")], lambda x, *_: x.cumsum()),

    Correct("all_wait_also_who_has_nothing", """__global__ void KERNEL(const float* x, int n, float* y) {
        __shared__ float s[64];
        if (threadIdx.x < n) s[threadIdx.x] = x[threadIdx.x];
        __syncthreads();
        if (threadIdx.x < n) y[threadIdx.x] = s[n - 1 - threadIdx.x];
    }""", (1,), (64,), lambda: [draw(50), I32(50), np.zeros(50, "f4")], lambda x, *_: x[::-1]),

    Correct("bytes_beside_one_another", """__global__ void KERNEL(const float* x, unsigned char* y) {
        __shared__ unsigned char positive[32];
        positive[threadIdx.x] = x[threadIdx.x] > 0;
        __syncthreads();
        y[threadIdx.x] = positive[31 - threadIdx.x];
    }""", (1,), (32,), lambda: [draw(32), np.zeros(32, "u1")], lambda x, *_: x[::-1] > 0),

    Correct("packs_and_a_tail", """__global__ void KERNEL(const float* x, int n, float* y) {
        for (int i = threadIdx.x; i < n / 4; i += blockDim.x) {
            float4 v = ((const float4*)x)[i];
            v.x += 1; v.y += 1; v.z += 1; v.w += 1;
            ((float4*)y)[i] = v;
        }
        for (int i = n / 4 * 4 + threadIdx.x; i < n; i += blockDim.x) y[i] = x[i] + 1;
    }""", (1,), (32,), lambda: [draw(203), I32(203), np.zeros(203, "f4")], lambda x, *_: x + 1),

    Correct("constants", """__constant__ float weights[3] = {1, 2, 1};
    __global__ void KERNEL(const float* x, int n, float* y) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        float sum = 0;
        for (int k = 0; k < 3; ++k) if (i + k - 1 >= 0 && i + k - 1 < n) sum += weights[k] * x[i + k - 1];
        if (i < n) y[i] = sum;
    }""", (2,), (32,), lambda: [draw(40), I32(40), np.zeros(40, "f4")], lambda x, *_: np.convolve(x, [1, 2, 1], "same")),
)
