// Products of matrices by hand, in the tiles of ../cuda/product.cuh, where the trick is explained. cuBLAS, which gpu.py prefers, does the
// same with tiles that are larger and fitted to each GPU.
//
// A grid has a layer for each product of the stack. begins (layers, 2): where its two factors begin; one matrix may serve many layers.
// A factor whose last two axes are exchanged in memory is read with its steps exchanged: nothing is turned over.
#include "common.cuh"
#include "product.cuh"

// a (M, K), its rows `down` numbers apart and their numbers `along`.
template <typename T> struct Rows {
    const T* a;
    long down, along;
    __device__ T operator()(int m, int k) const { return a[m * down + k * along]; }
};

// b (K, N)
template <typename T> struct Columns {
    const T* b;
    long down, along;
    __device__ long column(int n) const { return n * along; }
    __device__ T operator()(long column, int k) const { return b[k * down + column]; }
};

// c (M, N)
template <typename T> struct Into {
    T* c;
    int N;
    __device__ void operator()(int m, int n, T sum) const { c[(long)m * N + n] = sum; }
};

template <typename T>
__global__ void __launch_bounds__(THREADS, 2) tiles(const T* __restrict__ a, const T* __restrict__ b, T* __restrict__ c,
                                                    const long* __restrict__ begins, int M, int N, int K, int turned_a, int turned_b) {
    const long layer = blockIdx.z;
    product<T>(M, N, 0, K, Rows<T>{a + begins[2 * layer], turned_a ? 1 : K, turned_a ? M : 1},
               Columns<T>{b + begins[2 * layer + 1], turned_b ? 1 : N, turned_b ? K : 1}, Into<T>{c + layer * M * N, N});
}
