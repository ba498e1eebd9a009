// Batch normalisation, alone or with a ReLU behind it (../batch_norm_relu): two passes over memory, forward and backward.
//
//     forward    moments: mean and S of parts of channels     normals: the parts joined; x̂, running values     normalise: y
//     backward   sums: Σu and Σu·x̂ of parts of channels        totals: the parts added; dβ, dγ                  gradient: dx
//
// A channel's sums need all its numbers, but a block for each channel would leave a GPU idle where channels are few. So a channel is cut
// into parts, a block for each; the parts are put together in order by a small kernel. How many there are follows from the shapes alone:
// the bits are the same on every GPU (for arrays that begin at multiples of 16 bytes, as new ones do). A block stays within a channel also where it writes, and takes the channel's constants once.
//
// How mean, variance and x̂ are computed, and what Real is: ../cuda/normalise.cuh.
//
// A ReLU is a floor under y: 0, or NaN where there is none, since nothing is ≤ NaN. Both operations run the same kernels, and y is computed
// by explicit fma, which no compiler rounds one way here and another there: they give the same bits. Where y ≤ floor, backward finds by
// computing y anew: it reads x in any case, and y would be a third array to read.
//
// x, y, g, dx: (N, C, P), P numbers of a plane.  normals (C, 3): centre, inverse, rest.  partial (parts, C, 3): count, mean, S, or
// (parts, C, 2): Σu, Σu·x̂.  totals (2, C).
#include "normalise.cuh"

template <typename Real> struct Channel {
    Normal<Real> normal;
    Real weight, bias;
    template <typename T> __device__ Channel(int c, const Real* normals, const T* weights, const T* biases)
        : normal{normals[3 * c], normals[3 * c + 1], normals[3 * c + 2]}, weight(weights ? weights[c] : T(1)),
          bias(biases ? biases[c] : T(0)) {}
    __device__ Real output(Real x) const { return fma(normal(x), weight, bias); }
};

// u: v, or 0 where y, as forward has rounded it, is not above the floor. NaN is not ≤ anything, and passes.
template <typename T> __device__ inline T gate(T v, T y, T floor) { return y <= floor ? T(0) : v; }

// Block number part·C + c calls each(i) for the units of its part of channel c: i counts the units of the whole array. A channel has fewer
// than 2³¹ numbers.
template <int W, class Each> __device__ inline void each_unit(long block, int N, int C, int P, int parts, Each each) {
    const int plane = P / W;
    const unsigned c = block % C, part = block / C, end = (long)N * plane * (part + 1) / parts;
    for (unsigned u = (long)N * plane * part / parts + threadIdx.x; u < end; u += blockDim.x)
        each(((long)(u / plane) * C + c) * plane + u % plane);
}
#define FOR_EACH_PART(block) for (long block = blockIdx.x; block < (long)C * parts; block += gridDim.x)

template <typename T, typename Real>
__global__ void moments(const T* __restrict__ x, double* __restrict__ partial, int N, int C, int P, int parts) {
    FOR_EACH_PART(block) in_units(P, [&](auto width) {
        constexpr int W = decltype(width)::value;
        Gathered<Real, W> mine;
        each_unit<W>(block, N, C, P, parts, [&](long i) { mine.take(units<W>(x)[i]); });
        const Moments all = block_join(mine.moments());
        if (threadIdx.x == 0) {
            partial[3 * block] = all.count;
            partial[3 * block + 1] = all.mean;
            partial[3 * block + 2] = all.S;
        }
    }, x);
}

// parts = 0: evaluation, by the running values; also of an empty batch, which has no others.
template <typename T, typename Real>
__global__ void normals(T* __restrict__ running_mean, T* __restrict__ running_var, const double* __restrict__ partial,
                        Real* __restrict__ normals, int C, int parts, double momentum, double eps) {
    FOR_EACH(c, C) {
        double mean = running_mean ? running_mean[c] : T(0), variance = running_var ? running_var[c] : T(1);
        if (parts) {
            Moments all = {};
            for (long block = c; block < (long)parts * C; block += C)
                all = join(all, {partial[3 * block], partial[3 * block + 1], partial[3 * block + 2]});
            if (running_mean) {
                running_mean[c] = (1 - momentum) * mean + momentum * all.mean;
                running_var[c] = (1 - momentum) * variance + momentum * all.S / (all.count - 1);
            }
            mean = all.mean;
            variance = all.S / all.count;
        }
        const Normal<Real> found = normal<Real>(mean, 1 / sqrt(variance + eps));
        normals[3 * c] = found.centre;
        normals[3 * c + 1] = found.inverse;
        normals[3 * c + 2] = found.rest;
    }
}

