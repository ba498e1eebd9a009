"""Aggregated residual networks: a block adds many small transformations of one shape; their number counts for more than width or depth.

output     ResNeXt-50 (32×4d)                  ResNeXt-101
112×112    7×7, 64, stride 2
56×56      3×3 max pool, stride 2
56×56      [1×1, 128;  3×3, 128,  32 groups; 1×1, 256 ] × 3      × 3
28×28      [1×1, 256;  3×3, 256,  32 groups; 1×1, 512 ] × 4      × 4
14×14      [1×1, 512;  3×3, 512,  32 groups; 1×1, 1024] × 6      × 23
7×7        [1×1, 1024; 3×3, 1024, 32 groups; 1×1, 2048] × 3      × 3
1×1        average, linear to 1000 classes

C×d: C paths (the cardinality) with d channels each in the first stage, as one grouped convolution of C·d channels. Figure 3 shows
three forms of the block that compute the same; this is (c):

    F(x) = Σ_i expand_i(relu(conv_i(relu(reduce_i(x)))))   (a)   paths side by side, summed at the end
         = expand(concat_i relu(conv_i(relu(reduce_i(x)))))   (b)   the sum is a 1×1 convolution of what they give together
         = expand(relu(grouped(relu(reduce(x)))))   (c)   so are their beginnings; the middles are one grouped convolution

Xie, Girshick, Dollár, Tu, He, "Aggregated Residual Transformations for Deep Neural Networks", 2016, table 1 and section 3.

Deviations: none known; the stride stands in the 3×3, as in the authors' code. 32×8d with 101 layers is not in the paper: it is
torchvision's, after Mahajan et al., "Exploring the Limits of Weakly Supervised Pretraining", 2018.
"""
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from .. import nn
from .blocks import is_whole, kaiming
from .network import Network
from .registry import Published, model
from .resnet import RECIPE, TORCHVISION, bottleneck_layers, residual_network, shapes, torchvision_result
from .rounding import scaled_by


def resnext(num_classes: int = 1000, in_channels: int = 3, blocks: Sequence[int] = (3, 4, 6, 3), cardinality: int = 32,
            base_width: int = 4, width: float = 1.0, zero_gamma: bool = False) -> Network:
    """ResNeXt sums many paths of one shape, which together are a 3×3 in groups.

    blocks: of each stage.  cardinality: paths C.  base_width: channels d of a path in the first stage, twice as many in each stage after
    it.  width: factor of all channels; the paths stay as many.  zero_gamma: γ = 0 in the last batch norm of a block.
    Starts from w ~ N(0, 2 / fan_out), γ = 1, β = 0, as the authors' code does, and the classifier from U(±1/√fan_in).
    ValueError for a cardinality or base width below 1.
    """
    if not (is_whole(cardinality) and is_whole(base_width)):
        raise ValueError(f"resnext: cardinality and base_width should be whole numbers of at least 1, such as 32 and 4, "
                         f"got {cardinality!r} and {base_width!r}")
    inside = scaled_by(width, "resnext", multiple=cardinality)
    c = scaled_by(width, "resnext")(64)

    def layers(c_in: int, c_out: int, stride: int) -> nn.Sequential:
        return bottleneck_layers(c_in, c_out, stride, inner=inside(cardinality * base_width * (c_out // (4 * c))), groups=cardinality)
    return residual_network(layers, 4, blocks, num_classes, in_channels, width=width, zero_gamma=zero_gamma, conv=kaiming,
                            family="resnext")


PAPER = "Xie, Girshick, Dollár, Tu, He, \"Aggregated Residual Transformations for Deep Neural Networks\", 2016, arXiv:1611.05431"
LARGE_RECIPE = replace(RECIPE, epochs=90, augment={"crop": 0.08, "flip": True, "colour": 0.4, "lighting": 0.1},
                       source="section 4, recalled: as fb.resnet.torch trains residual networks, a tenth of the rate after each third")


def authors(top1: float, top5: float | None = None) -> Published:
    """The authors' repository; their top-5 errors are recalled."""
    return Published(top1, top5, protocol="1 crop 224", verified=top5 is None)


#                       blocks a stage  C   d  parameters  multiply-adds   published
for name, (blocks, c, d, params, macs, *published) in {
    "resnext50_32x4d":  ((3, 4, 6, 3),  32, 4, 25_028_904, 4_230_479_872,  authors(22.2), torchvision_result(22.382, 6.302)),
    "resnext101_32x4d": ((3, 4, 23, 3), 32, 4, 44_177_704, 7_969_996_800,  authors(21.2, 5.6)),
    "resnext101_64x4d": ((3, 4, 23, 3), 64, 4, 83_455_272, 15_460_270_080, authors(20.4, 5.3), torchvision_result(16.754, 3.546)),
    "resnext101_32x8d": ((3, 4, 23, 3), 32, 8, 88_791_336, 16_414_015_488, torchvision_result(20.688, 5.474)),
}.items():
    sources = ["timm." + name] + ["torchvision." + name] * (name != "resnext101_32x4d")
    model(name, params=params, macs=macs, year=2016, paper=PAPER, recipe=LARGE_RECIPE, stages=shapes(4), published=tuple(published),
          keys={source: TORCHVISION for source in sources})(partial(resnext, blocks=blocks, cardinality=c, base_width=d))
