// What all kernels of the convolution know of its shapes, and how its matrix products see an image through the window.
#pragma once
#include "common.cuh"

// As gpu.py lays it out, an int32 each. C and K are those of one group: an image has G·C channels, an output G·K.
struct Geometry { int N, G, C, H, W, K, R, S, P, Q, stride_h, stride_w, top, left, dilation_h, dilation_w; };

// x as the matrix of columns that im2col would write, (C·R·S, N·P·Q), without writing it: column j is output (n, p, q), row t the tap
// (c, r, s).
template <typename T> struct Columns {
    const T* x;                                      // of the group
    Geometry z;
    struct Column { long image; int h, w; };         // where the window begins: h and w may lie before the plane
    __device__ Column column(int j) const {
        const int q = j % z.Q, p = j / z.Q % z.P, n = j / (z.P * z.Q);
        return {(long)n * z.G * z.C * z.H * z.W, p * z.stride_h - z.top, q * z.stride_w - z.left};
    }
    __device__ T operator()(const Column& seen, int t) const {
        const int s = t % z.S, r = t / z.S % z.R, c = t / (z.R * z.S);
        const int h = seen.h + r * z.dilation_h, w = seen.w + s * z.dilation_w;
        return h >= 0 && h < z.H && w >= 0 && w < z.W ? x[seen.image + ((long)c * z.H + h) * z.W + w] : T(0);
    }
};

// The same read the other way, for the gradient of the weight: column t is a tap, row j an output.
template <typename T> struct Taps {
    const T* x;
    Geometry z;
    struct Column { int c, h, w; };                  // what the tap adds to the beginning of a window
    __device__ Column column(int t) const {
        return {t / (z.R * z.S), t / z.S % z.R * z.dilation_h - z.top, t % z.S * z.dilation_w - z.left};
    }
    __device__ T operator()(const Column& tap, int j) const {
        const int q = j % z.Q, p = j / z.Q % z.P, n = j / (z.P * z.Q);
        const int h = p * z.stride_h + tap.h, w = q * z.stride_w + tap.w;
        return h >= 0 && h < z.H && w >= 0 && w < z.W ? x[(((long)n * z.G * z.C + tap.c) * z.H + h) * z.W + w] : T(0);
    }
};

// grad_output as the gradient of x sees it: column j is a pixel (n, h, w), row t the tap (k, r, s). The output p whose tap r fell on row h
// has  p·stride_h − top + r·dilation_h = h,  if there is one.
template <typename T> struct Outputs {
    const T* g;
    Geometry z;
    struct Column { long image; int h, w; };
    __device__ Column column(int j) const {
        const int w = j % z.W, h = j / z.W % z.H, n = j / (z.H * z.W);
        return {(long)n * z.G * z.K * z.P * z.Q, h + z.top, w + z.left};
    }
    __device__ T operator()(const Column& seen, int t) const {
        const int s = t % z.S, r = t / z.S % z.R, k = t / (z.R * z.S);
        const int h = seen.h - r * z.dilation_h, w = seen.w - s * z.dilation_w;
        if (h < 0 || w < 0 || h % z.stride_h || w % z.stride_w) return T(0);
        const int p = h / z.stride_h, q = w / z.stride_w;
        return p < z.P && q < z.Q ? g[seen.image + ((long)k * z.P + p) * z.Q + q] : T(0);
    }
};

// The matrices of a product that lie in memory: rows of the weight, of the weight turned around, of grad_output; and where sums go.
template <typename T> struct Weight {                // (K, C·R·S)
    const T* w;
    Geometry z;
    __device__ T operator()(int k, int t) const { return w[(long)k * z.C * z.R * z.S + t]; }
};
template <typename T> struct Turned {                // (C, K·R·S)
    const T* w;
    Geometry z;
    __device__ T operator()(int c, int t) const {
        const int window = z.R * z.S;
        return w[((long)(t / window) * z.C + c) * window + t % window];
    }
};
template <typename T> struct Gradient {              // (K, N·P·Q)
    const T* g;
    Geometry z;
    __device__ T operator()(int k, int j) const {
        const int plane = z.P * z.Q;
        return g[((long)(j / plane) * z.G * z.K + k) * plane + j % plane];
    }
};
template <typename T> struct IntoPlanes {            // row: a channel of `channels`, column: a pixel of all images
    T* y;
    const T* bias;                                   // of the group, or null
    int all, plane;                                  // channels of all groups, pixels of a plane
    __device__ void operator()(int channel, int j, T sum) const {
        y[((long)(j / plane) * all + channel) * plane + j % plane] = bias ? sum + bias[channel] : sum;
    }
};
template <typename T> struct IntoRows {
    T* rows;
    int length;
    __device__ void operator()(int m, int n, T sum) const { rows[(long)m * length + n] = sum; }
};
