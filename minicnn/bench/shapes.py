"""The layers that `minicnn bench OPERATION` measures: their shapes in well-known networks, at the batch sizes of the training benchmark.

A subject is a call of one function on arrays of given shapes; adding one is a line. None stands for an absent array, a number of classes
for labels below it.
"""
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .. import functional as F
from ..tensor import Tensor

Shape = tuple[int, ...] | None


@dataclass(frozen=True)
class Subject:
    """call(*tensors) of these shapes; the first is the input, the others are weights.  classes: the last is labels instead."""
    op: str
    name: str
    shapes: tuple[Shape, ...]
    call: Callable[..., Tensor]
    classes: int = 0


SUBJECTS: list[Subject] = []
WEIGHTED = {"conv2d", "conv_transpose2d", "linear"}          # made of multiply-adds; their input and weight gradients are measured apart


def subject(op: str, name: str, *shapes: Shape, call: Callable[..., Tensor], classes: int = 0) -> None:
    SUBJECTS.append(Subject(op, name, shapes, call, classes))


#   name                           N    C    H    K     R  s  p  groups
CONVOLUTIONS = (
    ("LeNet conv1",                64,  1,   32,  6,    5, 1, 0, 1),
    ("LeNet conv2",                64,  6,   14,  16,   5, 1, 0, 1),
    ("AlexNet conv1 k11 s4",       8,   3,   227, 96,  11, 4, 0, 1),
    ("AlexNet conv2 k5",           8,   96,  27,  256,  5, 1, 2, 2),
    ("AlexNet conv3",              8,   256, 13,  384,  3, 1, 1, 1),
    ("VGG 3→64@224",               2,   3,   224, 64,   3, 1, 1, 1),
    ("VGG 64@224",                 2,   64,  224, 64,   3, 1, 1, 1),
    ("VGG 128@112",                2,   128, 112, 128,  3, 1, 1, 1),
    ("VGG 256@56",                 2,   256, 56,  256,  3, 1, 1, 1),
    ("VGG 512@28",                 2,   512, 28,  512,  3, 1, 1, 1),
    ("VGG 512@14",                 2,   512, 14,  512,  3, 1, 1, 1),
    ("ResNet stem 7×7 s2 @224",    4,   3,   224, 64,   7, 2, 3, 1),
    ("ResNet 64@56",               4,   64,  56,  64,   3, 1, 1, 1),
    ("ResNet 3×3 s2 128→256@56",   4,   128, 56,  256,  3, 2, 1, 1),
    ("ResNet 512@7",               4,   512, 7,   512,  3, 1, 1, 1),
    ("ResNet 1×1 256→64@56",       4,   256, 56,  64,   1, 1, 0, 1),
    ("ResNet 1×1 1024→256@14",     4,   1024, 14, 256,  1, 1, 0, 1),
    ("ResNet 1×1 s2 256→512@56",   4,   256, 56,  512,  1, 2, 0, 1),
    ("ResNeXt 32 groups of 4 @56", 4,   128, 56,  128,  3, 1, 1, 32),
    ("CIFAR 16@32",                128, 16,  32,  16,   3, 1, 1, 1),
    ("CIFAR 32@16",                128, 32,  16,  32,   3, 1, 1, 1),
    ("CIFAR 64@8",                 128, 64,  8,   64,   3, 1, 1, 1),
    ("DenseNet 128→32@28",         2,   128, 28,  32,   3, 1, 1, 1),
    ("GoogLeNet 5×5 16→32@28",     4,   16,  28,  32,   5, 1, 2, 1),
    ("MobileNet 1×1 32→64@112",    4,   32,  112, 64,   1, 1, 0, 1),
    ("depthwise C32@112",          4,   32,  112, 32,   3, 1, 1, 32),
    ("depthwise s2 C64@112",       4,   64,  112, 64,   3, 2, 1, 64),
    ("depthwise C512@14",          4,   512, 14,  512,  3, 1, 1, 512),
    ("depthwise 5×5 C240@28",      4,   240, 28,  240,  5, 1, 2, 240),
)


def _convolution(stride: int, padding: int, groups: int) -> Callable[..., Tensor]:
    return lambda x, weight: F.conv2d(x, weight, None, stride, padding, 1, groups)


