# %% [markdown]
# # 2 · LeNet-5: from the paper's table to digits read
#
# In 1998 LeCun, Bottou, Bengio and Haffner described a network that read the amounts on millions of cheques. It was not the first of its
# kind (a smaller one read postal codes in 1989), but its plan is still the plan: convolutions that look for patterns everywhere with the
# same weights, pooling that makes the picture coarser, and a few ordinary layers that decide.
#
# We build it layer by layer in its textbook form, check every number of its table, train it, and look at what it has learnt.

# %%
import numpy as np
from matplotlib import pyplot as plt

import minicnn as mc
import minicnn.functional as F
from minicnn import data, models, nn, optim

mc.manual_seed(0)

# %% [markdown]
# ## The table
#
# | layer | what | output | parameters |
# | --- | --- | --- | --- |
# | C1 | convolution, 6 maps, 5×5 | 6×28×28 | 6·(5·5·1) + 6 = 156 |
# | S2 | average of 2×2 | 6×14×14 | 0 |
# | C3 | convolution, 16 maps, 5×5 | 16×10×10 | 16·(5·5·6) + 16 = 2,416 |
# | S4 | average of 2×2 | 16×5×5 | 0 |
# | C5 | linear, 120 | 120 | 400·120 + 120 = 48,120 |
# | F6 | linear, 84 | 84 | 120·84 + 84 = 10,164 |
# | output | linear, 10 | 10 | 84·10 + 10 = 850 |
#
# A 5×5 window fits 28 times across 32 pixels: $(32 - 5)/1 + 1 = 28$. The digits are 28×28 and get a frame of two pixels, so that a stroke
# at the edge of the digit can come to the middle of a window.
#
# What the paper has and this form simplifies: in C3 each map sees only some of the six maps below, S2 and S4 have a trainable factor and
# offset, and the output measures distances to drawn digits. `models.create("lenet5_1998")` is that network, with the paper's 60,000.

# %% [markdown]
# ## One layer at a time
#
# A convolution slides its window over the picture; at each place it multiplies what it sees by its weights and adds up:
# $y_{k,p,q} = b_k + \sum_{c,r,s} x_{c,\,p+r,\,q+s}\; w_{k,c,r,s}$. We look at the first number of the first map and compute it ourselves.

# %%
x = mc.randn(1, 1, 32, 32)
c1 = nn.Conv2d(1, 6, kernel_size=5)
y = c1(x)
assert y.shape == (1, 6, 28, 28)

window, weights = x.numpy()[0, 0, 0:5, 0:5], c1.weight.numpy()[0, 0]
by_hand = (window * weights).sum() + c1.bias.numpy()[0]
print(f"by hand {by_hand:.5f}, by the engine {y[0, 0, 0, 0].item():.5f}")
assert abs(by_hand - y[0, 0, 0, 0].item()) < 1e-5

# %% [markdown]
# The same weights at every place: if the picture moves by one pixel, so does the answer.

# %%
moved = np.roll(x.numpy(), 1, axis=3)
assert np.allclose(c1(mc.Tensor(moved)).numpy()[..., 1:], y.numpy()[..., :-1], atol=1e-5)

# %% [markdown]
# ## The network

# %%
lenet = nn.Sequential(
    nn.Conv2d(1, 6, 5),  nn.Tanh(), nn.AvgPool2d(2),         # C1, S2
    nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),         # C3, S4
    nn.Flatten(),
    nn.Linear(400, 120), nn.Tanh(),                          # C5
    nn.Linear(120, 84),  nn.Tanh(),                          # F6
    nn.Linear(84, 10),                                       # output
)

h = x
for layer in lenet:
    h = layer(h)
    print(f"{type(layer).__name__:10s} {str(h.shape[1:]):14s} {sum(p.numel() for p in layer.parameters()):6,} parameters")

table = {0: (6, 28, 28), 2: (6, 14, 14), 3: (16, 10, 10), 5: (16, 5, 5), 6: (400,), 7: (120,), 9: (84,), 11: (10,)}
h = x
for i, layer in enumerate(lenet):
    h = layer(h)
    assert i not in table or h.shape[1:] == table[i]
assert sum(p.numel() for p in lenet.parameters()) == 156 + 2_416 + 48_120 + 10_164 + 850 == 61_706

# %% [markdown]
# It stands ready-made too, and `mc.summary` writes the table, with the multiplications that each layer costs. Where the parameters are
# and where the work is, are two different places: C5 has four fifths of the parameters, C1 and C3 have most of the work.

