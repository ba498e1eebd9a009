"""Data: sets of labelled images, their transforms, and the loader that makes batches of them.

    train, test = data.load("mnist5k")                  or data.load("my_images.npz")
    train, validation = data.split(train, 400)
    loader = data.Loader(train, 64, shuffle=True, transform=data.Distort(shift=2, rotate=10))
"""
from .dataset import Dataset, split
from .loader import Loader
from .photographs import Colour, Crop, Fit, Lighting, Resize
from .sets import data_set, load, names
from .sets.mnist5k import mnist5k
from .transforms import Compose, Distort, Draws, Flip, Normalise, Pad

__all__ = ["Colour", "Compose", "Crop", "Dataset", "Distort", "Draws", "Fit", "Flip", "Lighting", "Loader", "Normalise", "Pad", "Resize",
           "data_set", "load", "mnist5k", "names", "split"]
