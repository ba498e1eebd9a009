# %% [markdown]
# # 1 · A gradient, by hand and by machine
#
# A network learns by one question, asked of every number in it: *if you were a little larger, would the loss grow, and how fast?*
# The answer is a derivative. Here we compute one by hand, let the engine compute it, look at how the engine did it, and check both
# against the definition. At the end we give the engine an operation of our own, wrong at first, and see the mistake found.
#
# Run this file as it stands (`python tutorials/01_autograd.py`), or open it as a notebook: every cell begins with `# %%`.

# %%
import numpy as np

import minicnn as mc
from minicnn import Tensor

# %% [markdown]
# ## By hand
#
# Take $f(a, b) = (a\,b + 3)^2$ at $a = 2$, $b = -4$. Forward, one step at a time:
#
# $$p = a\,b = -8 \qquad s = p + 3 = -5 \qquad f = s^2 = 25$$
#
# Backward, the same steps from the end. Each step knows only its own derivative; the chain rule multiplies them:
#
# $$\frac{\partial f}{\partial s} = 2s = -10 \qquad
#   \frac{\partial f}{\partial p} = \frac{\partial f}{\partial s}\cdot 1 = -10 \qquad
#   \frac{\partial f}{\partial a} = \frac{\partial f}{\partial p}\cdot b = 40 \qquad
#   \frac{\partial f}{\partial b} = \frac{\partial f}{\partial p}\cdot a = -20$$

# %%
a, b = 2.0, -4.0
p = a * b
s = p + 3
f = s ** 2

df_ds = 2 * s
df_dp = df_ds * 1
df_da, df_db = df_dp * b, df_dp * a
assert (f, df_da, df_db) == (25.0, 40.0, -20.0)

# %% [markdown]
# Is that true? The definition of a derivative decides: move $a$ a little to both sides and see how $f$ moves.

# %%
def f_of(a, b):
    return (a * b + 3) ** 2


h = 1e-5
by_definition = (f_of(a + h, b) - f_of(a - h, b)) / (2 * h)
print(f"df/da: {df_da} by hand, {by_definition:.6f} by definition")
assert abs(by_definition - df_da) < 1e-6

# %% [markdown]
# ## By machine
#
# A `Tensor` is an array that remembers where it came from. `backward()` walks the same way back that we walked by hand.

# %%
a = Tensor([2.0], requires_grad=True)
b = Tensor([-4.0], requires_grad=True)
f = (a * b + 3) ** 2
f.backward()

print("f     =", f.item())
print("df/da =", a.grad.item())
print("df/db =", b.grad.item())
assert (f.item(), a.grad.item(), b.grad.item()) == (25.0, 40.0, -20.0)

# %% [markdown]
# ## How it did that
#
# Every operation left an object behind, an `Op`, that knows how to pass a gradient back, and has an edge to the Op that made each of
# its inputs (or to a leaf, where the gradient comes to rest). We can walk along the edges ourselves.

# %%
f = (a * b + 3) ** 2
power = f.op
add = power.edges[0][0]
multiply = add.edges[0][0]
print(" ← ".join(type(op).__name__ for op in (power, add, multiply)))
assert multiply.edges[0][0] is a and multiply.edges[1][0] is b

# %% [markdown]
# And we can call each Op's `backward` by hand: it takes the gradient of its output and returns one for each input. `needs` says which
# are wanted: nobody asked for the gradient of the exponent 2, nor of the 3.

# %%
one = np.array([1.0], np.float32)
df_ds, _ = power.backward(one, needs=(True, False))
df_dp, _ = add.backward(df_ds, needs=(True, False))
df_da, df_db = multiply.backward(df_dp, needs=(True, True))
print("df/ds, df/dp, df/da, df/db =", *(g.item() for g in (df_ds, df_dp, df_da, df_db)))
assert (df_ds.item(), df_dp.item(), df_da.item(), df_db.item()) == (-10, -10, 40, -20)

# %% [markdown]
# ## Two rules that arrays add
#
# **What is used twice gets two gradients, and they add up.** In $x^2 = x \cdot x$ each factor contributes $x$; together $2x$.
#
# **What was repeated is summed.** A row added to every row of a matrix was used once a row, so its gradient is the sum over the rows.

# %%
x = Tensor([3.0], requires_grad=True)
(x * x).backward()
assert x.grad.item() == 6.0

matrix = Tensor(np.zeros((4, 3), np.float32), requires_grad=True)
row = Tensor(np.zeros(3, np.float32), requires_grad=True)
weights = Tensor(np.arange(12, dtype=np.float32).reshape(4, 3))
((matrix + row) * weights).sum().backward()
assert np.array_equal(matrix.grad.numpy(), weights.numpy())
assert np.array_equal(row.grad.numpy(), weights.numpy().sum(0))

# %% [markdown]
# ## Learning something
#
# Points on a line $y = 2x - 1$, with noise. We pretend not to know the line, start from 0 and follow the gradient downhill.

# %%
mc.manual_seed(0)
x = mc.rand(50) * 4 - 2
y = x * 2 - 1 + mc.randn(50) * 0.1
slope, offset = Tensor([0.0], requires_grad=True), Tensor([0.0], requires_grad=True)

for step in range(60):
    loss = ((slope * x + offset - y) ** 2).mean()
    slope.grad = offset.grad = None
    loss.backward()
    with mc.no_grad():                                 # the step itself is no part of the function
        slope.write(slope - 0.1 * slope.grad)
        offset.write(offset - 0.1 * offset.grad)
    if step % 15 == 0:
        print(f"step {step:2d}   loss {loss.item():.4f}   y = {slope.item():+.2f}·x {offset.item():+.2f}")

assert abs(slope.item() - 2) < 0.1 and abs(offset.item() + 1) < 0.1

# %% [markdown]
# ## An operation of our own, and how its mistake is found
#
# The engine has no `cube`. An Op is a class with a `forward` that keeps what `backward` will need. This one has a slip: the derivative
# of $x^3$ is $3x^2$, not $2x^2$. `gradcheck` compares it with the definition, in double precision, for a random gradient from above.

# %%
class Cube(mc.Op):
    def forward(self, x):
        self.x = x
        return x ** 3

    def backward(self, grad, needs):
        return (grad * 2 * self.x ** 2,)


report = mc.gradcheck(Cube.apply, mc.randn(2, 3))
print(report)
assert not report

# %%
class RightCube(Cube):
    def backward(self, grad, needs):
        return (grad * 3 * self.x ** 2,)


report = mc.gradcheck(RightCube.apply, mc.randn(2, 3))
print(report)
assert report

# %% [markdown]
# ## The derivative of a derivative
#
# With `create_graph=True` the gradient is itself a Tensor with a graph, and can be differentiated again:
# $x^4 \to 4x^3 \to 12x^2$, at $x = 2$: $16 \to 32 \to 48$.

# %%
x = Tensor([2.0], requires_grad=True)
value = x ** 4
(first,) = mc.grad(value, x, create_graph=True)
(second,) = mc.grad(first, x)
print(value.item(), first.item(), second.item())
assert (value.item(), first.item(), second.item()) == (16.0, 32.0, 48.0)

# %% [markdown]
# That is all there is to it: the whole of `minicnn/tensor.py` can be read in one sitting. What a convolution adds is one more Op;
# next, [LeNet-5](02_lenet5.py) is built from them.
