"""Data: sets of labelled images, their transforms, and the loader that makes batches of them.

    train, test = data.load("mnist5k")                  or data.load("my_images.npz")
    train, validation = data.split(train, 400)
    loader = data.Loader(train, 64, shuffle=True, transform=data.Distort(shift=2, rotate=10))
"""
from .dataset import Dataset, split
from .loader import Loader
from .sets import data_set, load, names
from .sets.mnist5k import mnist5k
from .transforms import Compose, Distort, Draws, Flip, Normalise, Pad

__all__ = ["Compose", "Dataset", "Distort", "Draws", "Flip", "Loader", "Normalise", "Pad",
           "data_set", "load", "mnist5k", "names", "split"]
