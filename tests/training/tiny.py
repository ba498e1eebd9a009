"""A data set and a network on which a training takes a fraction of a second."""
import numpy as np

from minicnn import data, manual_seed, nn, optim
from minicnn.training import Trainer


def tiny_arrays(train=60, test=20, size=28, classes=3, seed=0):
    """Bright bars at a height that tells the class, in noise."""
    rng = np.random.default_rng(seed)

    def part(n):
        labels = np.arange(n) % classes
        images = rng.integers(0, 120, (n, size, size)).astype(np.uint8)
        for image, label in zip(images, labels):
            image[label * size // classes:(label + 1) * size // classes, 1:-1] = 255
        return images, labels
    (a, b), (c, d) = part(train), part(test)
    return {"train_images": a, "train_labels": b, "test_images": c, "test_labels": d}


def tiny_archive(folder, **options):
    path = folder / "tiny.npz"
    np.savez_compressed(path, **tiny_arrays(**options))
    return path


def tiny_trainer(run=None, progress=None, epochs=3, seed=0, average=0.9, lr=0.02, device="cpu"):
    """Dropout, batch norm, momentum, a schedule and an average of the weights: all that has a state."""
    arrays = tiny_arrays(size=8)
    whole = data.Dataset(arrays["train_images"][:, None], arrays["train_labels"], ("a", "b", "c"))
    train, validation = data.split(whole, 12)
    manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(4 * 6 * 6, 3))
    optimizer = optim.SGD(model.to(device).parameters(), lr=lr, momentum=0.9)
    loader = data.Loader(train, 8, shuffle=True, seed=seed, transform=data.Compose([data.Distort(1, 10, 0.1, 0.1), data.Normalise()]),
                         device=device)
    schedule = optim.CosineAnnealingLR(optimizer, epochs * len(loader))
    return Trainer(model, optimizer, loader, data.Loader(validation, 50, device=device), epochs=epochs, schedule=schedule,
                   average=average, run=run, progress=progress, device=device)
