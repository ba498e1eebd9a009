"""Swin transformer: attention within small windows, which move by half a window from block to block, so that news gets everywhere.

               plane     channels    heads    blocks
    patches    56×56      96                            4×4 pixels each, one linear map, layer norm
    stage1     56×56      96          3       2
    stage2     28×28     192          6       2         stages 2 to 4 begin by merging: 2×2 neighbours become one, twice as wide
    stage3     14×14     384         12       6
    stage4      7×7      768         24       2
    head       1000                                     layer norm, average over the plane, linear

    block      x + attention(norm(x));  x + layers(norm(x)), C → 4C → C with GELU.  Windows of 7×7, shifted by 3 in every second block.

The shifted windows.  Windows that begin 3 pixels further on are cut at the edges: 9 × 9 of several sizes in place of 8 × 8 equal ones.
Instead the plane is rolled: its first 3 rows go to the bottom, its first 3 columns to the right, and the usual windows are cut. What the
last window of a row or column then holds comes from both ends of the plane, and a mask keeps the two apart (figure 4):

    rows, rolled by 3:   3 4 5 6 7 8 9 | 10 11 12 13   0 1 2        a plane of 14 rows, windows of 7
                         neighbours    | neighbours  ╎ came round

The relative position.  What is added to q · k depends on how far apart two pixels of a window lie, from −6 to 6 in rows and in columns: one
learnt number for each of the 13 × 13 distances and each head. relative_position says which of the 169 belongs to each pair.

Liu, Lin, Cao, Hu, Wei, Zhang, Lin, Guo, "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", 2021, section 3.

Deviations: none known.  As in the authors' code, planes that windows do not fill get rows and columns of zeros, which take part as pixels,
and a plane of one window is not shifted. Planes, and the shapes of stages, are N H W C from the patches to the end. Multiply-adds are
of linear layers and the convolution; the two products of attention add 140,141,568.
"""
from functools import lru_cache, partial
from math import sqrt

import numpy as np

from .. import functional as F
from .. import nn
from ..tensor import Tensor
from .blocks import check_blocks, is_whole, probability, start
from .network import Network
from .recipe import IMAGENET, Recipe
from .registry import Published, model


def fill(x: Tensor, M: int) -> Tensor:
    """Zeros below and to the right, up to multiples of M.  (N, H, W, C) → (N, ⌈H/M⌉·M, ⌈W/M⌉·M, C)"""
    H, W = x.shape[1:3]
    return F.pad(x, (0, 0, 0, -W % M, 0, -H % M)) if H % M or W % M else x