template <typename T, typename Real>
__global__ void normalise(const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias,
                          const Real* __restrict__ normals, T* __restrict__ y, int N, int C, int P, int parts, T floor) {
    FOR_EACH_PART(block) in_units(P, [&](auto width) {
        constexpr int W = decltype(width)::value;
        const Channel<Real> channel(block % C, normals, weight, bias);
        each_unit<W>(block, N, C, P, parts, [&](long i) {
            Unit<T, W> u = units<W>(x)[i];
            for (int j = 0; j < W; ++j) {
                const T v = channel.output(u.v[j]);
                u.v[j] = gate(v, v, floor);
            }
            units<W>(y)[i] = u;
        });
    }, x, y);
}

template <typename T, typename Real>
__global__ void sums(const T* __restrict__ g, const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias,
                     const Real* __restrict__ normals, double* __restrict__ partial, int N, int C, int P, int parts, T floor) {
    FOR_EACH_PART(block) in_units(P, [&](auto width) {
        constexpr int W = decltype(width)::value;
        const Channel<Real> channel(block % C, normals, weight, bias);
        double along_1 = 0, along_x = 0;
        each_unit<W>(block, N, C, P, parts, [&](long i) {
            const Unit<T, W> seen = units<W>(x)[i], upstream = units<W>(g)[i];
            Real of_1 = 0, of_x = 0;                                           // of a unit in Real, then in double
            for (int j = 0; j < W; ++j) {
                const Real u = gate(upstream.v[j], T(channel.output(seen.v[j])), floor);
                of_1 += u;
                of_x += u * channel.normal(seen.v[j]);
            }
            along_1 += of_1;
            along_x += of_x;
        });
        along_1 = block_sum(along_1);
        along_x = block_sum(along_x);
        if (threadIdx.x == 0) {
            partial[2 * block] = along_1;
            partial[2 * block + 1] = along_x;
        }
    }, g, x);
}

template <typename T>
__global__ void totals(T* __restrict__ grad_weight, T* __restrict__ grad_bias, const double* __restrict__ partial,
                       double* __restrict__ totals, int C, int parts) {
    FOR_EACH(c, C) {
        double along_1 = 0, along_x = 0;
        for (long block = c; block < (long)parts * C; block += C) {
            along_1 += partial[2 * block];
            along_x += partial[2 * block + 1];
        }
        grad_bias[c] = totals[c] = along_1;
        grad_weight[c] = totals[C + c] = along_x;
    }
}

// totals: nullptr in evaluation, where μ and σ² are constants.
template <typename T, typename Real>
__global__ void gradient(const T* __restrict__ g, const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias,
                         const Real* __restrict__ normals, const double* __restrict__ totals, T* __restrict__ dx, int N, int C, int P,
                         int parts, T floor) {
    FOR_EACH_PART(block) in_units(P, [&](auto width) {
        constexpr int W = decltype(width)::value;
        const int c = block % C;
        const Channel<Real> channel(c, normals, weight, bias);
        const double M = (double)N * P;
        const Real scale = channel.weight * channel.normal.inverse;
        const Real along_1 = totals ? totals[c] / M : 0, along_x = totals ? totals[C + c] / M : 0;
        each_unit<W>(block, N, C, P, parts, [&](long i) {
            const Unit<T, W> seen = units<W>(x)[i];
            Unit<T, W> upstream = units<W>(g)[i];
            for (int j = 0; j < W; ++j) {
                Real u = gate(upstream.v[j], T(channel.output(seen.v[j])), floor);
                if (totals) u -= along_1 + along_x * channel.normal(seen.v[j]);
                upstream.v[j] = u * scale;
            }
            units<W>(dx)[i] = upstream;
        });
    }, g, x, dx);
}
