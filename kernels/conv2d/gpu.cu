// Convolution on a GPU: a ladder. Its rungs compute the same; gpu.py chooses.
//
//     naive           a thread sums one output, tap by tap: the formula
//     im2col          the columns of some images in memory, then cuBLAS                       columns, gather
//     tiles           the same product in shared memory, which reads the image itself          ../cuda/product.cuh
//     tensor_cores    the same on tensor cores, in TF32                                        gpu_tensor_cores.cu
//     depthwise       one channel a group: a sum of R·S numbers for each output, no product; its gradients are the naive ones
//
// "Implicit GEMM" is the third: the matrix of columns, R·S times as large as the image, is never written. Whoever asks for its number at
// (tap, output) gets that of the image (geometry.cuh), and the cache answers most of it, since neighbouring windows overlap.
//
// No rung adds with atomics: each number of a result belongs to one thread, which sums in a fixed order. The same bits in every run.
#include "geometry.cuh"
#include "product.cuh"

// ---- naive

template <typename T>
__global__ void forward_naive(const T* __restrict__ x, const T* __restrict__ w, const T* __restrict__ bias, T* __restrict__ y,
                              const Geometry* shape) {
    const Geometry z = *shape;
    FOR_EACH(i, (long)z.N * z.G * z.K * z.P * z.Q) {
        const int channel = i / (z.P * z.Q) % (z.G * z.K), j = i / ((long)z.G * z.K * z.P * z.Q) * (z.P * z.Q) + i % (z.P * z.Q);
        const Columns<T> columns = {x + (long)(channel / z.K) * z.C * z.H * z.W, z};
        const auto seen = columns.column(j);
        double sum = bias ? bias[channel] : T(0);
        for (int t = 0; t < z.C * z.R * z.S; ++t) sum += (double)columns(seen, t) * w[(long)channel * z.C * z.R * z.S + t];
        y[i] = sum;
    }
}

template <typename T>
__global__ void gradient_x_naive(const T* __restrict__ g, const T* __restrict__ w, T* __restrict__ dx, const Geometry* shape) {
    const Geometry z = *shape;
    FOR_EACH(i, (long)z.N * z.G * z.C * z.H * z.W) {
        const int channel = i / (z.H * z.W) % (z.G * z.C), j = i / ((long)z.G * z.C * z.H * z.W) * (z.H * z.W) + i % (z.H * z.W);
        const int group = channel / z.C;
        const Outputs<T> outputs = {g + (long)group * z.K * z.P * z.Q, z};
        const Turned<T> turned = {w + (long)group * z.K * z.C * z.R * z.S, z};
        const auto seen = outputs.column(j);
        double sum = 0;
        for (int t = 0; t < z.K * z.R * z.S; ++t) sum += (double)outputs(seen, t) * turned(channel % z.C, t);
        dx[i] = sum;
    }
}

// A block for each weight: its threads share out the outputs, and add their sums up at the end.
template <typename T>
__global__ void gradient_weight_naive(const T* __restrict__ x, const T* __restrict__ g, T* __restrict__ dw, const Geometry* shape) {
    const Geometry z = *shape;
    const int taps = z.C * z.R * z.S;
    for (int i = blockIdx.x; i < z.G * z.K * taps; i += gridDim.x) {
        const int channel = i / taps, group = channel / z.K;
        const Taps<T> of_x = {x + (long)group * z.C * z.H * z.W, z};
        const Gradient<T> of_g = {g + (long)group * z.K * z.P * z.Q, z};
        const auto tap = of_x.column(i % taps);
        double sum = 0;
        for (int j = threadIdx.x; j < z.N * z.P * z.Q; j += blockDim.x) sum += (double)of_x(tap, j) * of_g(channel % z.K, j);
        sum = block_sum(sum);
        if (threadIdx.x == 0) dw[i] = sum;
    }
}

// The gradient of the bias: a block for each channel.
template <typename T> __global__ void gradient_bias(const T* __restrict__ g, T* __restrict__ db, int N, int K, int plane) {
    for (int k = blockIdx.x; k < K; k += gridDim.x) {
        double sum = 0;
        for (long j = threadIdx.x; j < (long)N * plane; j += blockDim.x) sum += g[(j / plane * K + k) * plane + j % plane];
        sum = block_sum(sum);
        if (threadIdx.x == 0) db[k] = sum;
    }
}

// ---- im2col: what cuBLAS multiplies

// columns (N, G, C·R·S, P·Q) of x, one thread a number; or, together, (G, C·R·S, N·P·Q).
template <typename T> __global__ void columns(const T* __restrict__ x, T* __restrict__ out, const Geometry* shape, int together) {
    const Geometry z = *shape;
    const int taps = z.C * z.R * z.S, plane = z.P * z.Q;
    FOR_EACH(i, (long)z.N * z.G * taps * plane) {
        long rest = i;
        int j, n, t, group;
        if (together) {
            j = rest % ((long)z.N * plane), rest /= (long)z.N * plane;
            t = rest % taps, group = rest / taps;
        } else {
            j = rest % plane, rest /= plane;
            t = rest % taps, rest /= taps;
            group = rest % z.G, n = rest / z.G;
            j += n * plane;
        }
        const Columns<T> seen = {x + (long)group * z.C * z.H * z.W, z};
        out[i] = seen(seen.column(j), t);
    }
}

// (N, G·K, P·Q) -> (G, K, N·P·Q) and nothing else: the images side by side.
template <typename T> __global__ void side_by_side(const T* __restrict__ g, T* __restrict__ out, int N, int channels, int plane) {
    FOR_EACH(i, (long)N * channels * plane) {
        const long j = i % ((long)N * plane), channel = i / ((long)N * plane);
        out[i] = g[(j / plane * channels + channel) * plane + j % plane];
    }
}

