"""VGG: nothing but 3×3 convolutions, and deeper is better.

        A, A-LRN      B             C                    D                    E
block1  3×3, 64       3×3, 64 ×2    3×3, 64 ×2           3×3, 64 ×2           3×3, 64 ×2       224 → pool → 112
block2  3×3, 128      3×3, 128 ×2   3×3, 128 ×2          3×3, 128 ×2          3×3, 128 ×2      112 → pool → 56
block3  3×3, 256 ×2   3×3, 256 ×2   3×3, 256 ×2, 1×1     3×3, 256 ×3          3×3, 256 ×4      56 → pool → 28
block4  3×3, 512 ×2   3×3, 512 ×2   3×3, 512 ×2, 1×1     3×3, 512 ×3          3×3, 512 ×4      28 → pool → 14
block5  3×3, 512 ×2   3×3, 512 ×2   3×3, 512 ×2, 1×1     3×3, 512 ×3          3×3, 512 ×4      14 → pool → 7
        fc 4096, fc 4096, fc classes
        vgg11         vgg13         vgg16c               vgg16                vgg19

Two 3×3 layers see 5×5 and three see 7×7, with fewer weights and more nonlinearities (section 2.3). ReLU after every layer but the last;
A-LRN has AlexNet's response normalisation after its first layer.

Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2014, arXiv:1409.1556, table 1 and section 3.1.

Deviations: "variance 10⁻²" of the first weights is read as standard deviation 10⁻²: with 10⁻¹ the scores of a new net A are near 10⁸.
The nets with batch norm are torchvision's (vgg16c_bn: the same for C); their convolutions keep their biases. Errors of the paper are
those of dense evaluation, which slides the network over the whole image; we evaluate crops.
"""
from collections.abc import Iterable
from functools import partial

from .. import nn
from .alexnet import classifier
from .blocks import gaussian, is_whole, kaiming, response_norm, start, whole
from .network import Network
from .recipe import CUT_224_OF_256, IMAGENET, IMAGENET_MEAN_ONLY, Recipe
from .registry import Published, model

# a block: (3×3 convolutions, maps), or (convolutions, maps, kernel of the last of them)
A = ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512))
B = ((2, 64), (2, 128), (2, 256), (2, 512), (2, 512))
C = ((2, 64), (2, 128), (3, 256, 1), (3, 512, 1), (3, 512, 1))
D = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
E = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))

#               blocks  norm        init       parameters    multiply-adds    top-1 and top-5 errors
TABLE = {
    "vgg11":      (A,   None,       "normal",  132_863_336,   7_609_090_048,  ((29.6, 10.4),)),
    "vgg11-LRN":  (A,   "response", "normal",  132_863_336,   7_609_090_048,  ((29.7, 10.5),)),
    "vgg13":      (B,   None,       "glorot",  133_047_848,  11_308_466_176,  ((28.7, 9.9),)),
    "vgg16c":     (C,   None,       "glorot",  133_638_952,  11_770_888_192,  ((28.1, 9.4), (27.3, 8.8))),
    "vgg16":      (D,   None,       "glorot",  138_357_544,  15_470_264_320,  ((27.0, 8.8), (25.6, 8.1))),
    "vgg19":      (E,   None,       "glorot",  143_667_240,  19_632_062_464,  ((27.3, 9.0), (25.5, 8.0))),
    "vgg11_bn":   (A,   "batch",    "kaiming", 132_868_840,   7_609_090_048,  ((29.63, 10.19),)),
    "vgg13_bn":   (B,   "batch",    "kaiming", 133_053_736,  11_308_466_176,  ((28.414, 9.626),)),
    "vgg16c_bn":  (C,   "batch",    "kaiming", 133_647_400,  11_770_888_192,  ()),
    "vgg16_bn":   (D,   "batch",    "kaiming", 138_365_992,  15_470_264_320,  ((26.64, 8.484),)),
    "vgg19_bn":   (E,   "batch",    "kaiming", 143_678_248,  19_632_062_464,  ((25.782, 8.158),)),
}
PROTOCOLS = ("dense, trained and tested at scale 256", "dense, trained at scales 256 to 512, tested at 384")
RECIPE = Recipe(lr=0.01, momentum=0.9, weight_decay=5e-4, batch_size=256, epochs=74, schedule="step", schedule_options={"step_size": 19},
                augment={"crop": CUT_224_OF_256, "flip": True, "lighting": 0.1}, image_size=224, **IMAGENET_MEAN_ONLY,
                source="section 3.1 at one scale, 256, recalled. There the rate fell three times, when the validation accuracy stood "
                       "still; crops were of fixed size; only the mean colour was subtracted")
