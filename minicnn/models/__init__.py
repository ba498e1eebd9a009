"""Architectures by name.  One file a paper; a new file is found without an entry anywhere.

    models.names()                                      what there is
    models.info("resnet50")                             parameters, multiply-adds, input, paper, results and recipe
    models.create("resnet50", num_classes=10)           the network, with random weights
    models.create("resnet50", features=True)            without its head: the outputs of all its stages
    models.vgg(arch=((1, 64), (2, 128)))                a member of a family that no paper has: the family's general builder
"""
from .budget import fitting, largest
from .features import Features
from .keys import translate
from .network import Network
from .recipe import Recipe
from .registry import ModelInfo, Published, create, info, model, names, scan

__all__ = ["Features", "ModelInfo", "Network", "Published", "Recipe", "create", "fitting", "info", "largest", "model", "names", "translate"]


scan()
