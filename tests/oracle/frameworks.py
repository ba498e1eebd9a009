"""torchvision and timm, whose networks are the oracle of ours: the same weights must give the same answer.

They are wanted for their Python classes alone. Where PyTorch is the build for the CPU, the usual wheel of torchvision has operators of its
own (nms, roi_align …) in a library that does not load. Its import only wants to say what their outputs look like, so the definitions that
are missing are passed over.
"""
import importlib
import sys
from functools import partial
from types import ModuleType

import numpy as np
import torch


def framework(name: str) -> ModuleType:
    """torchvision or timm.  ImportError if it is not installed."""
    try:
        return importlib.import_module(name)
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    for module in [m for m in sys.modules if m.partition(".")[0] in ("torchvision", "timm")]:
        del sys.modules[module]
    register = torch.library.register_fake

    def tolerant(op, *args, **options):
        return (lambda function: function) if str(op).startswith("torchvision::") else register(op, *args, **options)
    torch.library.register_fake = tolerant                                           # type: ignore[assignment]
    try:
        importlib.import_module("torchvision")
        return importlib.import_module(name)
    finally:
        torch.library.register_fake = register                                       # type: ignore[assignment]


# What the defaults of their classes leave out: the networks are those that their released weights belong to.
OPTIONS: dict[str, dict] = {
    "torchvision.googlenet": {"init_weights": False, "transform_input": False},
    "torchvision.inception_v3": {"init_weights": False, "transform_input": False, "aux_logits": False},
    **{f"torchvision.efficientnet_b{i}": {"norm_layer": partial(torch.nn.BatchNorm2d, eps=1e-3, momentum=0.01)} for i in range(5)},
    **{f"timm.efficientnet_lite{i}": {"bn_eps": 1e-3, "bn_momentum": 0.01} for i in range(5)},
    "timm.mobilenetv1_100": {"act_layer": "relu"},                                     # the paper's ReLU in the place of ReLU6
}


def build(source: str) -> torch.nn.Module:
    """"torchvision.resnet50" -> that network with random weights and without dropout."""
    library, _, name = source.partition(".")
    options = OPTIONS.get(source, {"drop_rate": 0.0} if name.startswith("legacy_") else {})    # a function there, not a module
    torch.manual_seed(0)
    framework(library)
    if library == "torchvision":
        model = importlib.import_module("torchvision.models").get_model(name, weights=None, **options)
    else:
        model = framework(library).create_model(name, pretrained=False, **options)
    return randomise(model)


def randomise(model: torch.nn.Module) -> torch.nn.Module:
    """Every bias and every normalisation gets numbers of its own, so that two that were swapped would show; so does what starts at or near
    0 and would hide all that is behind it. Dropout is turned off."""
    for name, parameter in model.named_parameters():
        if name.endswith(("head.weight", "class_token", "cls_token", "layer_scale", "gamma")):
            torch.nn.init.normal_(parameter, std=0.1)
    for module in model.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)) and module.bias is not None:
            torch.nn.init.normal_(module.bias, std=0.1)
        if isinstance(module, (torch.nn.modules.batchnorm._BatchNorm, torch.nn.LayerNorm, torch.nn.GroupNorm)):
            if module.weight is not None:
                torch.nn.init.uniform_(module.weight, 0.5, 1.5)
                torch.nn.init.normal_(module.bias, std=0.1)
            if getattr(module, "running_mean", None) is not None:
                torch.nn.init.normal_(module.running_mean, std=0.1)                    # type: ignore[arg-type]
                torch.nn.init.uniform_(module.running_var, 0.5, 1.5)                   # type: ignore[arg-type]
        if isinstance(module, torch.nn.Dropout) or type(module).__name__ in ("StochasticDepth", "DropPath"):
            for attribute in ("p", "drop_prob"):
                if hasattr(module, attribute):
                    setattr(module, attribute, 0.0)
    return model


def arrays(model: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy().copy() for name, value in model.state_dict().items()}
