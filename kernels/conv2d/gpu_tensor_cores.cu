// The convolution's implicit products on tensor cores, in TF32 (../cuda/tensor_cores.cuh): the operands are those of gpu.cu's tiles.
// A grid of (columns of tiles, rows of tiles, groups · parts), 128 threads; three blocks share a multiprocessor, with 168 registers a
// thread. Needs compute capability 8.0.
#include "geometry.cuh"
#include "tensor_cores.cuh"

extern "C" __global__ void __launch_bounds__(128, 3) forward(const float* __restrict__ x, const float* __restrict__ w,
                                                          const float* __restrict__ bias, float* __restrict__ y, const Geometry* shape) {
    const Geometry z = *shape;
    const int group = blockIdx.z, plane = z.P * z.Q, taps = z.C * z.R * z.S;
    product_tf32(z.K, z.N * plane, 0, taps, Weight<float>{w + (long)group * z.K * taps, z},
                 Columns<float>{x + (long)group * z.C * z.H * z.W, z},
                 IntoPlanes<float>{y + (long)group * z.K * plane, bias ? bias + group * z.K : nullptr, z.G * z.K, plane});
}

extern "C" __global__ void __launch_bounds__(128, 3) gradient_x(const float* __restrict__ g, const float* __restrict__ w,
                                                                float* __restrict__ dx, const Geometry* shape) {
    const Geometry z = *shape;
    const int group = blockIdx.z, plane = z.H * z.W;
    product_tf32(z.C, z.N * plane, 0, z.K * z.R * z.S, Turned<float>{w + (long)group * z.K * z.C * z.R * z.S, z},
                 Outputs<float>{g + (long)group * z.K * z.P * z.Q, z},
                 IntoPlanes<float>{dx + (long)group * z.C * plane, nullptr, z.G * z.C, plane});
}

extern "C" __global__ void __launch_bounds__(128, 3) gradient_weight(const float* __restrict__ x, const float* __restrict__ g,
                                                                  float* __restrict__ partial, const Geometry* shape, int parts) {
    const Geometry z = *shape;
    const int group = blockIdx.z % z.G, part = blockIdx.z / z.G, taps = z.C * z.R * z.S;
    const long outputs = (long)z.N * z.P * z.Q;
    product_tf32(z.K, taps, part * outputs / parts, (part + 1) * outputs / parts, Gradient<float>{g + (long)group * z.K * z.P * z.Q, z},
                 Taps<float>{x + (long)group * z.C * z.H * z.W, z},
                 IntoRows<float>{partial + ((long)part * z.G + group) * z.K * taps, taps});
}