def partition(x: Tensor, M: int) -> Tensor:
    """Cut a plane into windows of M×M.  (N, H, W, C) → (N, windows, M², C), row by row"""
    N, H, W, C = x.shape
    return x.reshape(N, H // M, M, W // M, M, C).permute(0, 1, 3, 2, 4, 5).reshape(N, H // M * (W // M), M * M, C)


def join(x: Tensor, M: int, H: int, W: int) -> Tensor:
    """The plane of the windows again.  (N, windows, M², C) → (N, H, W, C)"""
    return x.reshape(x.shape[0], H // M, W // M, M, M, x.shape[-1]).permute(0, 1, 3, 2, 4, 5).reshape(x.shape[0], H, W, x.shape[-1])


def roll(x: Tensor, rows: int, columns: int) -> Tensor:
    """y[n,h,w,c] = x[n, (h + rows) mod H, (w + columns) mod W, c]: what leaves at one edge comes in at the other.  (N, H, W, C)"""
    x = F.cat([x[:, rows:], x[:, :rows]], 1) if rows else x
    return F.cat([x[:, :, columns:], x[:, :, :columns]], 2) if columns else x


def relative_position(M: int) -> np.ndarray:
    """index[i,j] = (row_i − row_j + M − 1) · (2M − 1) + column_i − column_j + M − 1   for the pixels of an M×M window.  (M², M²)

    The number, among (2M − 1)², of the distance from pixel j to pixel i.
    """
    row, column = np.divmod(np.arange(M * M), M)
    return (row[:, None] - row + M - 1) * (2 * M - 1) + column[:, None] - column + M - 1


@lru_cache(maxsize=64)
def shift_mask(H: int, W: int, M: int, rows: int, columns: int) -> np.ndarray:
    """What is added to q[i] · k[j] in each M×M window of a plane rolled by (rows, columns).  (windows, 1 for all heads, M², M²)

    0 where both or neither of two pixels came round, in rows and in columns: they are neighbours.  Else −100, which leaves e⁻¹⁰⁰.
    """
    rows_round, columns_round = np.arange(H) >= H - rows, np.arange(W) >= W - columns
    region = 2 * rows_round[:, None] + columns_round                                                    # (H, W), 0 … 3
    region = region.reshape(H // M, M, W // M, M).transpose(0, 2, 1, 3).reshape(-1, 1, M * M)           # as partition does
    return np.where(region[..., None] == region[..., None, :], 0.0, -100.0)


class WindowAttention(nn.Module):
    """Attention among the pixels of each window, in several heads; windows shifted by shift pixels.  (N, H, W, C) → the same

        a[i,j] = softmax_j (q[i] · k[j] / √d + bias[relative_position[i,j]] + mask[i,j]),   y[i] = Σ_j a[i,j] v[j],   d = C / heads
    """

    def __init__(self, C: int, heads: int, window: int, shift: int):
        super().__init__()
        self.heads, self.window, self.shift = heads, window, shift
        self.qkv, self.mix = nn.Linear(C, 3 * C), nn.Linear(C, C)
        self.bias = nn.init.trunc_normal_(nn.Parameter.lazy(((2 * window - 1) ** 2, heads)), std=0.02)
        self.index = relative_position(window)

    def forward(self, x):
        (_, H, W, C), M, heads = x.shape, self.window, self.heads
        full_H, full_W = H + -H % M, W + -W % M
        rows, columns = self.shift * (full_H > M), self.shift * (full_W > M)
        x = partition(roll(fill(x, M), rows, columns), M)                                               # (N, windows, M², C)
        q, k, v = self.qkv(x).reshape(*x.shape[:3], 3, heads, C // heads).permute(3, 0, 1, 4, 2, 5)     # each (N, windows, heads, M², d)
        scores = q @ k.transpose(-1, -2) / sqrt(C // heads) + self.bias.to(x.device)[self.index].permute(2, 0, 1)
        if rows or columns:
            scores = scores + Tensor(shift_mask(full_H, full_W, M, rows, columns), dtype=x.dtype).to(x.device)
        y = self.mix((F.softmax(scores, -1) @ v).transpose(2, 3).reshape(x.shape))
        return roll(join(y, M, full_H, full_W), -rows, -columns)[:, :H, :W]


class Block(nn.Module):
    """z = x + attention(norm(x)),  y = z + W₂ gelu(W₁ norm(z)).  (N, H, W, C) → the same"""

    def __init__(self, C: int, heads: int, window: int, shift: int, drop_path: float):
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(C), WindowAttention(C, heads, window, shift)
        self.norm2, self.drop_path = nn.LayerNorm(C), nn.DropPath(drop_path)
        self.layers = nn.Sequential(dict(expand=nn.Linear(C, 4 * C), activation=nn.GELU(), reduce=nn.Linear(4 * C, C)))

    def forward(self, x):
        x = x + self.drop_path(self.attention(self.norm1(x)))
        return x + self.drop_path(self.layers(self.norm2(x)))


class Merging(nn.Module):
    """Four neighbours side by side, norm, one linear map.  (N, H, W, C) → (N, ⌈H/2⌉, ⌈W/2⌉, 4C) → (N, ⌈H/2⌉, ⌈W/2⌉, 2C)"""

    def __init__(self, C: int):
        super().__init__()
        self.norm, self.reduce = nn.LayerNorm(4 * C), nn.Linear(4 * C, 2 * C, bias=False)

    def forward(self, x):
        x = fill(x, 2)
        N, H, W, C = x.shape
        x = x.reshape(N, H // 2, 2, W // 2, 2, C).permute(0, 1, 3, 4, 2, 5)                     # of each four: left pair, then right
        return self.reduce(self.norm(x.flatten(3)))


class Patches(nn.Module):
    """Each patch through one linear map, and a norm.  (N, C, H, W) → (N, H/patch, W/patch, channels)"""

    def __init__(self, in_channels: int, channels: int, patch: int):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(in_channels, channels, patch, patch), nn.LayerNorm(channels)

    def forward(self, images):
        return self.norm(self.conv(images).permute(0, 2, 3, 1))


class Average(nn.Module):
    """y[n,c] = mean over h, w of x[n,h,w,c].  (N, H, W, C) → (N, C)"""
    def forward(self, x):
        return x.mean((1, 2))


def swin(num_classes: int = 1000, in_channels: int = 3, blocks: tuple[int, ...] = (2, 2, 6, 2), heads: tuple[int, ...] = (3, 6, 12, 24),
         channels: int = 96, window: int = 7, patch: int = 4, drop_path: float = 0.2) -> Network:
    """Swin attends within small windows, which shift from block to block.

    blocks, heads: a stage.  channels: of the first stage; each later one has twice as many.  window, patch: sides in pixels.
    drop_path: probability that the last block is left out for an image in training; it grows in a straight line from 0 at the first.
    Linear layers and position tables start from N(0, 0.02²) cut off at ±2, their biases from 0, the convolution as PyTorch's.
    """
    blocks, heads = check_blocks("swin", blocks, (2, 2, 6, 2)), check_blocks("swin", heads, (3, 6, 12, 24), word="heads")
    if not is_whole(channels) or len(heads) != len(blocks) or any(channels * 2 ** i % h for i, h in enumerate(heads)):
        raise ValueError(f"swin: expected heads for each stage, which share its channels (twice as many each time) evenly, got blocks="
                         f"{blocks}, heads={heads}, channels={channels}; the paper has (2, 2, 6, 2), (3, 6, 12, 24), 96")
    if not (is_whole(patch, 1, 112) and is_whole(window, 2, 224 // patch)):
        raise ValueError(f"swin: expected window of at least 2, patch of at least 1, and windows no larger than the plane of 224 / patch "
                         f"that they divide, got window={window} and patch={patch}; the paper has 7 and 4")
    body, C, last, drop_path = {}, channels, max(1, sum(blocks) - 1), probability("swin", "drop_path", drop_path)
    for stage, count in enumerate(blocks):
        layers: dict[str, nn.Module] = {"merging": Merging(C)} if stage > 0 else {}
        C = channels * 2 ** stage
        for i in range(count):
            layers[f"block{i}"] = Block(C, heads[stage], window, i % 2 * (window // 2), drop_path * (sum(blocks[:stage]) + i) / last)
        body[f"stage{stage + 1}"] = nn.Sequential(layers)
    head = nn.Sequential(dict(norm=nn.LayerNorm(C), pool=Average(), fc=nn.Linear(C, num_classes)))
    stem, weights = Patches(in_channels, channels, patch), partial(nn.init.trunc_normal_, std=0.02)
    return start(Network(stem, body, head, (in_channels, 224, 224)), linear=weights)


RECIPE = Recipe(optimizer="adamw", lr=1e-3, weight_decay=0.05, batch_size=1024, epochs=300, schedule="cosine", warmup_epochs=20,
                label_smoothing=0.1, clip_norm=1.0, augment={"crop": 0.08, "flip": True, "colour": 0.4},
                image_size=224, **IMAGENET,
                source="appendix A2.1, recalled. Also RandAugment, mixup, CutMix, erasing, which are not there; colour stands for them")
TORCHVISION = (
    (r".*relative_position_index$", ""), (r"^features\.0\.0", "stem.conv"), (r"^features\.0\.2", "stem.norm"),
    *((rf"^features\.{2 * i + 1}\.", f"body.stage{i + 1}.block") for i in range(4)),
    *((rf"^features\.{2 * i}\.", f"body.stage{i + 1}.merging.") for i in range(1, 4)), (r"merging\.reduction", "merging.reduce"),
    (r"^norm", "head.norm"), (r"^head\.(weight|bias)", r"head.fc.\1"), (r"\.attn\.", ".attention."),
    (r"relative_position_bias_table", "bias"), (r"\.proj", ".mix"), (r"\.mlp\.0", ".layers.expand"), (r"\.mlp\.3", ".layers.reduce"),
)
model("swin_t", params=28_288_354, macs=4_350_425_088, year=2021, recipe=RECIPE,
      paper="Liu, Lin, Cao, Hu, Wei, Zhang, Lin, Guo, \"Swin Transformer\", 2021, arXiv:2103.14030",
      stages={"stem": (56, 56, 96), "stage1": (56, 56, 96), "stage2": (28, 28, 192), "stage3": (14, 14, 384), "stage4": (7, 7, 768)},
      published=(Published(18.7, protocol="1 crop 224"), Published(18.8, 4.5, protocol="1 crop 224, released weights", verified=True)),
      keys={"torchvision.swin_t": TORCHVISION})(swin)
