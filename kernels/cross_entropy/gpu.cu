// Cross entropy: log_softmax and the negative log-likelihood in one, without the array of log-probabilities between them.
//
// Who goes through the row of one position's scores, a thread or a block, is rows.cuh's business. Labels and probabilities go through the
// same loops, as what is wanted of each class: q of the formula, computed where it is asked for. All in double, as p − q is a small
// difference where the network is right, and the loss a small part of any network.
//
// The number that a mean or sum is takes two launches: each block adds up its rows, then one block the sums of the blocks (common.cuh).
//
// x, probabilities, dx, dt: (N, C, P), P positions of an image.  labels, losses: (N, P).  statistics (2, N, P): m and ln Σ e^(x − m).
#include "rows.cuh"

// q of one row. Labels or probabilities is null, and weight may be. A label that is neither a class nor ignored makes all of q NaN, and so
// the loss: the host does not wait for the device to look at labels.
template <typename T> struct Wanted {
    const T *probabilities, *weight;
    long label;
    double rest, even;                               // 1 − ε, and ε/C; 0 for an ignored row
    bool labelled;

    __device__ Wanted(const long* labels, const T* probabilities, const T* weight, long ignore_index, double rest, long row, int C)
        : probabilities(probabilities), weight(weight), label(-1), rest(rest), even((1 - rest) / C), labelled(labels != nullptr) {
        if (!labels) return;
        label = labels[row];
        if (label == ignore_index) label = -1, even = 0;
        else if (label < 0 || label >= C) even = not_a_number<double>();
    }
    __device__ double operator()(int c, long i) const {                          // of class c, which is number i of (N, C, P)
        const double t = labelled ? double(c == label) : double(probabilities[i]);
        return (weight ? double(weight[c]) : 1.0) * (rest * t + even);
    }
    // What a mean divides by: the weights of the labels, or the number of rows.
    __device__ double share() const { return !labelled ? 1 : label < 0 || even != even ? 0 : weight ? double(weight[label]) : 1; }
};

// sums (2, blocks): Σ loss and Σ share of each block.
template <typename T, class Reader>
__global__ void forward(const T* __restrict__ x, const long* __restrict__ labels, const T* __restrict__ probabilities,
                        const T* __restrict__ weight, T* __restrict__ losses, double* __restrict__ statistics, double* __restrict__ sums,
                        long ignore_index, double rest, long N, int C, int P) {
    double summed = 0, shares = 0;
    for (long row = Reader::first_row(); row < N * P; row += Reader::rows_at_once()) {
        const long start = start_of_row(row, C, P);
        const Wanted<T> q(labels, probabilities, weight, ignore_index, rest, row, C);
        const double m = largest_of_row<Reader>(x + start, C, P);
        double total = 0, loss = 0;
        for (int c = Reader::first(); c < C; c += Reader::step()) total += exp(x[start + (long)c * P] - m);
        const double logarithm = log(Reader::sum(total));
        for (int c = Reader::first(); c < C; c += Reader::step()) {
            const long i = start + (long)c * P;
            const double wanted = q(c, i);
            if (wanted != 0 || !labels) loss -= wanted * (x[i] - m - logarithm);  // a wrong class of probability 0: not 0 · −∞ = NaN
        }
        loss = Reader::sum(loss);
        if (Reader::speaks()) {
            losses[row] = loss, statistics[row] = m, statistics[N * P + row] = logarithm;
            summed += loss, shares += q.share();
        }
    }
    leave_sum(summed, sums);
    leave_sum(shares, sums + gridDim.x);
}

// dx = (p·Q − q)·g, Q = Σ_c q.  g: (N, P), or one number for all; divided by divisor, unless that is null.
template <typename T, class Reader>
__global__ void gradient(const T* __restrict__ g, const T* __restrict__ x, const long* __restrict__ labels,
                         const T* __restrict__ probabilities, const T* __restrict__ weight, const double* __restrict__ statistics,
                         const double* __restrict__ divisor, T* __restrict__ dx, long ignore_index, double rest, int one_g, long N, int C,
                         int P) {
    for (long row = Reader::first_row(); row < N * P; row += Reader::rows_at_once()) {
        const long start = start_of_row(row, C, P);
        const Wanted<T> q(labels, probabilities, weight, ignore_index, rest, row, C);
        const double m = statistics[row], logarithm = statistics[N * P + row], up = g[one_g ? 0 : row] / (divisor ? *divisor : 1.0);
        double Q = 0;
        for (int c = Reader::first(); c < C; c += Reader::step()) Q += q(c, start + (long)c * P);
        Q = Reader::sum(Q);
        for (int c = Reader::first(); c < C; c += Reader::step()) {
            const long i = start + (long)c * P;
            dx[i] = (exp(x[i] - m - logarithm) * Q - q(c, i)) * up;
        }
    }
}

// dt = −(1 − ε)·w·ln p·g
template <typename T>
__global__ void gradient_target(const T* __restrict__ g, const T* __restrict__ x, const T* __restrict__ weight,
                                const double* __restrict__ statistics, const double* __restrict__ divisor, T* __restrict__ dt, double rest,
                                int one_g, long N, int C, int P) {
    FOR_EACH(i, N * C * P) {
        const long row = i / ((long)C * P) * P + i % P;
        const double log_p = x[i] - statistics[row] - statistics[N * P + row], w = weight ? double(weight[i / P % C]) : 1.0;
        dt[i] = -rest * w * log_p * g[one_g ? 0 : row] / (divisor ? *divisor : 1.0);
    }
}
