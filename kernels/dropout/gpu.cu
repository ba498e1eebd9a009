// Dropout: a thread draws a block of four random words, in registers, and drops or keeps four values. The mask never reaches memory.
//
// Philox has no state: block b of a stream is a function of (seed, stream, b) alone (kernels/random.py), so thread b computes it without
// asking anybody, and every GPU, and every CPU, draws the same mask. The forty multiplications of a block cost less than the time
// in which its four values come from memory.
//
// x, y: `count` values, or planes of P values, of which each shares one word.
#include "common.cuh"

struct Words { unsigned w[4]; };

// hi and lo of the formula: the upper and the lower 32 bits of a product of two words.
__device__ inline Words philox(unsigned long block, unsigned long seed, unsigned long stream) {
    constexpr unsigned M0 = 0xD2511F53u, M1 = 0xCD9E8D57u, W0 = 0x9E3779B9u, W1 = 0xBB67AE85u;
    unsigned c0 = block, c1 = block >> 32, c2 = stream, c3 = stream >> 32, k0 = seed, k1 = seed >> 32;
    for (int round = 0; round < 10; ++round) {
        const unsigned high0 = __umulhi(M0, c0), low0 = M0 * c0, high1 = __umulhi(M1, c2), low1 = M1 * c2;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += W0;
        k1 += W1;
    }
    return {{c0, c1, c2, c3}};
}

// What a value is multiplied with. threshold: ⌈p·2²⁴⌉; u ≥ p where the upper 24 bits of the word, u·2²⁴, are not below it.
template <typename T> __device__ inline T scale(unsigned word, unsigned threshold, T kept) { return word >> 8 >= threshold ? kept : T(0); }

// Value i has word i. A block is one pack of four floats, or two of two doubles.
template <typename T>
__global__ void drop(const T* __restrict__ x, T* __restrict__ y, unsigned threshold, unsigned long seed, unsigned long stream, T kept,
                     long count) {
    constexpr int COUNT = Pack<T>::COUNT;
    const long blocks = packs_of(count, x, y) * COUNT / 4;
    FOR_EACH(b, blocks) {
        const Words words = philox(b, seed, stream);
        for (int half = 0; half < 4 / COUNT; ++half) {
            const long i = b * (4 / COUNT) + half;
            Pack<T> p = pack(x)[i];
            for (int j = 0; j < COUNT; ++j) p.v[j] *= scale(words.w[half * COUNT + j], threshold, kept);
            pack(y)[i] = p;
        }
    }
    FOR_EACH_FROM(blocks * 4, i, count) y[i] = x[i] * scale(philox(i / 4, seed, stream).w[i % 4], threshold, kept);
}

// Plane i has word i. A warp takes a plane: each lane draws the word, for all that it multiplies.
template <typename T>
__global__ void drop_planes(const T* __restrict__ x, T* __restrict__ y, unsigned threshold, unsigned long seed, unsigned long stream,
                            T kept, int P, long planes) {
    FOR_EACH(i, planes * 32) {
        const long plane = i / 32;
        const T factor = scale(philox(plane / 4, seed, stream).w[plane % 4], threshold, kept);
        for (long j = plane * P + i % 32; j < (plane + 1) * P; j += 32) y[j] = x[j] * factor;
    }
}