// col2im in gather form: a pixel sums the numbers of its columns (N, G, C·R·S, P·Q), and nobody else writes to it.
template <typename T> __global__ void gather(const T* __restrict__ columns, T* __restrict__ dx, const Geometry* shape) {
    const Geometry z = *shape;
    FOR_EACH(i, (long)z.N * z.G * z.C * z.H * z.W) {
        const int w = i % z.W + z.left, h = i / z.W % z.H + z.top;
        const long image_channel = i / ((long)z.W * z.H);                    // n·G·C + channel: the rows of its taps follow one another
        T sum = 0;
        for (int r = 0; r < z.R; ++r)
            for (int s = 0; s < z.S; ++s) {
                const int a = h - r * z.dilation_h, b = w - s * z.dilation_w;
                if (a < 0 || b < 0 || a % z.stride_h || b % z.stride_w) continue;
                const int p = a / z.stride_h, q = b / z.stride_w;
                if (p < z.P && q < z.Q) sum += columns[((image_channel * z.R + r) * z.S + s) * z.P * z.Q + (long)p * z.Q + q];
            }
        dx[i] = sum;
    }
}

template <typename T> __global__ void add_bias(T* __restrict__ y, const T* __restrict__ bias, int N, int K, int plane) {
    FOR_EACH(i, (long)N * K * plane) y[i] += bias[i / plane % K];
}

// ---- tiles: a grid of (columns of tiles, rows of tiles, groups · parts); two blocks share a multiprocessor, with 128 registers a thread

template <typename T>
__global__ void __launch_bounds__(THREADS, 2) forward_tiles(const T* __restrict__ x, const T* __restrict__ w, const T* __restrict__ bias,
                                                         T* __restrict__ y, const Geometry* shape) {
    const Geometry z = *shape;
    const int group = blockIdx.z, plane = z.P * z.Q, taps = z.C * z.R * z.S;
    product<T>(z.K, z.N * plane, 0, taps, Weight<T>{w + (long)group * z.K * taps, z}, Columns<T>{x + (long)group * z.C * z.H * z.W, z},
               IntoPlanes<T>{y + (long)group * z.K * plane, bias ? bias + group * z.K : nullptr, z.G * z.K, plane});
}

template <typename T>
__global__ void __launch_bounds__(THREADS, 2) gradient_x_tiles(const T* __restrict__ g, const T* __restrict__ w, T* __restrict__ dx,
                                                            const Geometry* shape) {
    const Geometry z = *shape;
    const int group = blockIdx.z, plane = z.H * z.W;
    product<T>(z.C, z.N * plane, 0, z.K * z.R * z.S, Turned<T>{w + (long)group * z.K * z.C * z.R * z.S, z},
               Outputs<T>{g + (long)group * z.K * z.P * z.Q, z}, IntoPlanes<T>{dx + (long)group * z.C * plane, nullptr, z.G * z.C, plane});
}

// The sum over all outputs is long and the result small: `parts` blocks take a part of the sum each, and sum_parts adds them up in order.
// partial (parts, G·K, C·R·S).
template <typename T>
__global__ void __launch_bounds__(THREADS, 2) gradient_weight_tiles(const T* __restrict__ x, const T* __restrict__ g,
                                                                    T* __restrict__ partial, const Geometry* shape, int parts) {
    const Geometry z = *shape;
    const int group = blockIdx.z % z.G, part = blockIdx.z / z.G, taps = z.C * z.R * z.S;
    const long outputs = (long)z.N * z.P * z.Q;
    product<T>(z.K, taps, part * outputs / parts, (part + 1) * outputs / parts, Gradient<T>{g + (long)group * z.K * z.P * z.Q, z},
               Taps<T>{x + (long)group * z.C * z.H * z.W, z}, IntoRows<T>{partial + ((long)part * z.G + group) * z.K * taps, taps});
}

template <typename T> __global__ void sum_parts(const T* __restrict__ partial, T* __restrict__ total, int parts, long count) {
    FOR_EACH(i, count) {
        T sum = 0;
        for (int part = 0; part < parts; ++part) sum += partial[part * count + i];
        total[i] = sum;
    }
}

// ---- depthwise: neighbouring threads have neighbouring outputs of one plane, whose R·S weights the cache gives to all of them

template <typename T>
__global__ void forward_depthwise(const T* __restrict__ x, const T* __restrict__ w, const T* __restrict__ bias, T* __restrict__ y,
                                  const Geometry* shape) {
    const Geometry z = *shape;
    FOR_EACH(i, (long)z.N * z.G * z.K * z.P * z.Q) {
        const int q = i % z.Q, p = i / z.Q % z.P, channel = i / (z.P * z.Q) % (z.G * z.K), n = i / ((long)z.P * z.Q * z.G * z.K);
        const T *plane = x + ((long)n * z.G + channel / z.K) * z.H * z.W, *window = w + (long)channel * z.R * z.S;
        T sum = bias ? bias[channel] : T(0);
        for (int r = 0; r < z.R; ++r) {
            const int h = p * z.stride_h - z.top + r * z.dilation_h;
            if (h < 0 || h >= z.H) continue;
            for (int s = 0; s < z.S; ++s) {
                const int column = q * z.stride_w - z.left + s * z.dilation_w;
                if (column >= 0 && column < z.W) sum += plane[(long)h * z.W + column] * window[r * z.S + s];
            }
        }
        y[i] = sum;
    }
}
