// Padding: every output finds the one input that it copies; backward, every input finds all outputs that copied it.
//
// The axes are independent, so both directions are a function of one axis, applied to each. The padded axes are the last ones; what lies
// before them is outside, and stays where it is. Neighbouring threads own neighbouring elements, whose sources are neighbours too, but for
// the few at the edges. Backward gathers: a thread owns an input and adds up what its copies received, in one order, without atomics.
//
// In constant mode an input was copied at most once, and the gradient is g with the padding cropped off: gpu.py calls `forward` for it,
// with the padding negated.
//
// x, dx: (outside, n_0, n_1, …), y, g: (outside, m_0, m_1, …), of which `axes` are the padded ones.
#include "common.cuh"

enum Mode { CONSTANT, REFLECT, REPLICATE, CIRCULAR };              // in the order of MODES in __init__.py

struct Axis { int n, m, before, start, left; };                    // as gpu.py lays it out; start, left: what cropping leaves of the input

__device__ inline int source(const Axis& a, int mode, int j) {     // σ(j), −1 for `value`
    const int t = j - a.before, last = a.n - 1;
    if (mode == REFLECT) return t < 0 ? -t : t > last ? 2 * last - t : t;
    if (mode == REPLICATE) return min(max(t, 0), last);
    if (mode == CIRCULAR) return a.start + (t - a.start + a.left) % a.left;            // t − start ≥ −left
    return t >= 0 && t <= last ? t : -1;
}

template <typename T>
__global__ void forward(const T* __restrict__ x, T* __restrict__ y, const Axis* __restrict__ axes, int padded, int mode, T value,
                        long count) {
    FOR_EACH(j, count) {
        long rest = j, from = 0, stride = 1;
        bool inside = true;
        for (int i = padded - 1; i >= 0; --i) {
            const Axis a = axes[i];
            const int s = source(a, mode, rest % a.m);
            inside &= s >= 0;
            from += s * stride;
            stride *= a.n;
            rest /= a.m;
        }
        y[j] = inside ? x[rest * stride + from] : value;
    }
}

// The outputs that copied input i along one axis. Replicated, the edges have a run of them; reflected, an input has itself and a mirror
// image on either side; circular, there are up to three rounds of `left`, since neither side is padded by more than one.
__device__ inline int run_begin(const Axis& a, int i) { return i == 0 ? 0 : max(i + a.before, 0); }
__device__ inline int run_end(const Axis& a, int i) { return i == a.n - 1 ? a.m : min(i + a.before + 1, a.m); }

__device__ inline int candidates(const Axis& a, int mode, int i) {
    return mode == REPLICATE ? max(run_end(a, i) - run_begin(a, i), 0) : 3;
}

__device__ inline int candidate(const Axis& a, int mode, int i, int k) {               // the k-th; −1: there is no such copy
    if (mode == REPLICATE) return run_begin(a, i) + k;
    const int last = a.n - 1;
    int j = -1;
    if (mode == CIRCULAR) {
        if (i >= a.start && i < a.start + a.left) j = (i + a.before) % a.left + k * a.left;
    } else if (k == 0) {
        j = a.before + i;
    } else if (k == 1 ? i > 0 : i < last) {                                            // the edge itself is not repeated
        j = a.before + (k == 1 ? -i : 2 * last - i);
    }
    return j >= 0 && j < a.m ? j : -1;
}

template <typename T>
__global__ void backward(const T* __restrict__ g, T* __restrict__ dx, const Axis* __restrict__ axes, int padded, int mode, long count) {
    FOR_EACH(i, count) {
        long several = 1, rest = i;
        for (int axis = padded - 1; axis >= 0; --axis) {
            const Axis a = axes[axis];
            several *= candidates(a, mode, rest % a.n);
            rest /= a.n;
        }
        double sum = 0;
        for (long number = 0; number < several; ++number) {        // one candidate of each axis: a number with a digit for each axis
            long digits = number, at = 0, stride = 1;
            bool copied = true;
            rest = i;
            for (int axis = padded - 1; axis >= 0; --axis) {
                const Axis a = axes[axis];
                const int place = rest % a.n, choices = candidates(a, mode, place);
                const int j = candidate(a, mode, place, digits % choices);
                copied &= j >= 0;
                at += j * stride;
                stride *= a.m;
                rest /= a.n;
                digits /= choices;
            }
            if (copied) sum += g[rest * stride + at];
        }
        dx[i] = sum;
    }
}
