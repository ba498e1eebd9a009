// Optimisers: one launch for all parameters of a network.
//
// A network has many small parameters beside a few large ones, and a launch for each would take longer than its arithmetic. So all are cut
// into pieces, and a table says where each piece lies: a row has its count and the addresses of its parameter, gradient and states; an
// address 0 stands for a state that a form does without. A block takes one piece after another. Every array is read and written once, by
// 16 bytes where they begin at multiples of 16; that is what takes the time.
//
// Without a table (nullptr) the arrays are the arguments, one parameter as one piece: so it runs in the emulator's check mode, which knows
// the bounds of arrays that are arguments, and would take an address from a table for a fault.
//
// Sums and products are double, rounded once to the type of the array; roots and divisions, which in double would take longer than the
// memory, in the type of the array. The formulas: __init__.py.
//
// table: (pieces, 1 + ARRAYS).  param, grad, states: (count,).  In a rule v has the numbers of one place: v[0] of the parameter, v[1] of
// the gradient, v[2] … of the states in their order.  sign: −1 to maximise.
#include "common.cuh"

// rule(v) for every place of every piece.
template <int ARRAYS, typename T, class Rule>
__device__ inline void each_place(const long* table, long pieces, long whole, T* const (&given)[ARRAYS], Rule rule) {
    for (long piece = blockIdx.x; piece < pieces; piece += gridDim.x) {
        const long* row = table + piece * (1 + ARRAYS);
        const long count = table ? row[0] : whole;
        T* a[ARRAYS];
        bool aligned = true;
        for (int k = 0; k < ARRAYS; ++k) {
            a[k] = table ? reinterpret_cast<T*>(row[1 + k]) : given[k];
            aligned = aligned && reinterpret_cast<unsigned long>(a[k]) % 16 == 0;
        }
        const long packs = aligned ? count / Pack<T>::COUNT : 0;
        for (long i = threadIdx.x; i < packs; i += blockDim.x) {
            Pack<T> p[ARRAYS];
            for (int k = 0; k < ARRAYS; ++k)
                if (a[k]) p[k] = pack(a[k])[i];
            for (int j = 0; j < Pack<T>::COUNT; ++j) {
                T v[ARRAYS];
                for (int k = 0; k < ARRAYS; ++k) v[k] = a[k] ? p[k].v[j] : T(0);
                rule(v);
                for (int k = 0; k < ARRAYS; ++k) p[k].v[j] = v[k];
            }
            for (int k = 0; k < ARRAYS; ++k)
                if (k != 1 && a[k]) pack(a[k])[i] = p[k];
        }
        for (long i = packs * Pack<T>::COUNT + threadIdx.x; i < count; i += blockDim.x) {
            T v[ARRAYS];
            for (int k = 0; k < ARRAYS; ++k) v[k] = a[k] ? a[k][i] : T(0);
            rule(v);
            for (int k = 0; k < ARRAYS; ++k)
                if (k != 1 && a[k]) a[k][i] = v[k];
        }
    }
}

// fresh = 1 − dampening: the weight of a new gradient.
template <typename T>
__global__ void sgd(const long* table, long pieces, long count, T* param, T* grad, T* velocities, double lr, double momentum, double fresh,
                    double weight_decay, double nesterov, double sign) {
    T* const given[] = {param, grad, velocities};
    each_place(table, pieces, count, given, [=](T* v) {
        double step = sign * v[1] + weight_decay * v[0];
        if (momentum != 0) {
            const double velocity = momentum * v[2] + fresh * step;
            step = nesterov != 0 ? step + momentum * velocity : velocity;
            v[2] = velocity;
        }
        v[0] = v[0] - lr * step;
    });
}

// lr = η · √(1 − β₂ᵗ) / (1 − β₁ᵗ), and eps is multiplied by that root too.  shrink: what decoupled decay leaves of the parameter.
template <typename T>
__global__ void adam(const long* table, long pieces, long count, T* param, T* grad, T* first, T* second, T* largest, double lr,
                     double beta1, double new1, double beta2, double new2, double eps, double shrink, double weight_decay, double amsgrad,
                     double sign) {
    T* const given[] = {param, grad, first, second, largest};
    each_place(table, pieces, count, given, [=](T* v) {
        const double value = v[0] * shrink, g = sign * v[1] + weight_decay * value;
        const double average = beta1 * v[2] + new1 * g;
        T square = beta2 * v[3] + new2 * g * g;
        v[2] = average;
        v[3] = square;
        if (amsgrad != 0) v[4] = square = square <= v[4] ? v[4] : square;                  // NaN wins
        v[0] = value - lr * (T(average) / (sqrt(square) + T(eps)));
    });
}

template <typename T>
__global__ void rmsprop(const long* table, long pieces, long count, T* param, T* grad, T* squares, T* averages, T* buffer, double lr,
                        double alpha, double eps, double weight_decay, double momentum, double centered, double eps_inside, double sign) {
    T* const given[] = {param, grad, squares, averages, buffer};
    const T inside = eps_inside != 0 ? eps : 0, outside = eps_inside != 0 ? 0 : eps;
    each_place(table, pieces, count, given, [=](T* v) {
        const double g = sign * v[1] + weight_decay * v[0];
        double V = alpha * v[2] + (1 - alpha) * g * g;
        v[2] = V;
        if (centered != 0) {
            const double average = alpha * v[3] + (1 - alpha) * g;
            v[3] = average;
            V -= average * average;
            V = V < 0 ? 0 : V;
        }
        double step = T(g) / (sqrt(T(V) + inside) + outside);
        if (momentum != 0) v[4] = step = momentum * v[4] + step;
        v[0] = v[0] - lr * step;
    });
}

// lr = η / (1 + (t − 1)·lr_decay).
template <typename T>
__global__ void adagrad(const long* table, long pieces, long count, T* param, T* grad, T* total, double lr, double weight_decay, double eps,
                        double sign) {
    T* const given[] = {param, grad, total};
    each_place(table, pieces, count, given, [=](T* v) {
        const double g = sign * v[1] + weight_decay * v[0], square = v[2] + g * g;
        v[2] = square;
        v[0] = v[0] - lr * (T(g) / (sqrt(T(square)) + T(eps)));
    });
}
