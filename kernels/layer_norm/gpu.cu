// Layer normalisation: a block takes one row after another.
//
//     forward    normalise: the moments of the row, then y         the row is read twice, but the second time from the cache
//     backward   gradient: Σg' and Σg'·x̂ of the row, then dx       likewise
//                column_sums: dγ and dβ of blocks of rows          add_parts: added up
//
// dγ and dβ run across the rows. A thread owns a column and walks down `rows/parts` rows; neighbouring threads own neighbouring columns and
// read whole lines. Sixteen numbers at a time are summed in the type of the array, the rest in double. What the parts of the rows found is
// added in order: the bits depend on the shapes alone, and on whether the arrays begin at multiples of 16 bytes.
//
// How mean, variance and x̂ are computed, and what Real is: ../cuda/normalise.cuh.
//
// x, y, g, dx: (R, D), R rows.  weight, bias: (D,) or nullptr.  normals (R, 3): centre, inverse, rest.  partial (parts, 2, D).
#include "normalise.cuh"

#define FOR_EACH_ROW(r, R) for (long r = blockIdx.x; r < (R); r += gridDim.x)

template <typename T, typename Real>
__global__ void normalise(const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias, T* __restrict__ y,
                          Real* __restrict__ normals, long R, int D, double eps) {
    FOR_EACH_ROW(r, R) in_units(D, [&](auto width) {
        constexpr int W = decltype(width)::value;
        const auto* row = units<W>(x + r * D);
        auto* out = units<W>(y + r * D);
        Gathered<Real, W> mine;
        FOR_EACH_UNIT(u, D / W) mine.take(row[u]);
        const Moments all = block_join(mine.moments());
        const Normal<Real> found = normal<Real>(all.mean, 1 / sqrt(all.S / all.count + eps));
        if (threadIdx.x == 0) {
            normals[3 * r] = found.centre;
            normals[3 * r + 1] = found.inverse;
            normals[3 * r + 2] = found.rest;
        }
        FOR_EACH_UNIT(u, D / W) {
            Unit<T, W> v = row[u], factor, offset;
            for (int j = 0; j < W; ++j) factor.v[j] = 1, offset.v[j] = 0;
            if (weight) factor = units<W>(weight)[u];
            if (bias) offset = units<W>(bias)[u];
            for (int j = 0; j < W; ++j) v.v[j] = fma(found(v.v[j]), Real(factor.v[j]), Real(offset.v[j]));
            out[u] = v;
        }
    }, x, y, weight, bias);
}

template <typename T, typename Real>
__global__ void gradient(const T* __restrict__ g, const T* __restrict__ x, const T* __restrict__ weight, const Real* __restrict__ normals,
                         T* __restrict__ dx, long R, int D) {
    FOR_EACH_ROW(r, R) in_units(D, [&](auto width) {
        constexpr int W = decltype(width)::value;
        const auto *upstream = units<W>(g + r * D), *row = units<W>(x + r * D);
        auto* out = units<W>(dx + r * D);
        const Normal<Real> normal = {normals[3 * r], normals[3 * r + 1], normals[3 * r + 2]};
        double sum_1 = 0, sum_x = 0;
        FOR_EACH_UNIT(u, D / W) {
            const Unit<T, W> seen = row[u], of_y = upstream[u];
            Real of_1 = 0, of_x = 0;
            for (int j = 0; j < W; ++j) {
                const Real scaled = weight ? Real(of_y.v[j]) * weight[u * W + j] : Real(of_y.v[j]);
                of_1 += scaled;
                of_x += scaled * normal(seen.v[j]);
            }
            sum_1 += of_1;
            sum_x += of_x;
        }
        const Real along_1 = block_sum(sum_1) / D, along_x = block_sum(sum_x) / D;
        FOR_EACH_UNIT(u, D / W) {
            const Unit<T, W> seen = row[u];
            Unit<T, W> v = upstream[u];
            for (int j = 0; j < W; ++j) {
                const Real scaled = weight ? Real(v.v[j]) * weight[u * W + j] : Real(v.v[j]);
                v.v[j] = normal.inverse * (scaled - along_1 - along_x * normal(seen.v[j]));
            }
            out[u] = v;
        }
    }, g, x, dx);
}

template <typename T, typename Real>
__global__ void column_sums(const T* __restrict__ g, const T* __restrict__ x, const Real* __restrict__ normals,
                            double* __restrict__ partial, long R, int D, int parts) {
    FOR_EACH(i, (long)parts * D) {
        const long part = i / D, d = i % D, last = R * (part + 1) / parts;
        double of_weight = 0, of_bias = 0;
        for (long first = R * part / parts; first < last; first += 16) {
            Real some_of_weight = 0, some_of_bias = 0;
            for (long r = first; r < min(first + 16, last); ++r) {
                const Normal<Real> normal = {normals[3 * r], normals[3 * r + 1], normals[3 * r + 2]};
                const Real upstream = g[r * D + d];
                some_of_weight += upstream * normal(x[r * D + d]);
                some_of_bias += upstream;
            }
            of_weight += some_of_weight;
            of_bias += some_of_bias;
        }
        partial[2 * part * D + d] = of_weight;
        partial[(2 * part + 1) * D + d] = of_bias;
    }
}

template <typename T>
__global__ void add_parts(T* __restrict__ grad_weight, T* __restrict__ grad_bias, const double* __restrict__ partial, int D, int parts) {
    FOR_EACH(d, D) {
        double of_weight = 0, of_bias = 0;
        for (long part = 0; part < parts; ++part) {
            of_weight += partial[2 * part * D + d];
            of_bias += partial[(2 * part + 1) * D + d];
        }
        grad_weight[d] = of_weight;
        grad_bias[d] = of_bias;
    }
}