for name, N, C, H, K, R, stride, padding, groups in CONVOLUTIONS:
    subject("conv2d", name, (N, C, H, H), (K, C // groups, R, R), call=_convolution(stride, padding, groups))
for name, N, C, K in (("LeNet f6", 64, 120, 84), ("ResNet head", 4, 512, 1000), ("AlexNet fc6", 8, 9216, 4096), ("VGG fc6", 2, 25088, 4096),
                      ("one image, VGG fc6", 1, 25088, 4096), ("ViT, 2 images of 197 words", 394, 768, 3072)):
    subject("linear", name, (N, C), (K, C), (K,), call=F.linear)
subject("conv_transpose2d", "FCN ×2, 64@28", (2, 64, 28, 28), (64, 64, 4, 4), call=lambda x, w: F.conv_transpose2d(x, w, None, 2, 1))

subject("max_pool2d", "AlexNet 3×3 s2 @55", (8, 96, 55, 55), call=lambda x: F.max_pool2d(x, 3, 2))
subject("max_pool2d", "VGG 2×2 @224", (2, 64, 224, 224), call=lambda x: F.max_pool2d(x, 2))
subject("max_pool2d", "ResNet 3×3 s2 p1 @112", (4, 64, 112, 112), call=lambda x: F.max_pool2d(x, 3, 2, 1))
subject("max_pool2d", "Inception 3×3 s1 p1 @28", (4, 192, 28, 28), call=lambda x: F.max_pool2d(x, 3, 1, 1))
subject("avg_pool2d", "LeNet 2×2 @28", (64, 6, 28, 28), call=lambda x: F.avg_pool2d(x, 2))
subject("avg_pool2d", "DenseNet 2×2 @56", (2, 128, 56, 56), call=lambda x: F.avg_pool2d(x, 2))
subject("adaptive_avg_pool2d", "ResNet-50 7×7 → 1", (4, 2048, 7, 7), call=lambda x: F.adaptive_avg_pool2d(x, 1))

for name, N, C, H in (("ResNet 64@112", 4, 64, 112), ("ResNet-50 256@56", 2, 256, 56), ("ResNet-50 2048@7", 2, 2048, 7),
                      ("CIFAR 16@32", 128, 16, 32), ("MobileNet 512@14", 4, 512, 14)):
    subject("batch_norm", name, (N, C, H, H), (C,), (C,), call=lambda x, weight, bias: F.batch_norm(x, None, None, weight, bias, True))
    subject("relu", name, (N, C, H, H), call=F.relu)
subject("add", "ResNet-50 256@56", (2, 256, 56, 56), (2, 256, 56, 56), call=lambda x, y: x + y)
subject("local_response_norm", "AlexNet 96@55", (8, 96, 55, 55), call=lambda x: F.local_response_norm(x, 5, 5e-4, 0.75, 2.0))
subject("local_response_norm", "GoogLeNet 192@56", (4, 192, 56, 56), call=lambda x: F.local_response_norm(x, 5, 1e-4, 0.75, 1.0))
subject("layer_norm", "ViT, 2 images of 197 words", (2, 197, 768), (768,), (768,), call=lambda x, w, b: F.layer_norm(x, 768, w, b))
for name, size in (("AlexNet fc6", (8, 4096)), ("VGG 64@112", (2, 64, 112, 112))):
    subject("dropout", name, size, call=lambda x: F.dropout(x, 0.5))
for name, call in (("relu6", F.relu6), ("tanh", F.tanh), ("sigmoid", F.sigmoid), ("silu", F.silu), ("hardswish", F.hardswish),
                   ("gelu", F.gelu)):
    subject(name, "MobileNet 96@56", (4, 96, 56, 56), call=call)
subject("softmax", "ViT, attention", (2, 12, 197, 197), call=lambda x: F.softmax(x, -1))
subject("cross_entropy", "MNIST, 64 of 10", (64, 10), (64,), call=F.cross_entropy, classes=10)
subject("cross_entropy", "ImageNet, 8 of 1000", (8, 1000), (8,), call=F.cross_entropy, classes=1000)
subject("cat", "DenseNet 256 + 32 @28", (2, 256, 28, 28), (2, 32, 28, 28), call=lambda *tensors: F.cat(tensors, 1))
subject("cat", "GoogLeNet 64 + 128 + 32 + 32 @28", (4, 64, 28, 28), (4, 128, 28, 28), (4, 32, 28, 28), (4, 32, 28, 28),
        call=lambda *tensors: F.cat(tensors, 1))

OPTIMIZER = "optimizer"                  # not a function of tensors: a step of SGD with momentum over all parameters of a network
FUSED = ", torch fused"                  # beside PyTorch's optimiser for many tensors, not the loop over them that it comes with
NETWORKS = tuple(f"{network}{form}" for network in ("lenet5", "resnet20", "resnet18", "alexnet") for form in ("", FUSED))


def operations() -> list[str]:
    """The names that have subjects."""
    return [*dict.fromkeys(subject.op for subject in SUBJECTS), OPTIMIZER]


def of(op: str) -> list[str]:
    """The names of an operation's subjects."""
    return list(NETWORKS) if op == OPTIMIZER else [subject.name for subject in SUBJECTS if subject.op == op]


def find(op: str, name: str) -> Any:
    return next(subject for subject in SUBJECTS if (subject.op, subject.name) == (op, name))