RECIPE_BATCH_NORM = Recipe(lr=0.01, momentum=0.9, weight_decay=1e-4, batch_size=256, epochs=90, schedule="step",
                           schedule_options={"step_size": 30}, augment={"crop": 0.08, "flip": True}, image_size=224, **IMAGENET,
                           source="torchvision's references/classification, recalled")
INITS = {
    #           convolutions                      linear layers
    "normal":  (gaussian(0.01),                   gaussian(0.01)),
    "glorot":  (nn.init.xavier_uniform_,          nn.init.xavier_uniform_),
    "kaiming": (kaiming,                          gaussian(0.01)),
}


def block(c_in: int, count: int, c_out: int, last_kernel: int = 3, norm: str | None = None, first: bool = False) -> nn.Sequential:
    """count convolutions with ReLU, then 2×2 max pooling.  (N, c_in, H, W) → (N, c_out, H/2, W/2)

    norm: "batch" before each ReLU, or "response" after the first ReLU of the network.
    """
    layers: dict[str, nn.Module] = {}
    for i in range(1, count + 1):
        kernel_size = last_kernel if i == count else 3
        layers[f"conv{i}"] = nn.Conv2d(c_in if i == 1 else c_out, c_out, kernel_size, padding=kernel_size // 2)
        if norm == "batch":
            layers[f"norm{i}"] = nn.BatchNorm2d(c_out)
        layers[f"relu{i}"] = nn.ReLU()
        if norm == "response" and first and i == 1:
            layers["norm"] = response_norm()
    return nn.Sequential({**layers, "pool": nn.MaxPool2d(2)})


def vgg(arch: tuple[tuple[int, ...], ...] = A, num_classes: int = 1000, in_channels: int = 3, norm: str | None = None,
        init: str | None = None, hidden: int = 4096, dropout: float = 0.5) -> Network:
    """VGG stacks 3×3 convolutions in blocks that each end in a pool.

    arch: (convolutions, maps) of each block, or (convolutions, maps, kernel of the last convolution).  norm: None, "batch", "response".
    init: "normal"   N(0, 0.01²), as the paper starts net A, for pixels of 0 … 255 less their mean; deeper ones hardly learn from it: grow
          "glorot"   Xavier's uniform weights, which the paper found to do for deeper ones; the default
          "kaiming"  N(0, 2 / fan_out), linear layers N(0, 0.01²), as torchvision; the default with batch norm
    All biases start from 0.  hidden: units of the two hidden linear layers, which see maps of 7×7, averaged to that if need be.
    """
    arch = tuple(arch) if isinstance(arch, Iterable) else (arch,)
    for row in arch:
        if not isinstance(row, tuple) or len(row) not in (2, 3) or not all(is_whole(n) for n in row):
            raise ValueError(f"vgg: each block of arch should be (convolutions, maps) or (convolutions, maps, kernel of the last), numbers "
                             f"above 0; got {row!r}")
    if not arch or norm not in (None, "batch", "response"):
        problem = f"norm should be None, 'batch' or 'response', got {norm!r}" if arch else "arch should have at least one block, got none"
        raise ValueError(f"vgg: {problem}")
    whole("vgg", "hidden", hidden)
    init = init or ("kaiming" if norm == "batch" else "glorot")
    if init not in INITS:
        raise ValueError(f"vgg: init should be one of {', '.join(INITS)}, got {init!r}")
    c, blocks = in_channels, {}
    for i, row in enumerate(arch, 1):
        blocks[f"block{i}"] = block(c, *row, norm=norm, first=i == 1)
        c = row[1]
    stem = blocks.pop("block1")
    network = Network(stem, blocks, classifier(c, 7, hidden, num_classes, dropout), (in_channels, 224, 224))
    start(network, *INITS[init], bias=0.0)
    return network


def grow(deeper: Network, shallower: Network, convolutions: int = 4) -> Network:
    """Start a deeper VGG from a trained shallower one: section 3.1.  Changes and returns the deeper.

        deeper = grow(models.create("vgg16", init="normal"), trained_vgg11)        # from minicnn.models.vgg import grow

    The shallower's first four convolutions and its linear layers are copied (with their batch norms, where there are any); what lies
    between keeps its random values. A layer is copied to the one of the same name, such as the second of block3: the only places
    where vgg11's first four have the right shape. ValueError, with the deeper unchanged, if a layer has no such place.
    """
    for network in (deeper, shallower):
        if not isinstance(network, Network):
            raise TypeError(f"grow: expected two networks, a new vgg16 and a trained vgg11, got a {type(network).__name__}")
    whole("grow", "convolutions", convolutions)
    normed = [any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules()) for network in (deeper, shallower)]
    if normed[0] != normed[1]:
        raise ValueError(f"grow: {deeper.name} has {'' if normed[0] else 'no '}batch norms and {shallower.name} has "
                         f"{'some' if normed[1] else 'none'}; build both with the same norm")
    names = [name for name, layer in shallower.named_modules() if isinstance(layer, nn.Conv2d)][:convolutions]
    names += [name.replace(".conv", ".norm") for name in names]
    names += [f"head.{name}" for name, layer in shallower.head.named_children() if isinstance(layer, nn.Linear)]
    own, trained = ({**dict(network.named_parameters()), **dict(network.named_buffers())} for network in (deeper, shallower))
    copied = {key: value for key, value in trained.items() if key.rpartition(".")[0] in names}
    wrong = [f"{key} of shape {value.shape} ({'has ' + str(own[key].shape) if key in own else 'has none'})"
             for key, value in copied.items() if key not in own or own[key].shape != value.shape]
    if wrong:
        raise ValueError(f"grow: {shallower.name} does not fit into {deeper.name}: {'; '.join(wrong)}; build both with the same norm, "
                         f"maps, num_classes and in_channels, the deeper one with at least as many layers in each of the first blocks")
    deeper.load_state_dict({key: value.detach() for key, value in copied.items()}, strict=False)
    return deeper


