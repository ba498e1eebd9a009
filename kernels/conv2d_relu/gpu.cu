// y ← max(y, 0), in place, behind a convolution. NaN stays: it is not below 0.
#include "common.cuh"

template <typename T> __global__ void rectify(T* __restrict__ y, long count) {
    FOR_EACH(i, count) if (y[i] <= T(0)) y[i] = 0;
}
