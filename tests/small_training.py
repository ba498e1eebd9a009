"""A small network with one of everything that could break the rules of bits and memory, trained on noise with a pattern in it.

As a script it prints every loss, to the last bit, and a hash of the weights it ends with:

    python -m tests.small_training --backend numba --threads 2 --steps 20 [--without numba]
"""
import argparse
import hashlib
import sys
from importlib.machinery import PathFinder

import numpy as np

CLASSES, BATCH, SIZE = 5, 33, 14                   # a batch that no fixed block divides


def network():
    """Convolution, batch norm, dropout, both pools, a branch whose gradients meet, two linear layers."""
    from minicnn import nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Dropout(0.25), nn.Linear(8 * 2 * 2, 24), nn.SiLU(), nn.Linear(24, CLASSES))


def batches(steps: int):
    """(images, labels): noise, with a bright square whose place tells the class."""
    rng = np.random.default_rng(3)
    for _ in range(steps):
        labels = rng.integers(0, CLASSES, BATCH)
        images = rng.standard_normal((BATCH, 1, SIZE, SIZE)).astype(np.float32)
        for image, label in zip(images, labels):
            image[0, 2 * label:2 * label + 4, 3:9] += 2
        yield images, labels


class Training:
    """One network, its optimiser, and step(images, labels) -> loss."""

    def __init__(self, optimizer: str = "sgd", seed: int = 0):
        import minicnn as mc
        from minicnn import optim
        mc.manual_seed(seed)
        self.network = network()
        parameters = list(self.network.parameters())
        self.optimizer = (optim.SGD(parameters, lr=0.2, momentum=0.9, weight_decay=1e-4) if optimizer == "sgd"
                          else optim.Adam(parameters, lr=0.003))

    def step(self, images, labels) -> float:
        import minicnn as mc
        import minicnn.functional as F
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.network(mc.Tensor(images)), mc.Tensor(labels))
        loss.backward()
        self.optimizer.step()
        return loss.item()


def hide(package: str) -> None:
    """From here on the package is not installed, as far as this process can see."""
    class Finder(PathFinder):
        @classmethod
        def find_spec(cls, fullname, path=None, target=None):
            return None if fullname.partition(".")[0] == package else super().find_spec(fullname, path, target)

    sys.meta_path[:] = [Finder if finder is PathFinder else finder for finder in sys.meta_path]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--backend", default="numba")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--optimizer", default="sgd")
    parser.add_argument("--without")
    arguments = parser.parse_args()
    if arguments.without:
        hide(arguments.without)
    import minicnn as mc
    mc.use_backend(arguments.backend)
    mc.set_num_threads(arguments.threads)
    training = Training(arguments.optimizer)
    for images, labels in batches(arguments.steps):
        print(training.step(images, labels).hex())
    digest = hashlib.sha256()
    for name, array in sorted(training.network.state_dict().items()):
        digest.update(name.encode() + np.asarray(getattr(array, "data", array)).tobytes())
    print(digest.hexdigest())
    if arguments.without:
        assert arguments.without not in sys.modules


if __name__ == "__main__":
    main()