def torchvision_names(arch: tuple, batch_norm: bool) -> tuple[tuple[str, str], ...]:
    """Rules for torchvision's numbers, which count the layers through: convolution, (batch norm,) ReLU, … pool."""
    rules, number = [], 0
    for i, (count, *_) in enumerate(arch, 1):
        place = "stem" if i == 1 else f"body.block{i}"
        for j in range(1, count + 1):
            rules.append((rf"^features\.{number}\.", f"{place}.conv{j}."))
            if batch_norm:
                rules.append((rf"^features\.{number + 1}\.", f"{place}.norm{j}."))
            number += 3 if batch_norm else 2
        number += 1
    return (*rules, (r"^classifier\.0\.", "head.fc6."), (r"^classifier\.3\.", "head.fc7."), (r"^classifier\.6\.", "head.fc8."))


for name, (arch, norm, init, params, macs, errors) in TABLE.items():
    batch_norm = norm == "batch"
    stages = {f"block{i}": (c, 224 // 2 ** i, 224 // 2 ** i) for i, (_, c, *_) in enumerate(arch, 1)}
    protocols = ("1 crop 224, torchvision's weights",) if batch_norm else PROTOCOLS
    model(name, params=params, macs=macs, year=2014, stages={"stem": stages.pop("block1"), **stages},
          paper="Simonyan, Zisserman, \"Very Deep Convolutional Networks for Large-Scale Image Recognition\", 2014, arXiv:1409.1556",
          recipe=RECIPE_BATCH_NORM if batch_norm else RECIPE,
          published=tuple(Published(*e, protocol=protocol, verified=batch_norm) for e, protocol in zip(errors, protocols)),
          keys={f"torchvision.{name}": torchvision_names(arch, batch_norm)} if name[:6] != "vgg16c" and norm != "response" else {},
          )(partial(vgg, arch=arch, norm=norm, init=init))
