// The product of product.cuh on tensor cores, in TF32: float32 with 10 bits of mantissa in the factors, sums in float32.
//
// A tensor core multiplies small matrices as one instruction of a warp:  mma.sync.m16n8k8  adds to C (16×8) the product of A (16×8) and
// B (8×8). The numbers lie in registers of the 32 lanes. With  g = lane / 4,  q = lane % 4:
//
//     A   a0 = A[g][q]   a1 = A[g + 8][q]   a2 = A[g][q + 4]   a3 = A[g + 8][q + 4]
//     B   b0 = B[q][g]   b1 = B[q + 4][g]
//     C   c0 = C[g][2q]  c1 = C[g][2q + 1]  c2 = C[g + 8][2q]  c3 = C[g + 8][2q + 1]
//
// (PTX manual, "Matrix fragments for mma.m16n8k8".) A block of 4 warps makes a tile of 64×64, a warp a quarter of it, 32×32: 2×4 such
// matrices. There are two tiles in shared memory: while one is multiplied the next is written into the other, and one barrier a step is
// enough. The rows of As are DEPTH + 4 apart, those of Bs TILE + 8: the 32 lanes of a warp then read from 32 different banks.
#pragma once
#include "product.cuh"

#ifndef MINICNN_EMULATED                            // the emulator has its own
__device__ inline unsigned to_tf32(float x) {
    unsigned bits = __float_as_uint(x);
#if __CUDA_ARCH__ >= 800
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
#endif
    return bits;
}
__device__ inline void mma_m16n8k8_tf32(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
#if __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    __trap();                                       // gpu.py does not come here: there is no TF32 before compute capability 8.0
#endif
}
#endif

constexpr int WARPS_THREADS = 128, FETCHED = TILE * DEPTH / WARPS_THREADS;

// Launch with 128 threads. The operands are those of product.cuh.
template <class A, class B, class C>
__device__ void product_tf32(int M, int N, int begin, int end, const A& a, const B& b, const C& c) {
    __shared__ unsigned As[2][TILE][DEPTH + 4], Bs[2][DEPTH][TILE + 8];
    const int t = threadIdx.x, lane = t % 32, warp = t / 32, g = lane / 4, q = lane % 4;
    const int m0 = blockIdx.y * TILE, n0 = blockIdx.x * TILE, warp_m = warp / 2 * 32, warp_n = warp % 2 * 32;
    const int a_row = t / DEPTH, a_step = t % DEPTH, b_column = t % TILE, b_step = t / TILE;
    const bool b_inside = n0 + b_column < N;
    const auto seen = b.column(b_inside ? n0 + b_column : 0);
    float next_a[FETCHED], next_b[FETCHED], sums[2][4][4] = {};

    const auto fetch = [&](int k0) {
#pragma unroll
        for (int i = 0; i < FETCHED; ++i) {
            const int m = m0 + a_row + i * (WARPS_THREADS / DEPTH), k = k0 + a_step;
            next_a[i] = m < M && k < end ? a(m, k) : 0.f;
        }
#pragma unroll
        for (int i = 0; i < FETCHED; ++i) {
            const int k = k0 + b_step + i * (WARPS_THREADS / TILE);
            next_b[i] = b_inside && k < end ? b(seen, k) : 0.f;
        }
    };
    const auto keep = [&](int buffer) {
#pragma unroll
        for (int i = 0; i < FETCHED; ++i) As[buffer][a_row + i * (WARPS_THREADS / DEPTH)][a_step] = to_tf32(next_a[i]);
#pragma unroll
        for (int i = 0; i < FETCHED; ++i) Bs[buffer][b_step + i * (WARPS_THREADS / TILE)][b_column] = to_tf32(next_b[i]);
    };

    fetch(begin);
    keep(0);
    __syncthreads();
    int buffer = 0;
    for (int k0 = begin; k0 < end; k0 += DEPTH, buffer ^= 1) {
        const bool more = k0 + DEPTH < end;
        if (more) fetch(k0 + DEPTH);
#pragma unroll
        for (int k = 0; k < DEPTH; k += 8) {
            unsigned rows[2][4], columns[4][2];
#pragma unroll
            for (int i = 0; i < 2; ++i)
#pragma unroll
                for (int r = 0; r < 4; ++r) rows[i][r] = As[buffer][warp_m + i * 16 + g + r % 2 * 8][k + q + r / 2 * 4];
#pragma unroll
            for (int j = 0; j < 4; ++j)
#pragma unroll
                for (int r = 0; r < 2; ++r) columns[j][r] = Bs[buffer][k + q + r * 4][warp_n + j * 8 + g];
#pragma unroll
            for (int i = 0; i < 2; ++i)
#pragma unroll
                for (int j = 0; j < 4; ++j) mma_m16n8k8_tf32(sums[i][j], rows[i], columns[j]);
        }
        if (more) keep(buffer ^ 1);                 // nobody reads that one any more: all have passed the barrier behind its last use
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j)
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const int m = m0 + warp_m + i * 16 + g + e / 2 * 8, n = n0 + warp_n + j * 8 + q * 2 + e % 2;
                if (m < M && n < N) c(m, n, sums[i][j][e]);
            }
}