# %%
lenet = models.create("lenet5")
summary = mc.summary(lenet, (1, 32, 32))
print(summary)
assert (summary.params, summary.macs) == (61_706, 416_520)

parameters = {row.name: row.params for row in summary.rows}
macs = {row.name: row.macs for row in summary.rows}
assert parameters["head.c5"] / summary.params > 0.75
assert (macs["stem.c1"] + macs["body.c3"]) / summary.macs > 0.8

# %% [markdown]
# ## The digits
#
# 5,000 handwritten digits come with the package: 4,000 to learn from and 1,000 for the test. We keep 400 of the 4,000 aside, to see how
# well the network does on digits that it did not learn from; the test digits stay untouched in this tutorial.

# %%
digits, _ = data.load("mnist5k")
training, held_out = data.split(digits, 400)
print(f"{len(training):,} to learn from, {len(held_out)} held out")

figure, axes = plt.subplots(2, 10, figsize=(10, 2.4))
for axis, i in zip(axes.flat, range(20)):
    axis.imshow(training.images[i, 0], cmap="gray_r")
    axis.set_title(int(training.labels[i]))
    axis.axis("off")

# %% [markdown]
# ## Learning
#
# A batch of digits goes forward, the cross entropy says how wrong the answer was ($-\log$ of the probability that the true digit got),
# `backward` finds for each of the 61,706 numbers which way is better, and the optimiser takes a small step that way. An untrained network
# guesses: its loss is near $\log 10 \approx 2.30$.

# %%
recipe = models.info("lenet5").recipe
prepare = data.Compose([data.Pad(32), data.Normalise(recipe.mean, recipe.std)])
loader = data.Loader(training, batch_size=32, shuffle=True, transform=prepare)


def accuracy(network, dataset):
    """The share of images whose largest output is the right digit."""
    network.eval()
    right = 0
    with mc.no_grad():
        for images, labels in data.Loader(dataset, 200, transform=prepare):
            right += int((network(images).argmax(1) == labels).numpy().sum())
    network.train()
    return right / len(dataset)


images, labels = next(iter(loader))
first_loss = F.cross_entropy(lenet(images), labels).item()
print(f"before: loss {first_loss:.2f}, accuracy {accuracy(lenet, held_out):.1%}")
assert abs(first_loss - np.log(10)) < 0.2

optimizer = optim.Adam(lenet.parameters(), lr=2e-3)
for epoch in range(4):
    losses = []
    for images, labels in loader:
        loss = F.cross_entropy(lenet(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}, accuracy on the held-out digits {accuracy(lenet, held_out):.1%}")

assert accuracy(lenet, held_out) > 0.92

# %% [markdown]
# Four passes, a few seconds. `minicnn train lenet5` goes further with the same network: more passes, a learning rate that rises and
# falls, and digits that are shifted, turned and slanted a little each time they are shown.
#
# ## Reading a digit

# %%
lenet.eval()
with mc.no_grad():
    images, labels = next(iter(data.Loader(held_out, 8, transform=prepare)))
    probabilities = F.softmax(lenet(images), dim=1).numpy()
for p, label in zip(probabilities, labels.numpy()):
    print(f"a {label}: read as {p.argmax()} with {p.max():.1%}")

# %% [markdown]
# ## What it looks for
#
# The six filters of C1 are small pictures themselves, and each makes a map that is strong where the digit looks like the filter: edges
# and strokes in some direction. (These are the weights of the network trained above.)

# %%
with mc.no_grad():
    maps = lenet.stem.c1(images[:1]).numpy()[0]
filters = lenet.stem.c1.weight.numpy()[:, 0]

figure, axes = plt.subplots(2, 6, figsize=(10, 3.6))
for k in range(6):
    axes[0, k].imshow(filters[k], cmap="RdBu", vmin=-np.abs(filters).max(), vmax=np.abs(filters).max())
    axes[1, k].imshow(maps[k], cmap="RdBu", vmin=-np.abs(maps).max(), vmax=np.abs(maps).max())
    axes[0, k].set_title(f"filter {k}")
for axis in axes.flat:
    axis.axis("off")

assert filters.shape == (6, 5, 5) and maps.shape == (6, 28, 28)

# %% [markdown]
# ## And is the gradient right?
#
# Everything above rests on `backward`. The last cell checks it for the whole network against the definition of a derivative.

# %%
report = mc.gradcheck(models.create("lenet5"), mc.randn(2, 1, 32, 32), coordinates=8)
print(report)
assert report
