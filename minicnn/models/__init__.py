"""Architectures by name.  One file a paper; a new file is found without an entry anywhere.

    models.names()                                      what there is
    models.info("lenet5")                               parameters, multiply-adds, input, paper and recipe
    models.create("lenet5", num_classes=10)             the network, with random weights
"""
from .recipe import Recipe
from .registry import ModelInfo, create, info, model, names

__all__ = ["ModelInfo", "Recipe", "create", "info", "model", "names"]
