"""How a function behaves, before its numbers are looked at: it repeats, leaves its inputs alone, and its gradients add up.

    f(x) = f(x)                                  the same numbers at every call
    backward(u) = backward(u)                    nothing is kept from one call to the next
    backward(u + v) = backward(u) + backward(v)  a gradient is linear in the upstream gradient; one that ignores it is not
"""
import numpy as np

from .subject import Arrays, Complaint, Subject

SAME = 1e-9                   # relative: sums in another order differ by a few last digits
SEVERAL = 8                   # inputs and parameters that are also asked for one by one
NOTHING = 1e-13               # and so do sums that cancel to 0, of numbers of about 1


class Point:
    """A function at the present values of its leaves: outputs y in one row, upstream gradients U (K, outputs) and gradients for each.

    analytic   {name: (K, *shape)}, zeros where there is none.  missing: the names of leaves without a gradient
    """

    def __init__(self, subject: Subject, rng: np.random.Generator, count: int = 2):
        """count: of random upstream gradients; where there are few outputs, those that pick a single one are added: the full Jacobian."""
        self.subject, self.count = subject, count
        outputs = subject.outputs()
        self.shapes = [y.shape for y in outputs]
        self.y = np.concatenate([y.reshape(-1) for y in outputs])
        if not np.isfinite(self.y).all():
            which = next(i for i, y in enumerate(outputs) if not np.isfinite(y).all())
            place = tuple(int(j) for j in np.argwhere(~np.isfinite(outputs[which]))[0])
            raise Complaint(f"the output{f' {which}' if len(outputs) > 1 else ''} is {outputs[which][place]} at {place}"
                            f" ({np.count_nonzero(~np.isfinite(self.y))} of {self.y.size} numbers are not finite)")
        U = rng.standard_normal((count, self.y.size))
        self.U = np.concatenate([U, np.eye(self.y.size)]) if self.y.size <= 16 else U
        found = [subject.gradients(self.upstream(u)) for u in self.U]
        self.missing = {name for name in subject.leaves if all(g[name] is None for g in found)}
        self.analytic = {name: np.stack([_or_zeros(g[name], x.shape) for g in found]) for name, x in subject.leaves.items()}

    def upstream(self, u: np.ndarray) -> Arrays:
        """A row of U as arrays in the shapes of the outputs."""
        ends = np.cumsum([int(np.prod(s)) for s in self.shapes])
        return [part.reshape(shape) for part, shape in zip(np.split(u, ends[:-1]), self.shapes)]


def _or_zeros(gradient: np.ndarray | None, shape: tuple) -> np.ndarray:
    return np.zeros(shape) if gradient is None else gradient


def look(subject: Subject, rng: np.random.Generator) -> Point:
    """The Point at hand, after the manners were looked at; what is wrong is in subject.problems.  Complaint where nothing can be done."""
    first, second = subject.outputs(), subject.outputs()
    if [y.shape for y in first] != [y.shape for y in second]:
        raise Complaint(f"two calls with the same inputs returned shapes {first[0].shape} and {second[0].shape}")
    if not all(alike(a, b) for a, b in zip(first, second)):
        raise Complaint("two calls with the same inputs returned different numbers: no difference can be taken. Draw random numbers with a "
                        "fixed seed inside the function, and keep nothing from one call to the next")
    if not first[0].size and len(first) == 1:
        raise Complaint(f"the output has no elements (shape {first[0].shape}): there is nothing to check")
    digits(subject, rng)
    point = Point(subject, rng)
    subject.settle_random()
    u, v = (point.upstream(row) for row in point.U[:2])
    again, both = subject.gradients(u), subject.gradients(u, v)
    for name in subject.leaves:
        if name in point.missing:
            continue
        a, b = point.analytic[name][:2]
        if not np.isfinite(a).all():
            place = tuple(int(j) for j in np.argwhere(~np.isfinite(a))[0])
            subject.complain(f"{name}: backward's gradient is {a[place]} at {place}")
            continue
        if any(text.startswith(f"{name}: backward's gradient is float") for text in subject.problems):
            continue                                       # its digits do not allow for more
        alone = subject.alone(name, u) if 1 < len(subject.leaves) <= SEVERAL else a
        if not alike(_or_zeros(alone, a.shape), a):
            subject.complain(f"{name}: asked for this gradient alone (needs), backward returns another one than together with the others")
        second_time, total = (_or_zeros(g[name], a.shape) for g in (again, both))
        if not alike(second_time, a):
            growing = float(np.abs(second_time).max(initial=0.0)) > 1.5 * float(np.abs(a).max(initial=0.0))
            subject.complain(f"{name}: backward called twice with the same arguments returned different gradients"
                             + ("; does it add to what it returned the last time?" if growing else ""))
        elif np.abs(a).max(initial=0.0) > 1e3 * NOTHING and alike(a, b):
            subject.complain(f"{name}: backward returned the same gradient for two different upstream gradients: it ignores grad_output")
        elif not alike(total, a + b):
            subject.complain(f"{name}: gradients do not add up: for grad_output u + v backward should return what it returns for u plus "
                             "what it returns for v")
    return point


def digits(subject: Subject, rng: np.random.Generator) -> None:
    """Complains where the outputs have no more digits than float32 holds, for inputs that do."""
    before = {name: x.copy() for name, x in subject.leaves.items()}
    try:
        first = subject.row()
        for x in subject.leaves.values():
            x += 1e-3 * (float(np.abs(x).max(initial=0.0)) or 1.0) * rng.uniform(-1, 1, x.shape)
        y = subject.row()
    except Complaint:                                      # outside of where the function is defined
        return
    finally:
        for name, x in subject.leaves.items():
            x[...] = before[name]
    y = y[(y != first) & (y != np.round(y)) & np.isfinite(y)] if y.shape == first.shape else y[:0]      # numbers that moved, not counts
    if y.size and np.array_equal(y, y.astype(np.float32)) and not np.array_equal(y, y.astype(np.float16)):
        raise Complaint("the outputs have only the digits of float32, for inputs of float64: something inside is computed in float32; "
                        "differences need all digits, so keep the dtype of the input")


def alike(a: np.ndarray, b: np.ndarray) -> bool:
    """The same shape, and the same numbers but for the last digits; NaN and ±∞ in the same places."""
    if a.shape != b.shape:
        return False
    finite = np.isfinite(a) & np.isfinite(b)
    a_, b_ = a[finite], b[finite]
    scale = max(float(np.abs(a_).max(initial=0.0)), float(np.abs(b_).max(initial=0.0)))
    rest = a[~finite], b[~finite]
    return bool(np.all(np.abs(a_ - b_) <= SAME * scale + NOTHING)) and np.array_equal(*rest, equal_nan=True)
