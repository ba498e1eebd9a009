// A product of matrices in tiles, for operands that are found as they are read: matrices, or an image seen through a window.
//
//     C[m, n] = Σ_k A[m, k] · B[k, n]
//
// The plain loop reads two numbers from memory for each multiply-add, and memory is a hundred times too slow for that. So a block of 256
// threads makes a tile of 64×64 numbers of C together. For DEPTH steps of k it fetches the 64 rows of A and the 64 columns of B into shared
// memory, where each number fetched once is used 64 times:
//
//                          k0 … k0 + 15
//        B  n0 … n0 + 63  ┌────────────┐             a thread sums 4×4 numbers of the tile in registers: for each step of k it
//                         │     Bs     │             reads 4 numbers of As and 4 of Bs, and does 16 multiply-adds
//     A  ┌────┐           └────────────┘
//    m0… │ As │ m0 + 63      C tile
//        └────┘
//
// While a tile is multiplied, the next is already on its way into registers (`fetch`), so that arithmetic and memory work at the same time.
// The barriers: As and Bs are complete before anyone reads them, and everyone has read them before they are written again.
//
// An operand says where its numbers are:
//     a(m, k)                    row m < M of A; neighbouring threads ask for neighbouring k
//     b.column(n), b(column, k)  what does not depend on k is found once for each thread; neighbouring threads have neighbouring n
//     c(m, n, sum)               takes a sum to its place
#pragma once

constexpr int TILE = 64, DEPTH = 16, THREADS = 256, EACH = 4;        // EACH = TILE·DEPTH/THREADS: what a thread fetches of either

template <typename T, class A, class B, class C>
__device__ void product(int M, int N, int begin, int end, const A& a, const B& b, const C& c) {
    __shared__ T As[DEPTH][TILE + 4], Bs[DEPTH][TILE + 4];           // + 4: of the threads that write a column of As two meet in a bank, not 16
    const int t = threadIdx.x, row = t / 16 * 4, column = t % 16 * 4, m0 = blockIdx.y * TILE, n0 = blockIdx.x * TILE;
    const int a_row = t / DEPTH, a_step = t % DEPTH, b_column = t % TILE, b_step = t / TILE;
    const bool b_inside = n0 + b_column < N;
    const auto seen = b.column(b_inside ? n0 + b_column : 0);
    T next_a[EACH], next_b[EACH], sums[4][4] = {};

    const auto fetch = [&](int k0) {
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            const int m = m0 + a_row + i * (THREADS / DEPTH), k = k0 + a_step;
            next_a[i] = m < M && k < end ? a(m, k) : T(0);
        }
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            const int k = k0 + b_step + i * (THREADS / TILE);
            next_b[i] = b_inside && k < end ? b(seen, k) : T(0);
        }
    };

    fetch(begin);
    for (int k0 = begin; k0 < end; k0 += DEPTH) {
#pragma unroll
        for (int i = 0; i < EACH; ++i) As[a_step][a_row + i * (THREADS / DEPTH)] = next_a[i];
#pragma unroll
        for (int i = 0; i < EACH; ++i) Bs[b_step + i * (THREADS / TILE)][b_column] = next_b[i];
        __syncthreads();
        if (k0 + DEPTH < end) fetch(k0 + DEPTH);
#pragma unroll
        for (int k = 0; k < DEPTH; ++k)
#pragma unroll
            for (int i = 0; i < 4; ++i)
#pragma unroll
                for (int j = 0; j < 4; ++j) sums[i][j] += As[k][row + i] * Bs[k][column + j];
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j)
            if (m0 + row + i < M && n0 + column + j < N) c(m0 + row + i, n0 + column + j, sums[i][j]);
}
