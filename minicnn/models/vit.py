"""Vision transformer: an image is a sentence, its patches are the words; each may look at every other from the first layer on.

    image            3×224×224
    patches          196×768        16×16 pixels each, one linear map (a convolution with stride 16)
    class token      197×768        one more word, learnt, from which the image will be classified in the end
    positions        197×768        a learnt vector for each place, added: the order of the words is seen nowhere else
    blocks 1 … 12    197×768        x + attention(norm(x)), 12 heads of 64 numbers;  x + layers(norm(x)), 768 → 3072 → 768 with GELU
    head             1000           norm, the class token, linear

Dosovitskiy, Beyer, Kolesnikov, Weissenborn, Zhai, Unterthiner, Dehghani, Minderer, Heigold, Gelly, Uszkoreit, Houlsby, "An Image is Worth
16x16 Words: Transformers for Image Recognition at Scale", 2020, section 3.1 (equations 1 to 4) and appendix A (attention).

Deviations: none known.  Multiply-adds are of the linear layers and the convolution; the two products of attention add 715,327,488.
"""
from math import sqrt

from .. import functional as F
from .. import nn
from .blocks import MOST_LAYERS, is_whole, start, whole
from .network import Network
from .recipe import Recipe
from .registry import Published, model


class Attention(nn.Module):
    """Self-attention in several heads.  (N, L, D) → the same

        q, k, v = x Wq, x Wk, x Wv                what a word asks for, what it offers to be found by, what it then says
        a[i,j]  = softmax_j (q[i] · k[j] / √d)    how much of what j says goes to i
        y[i]    = Σ_j a[i,j] v[j]

    Each of the heads does so with its own d = D / heads of the numbers; what they find is put side by side and mixed by one more linear
    layer.  qkv holds the three maps one below another.
    """

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv, self.mix = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)

    def forward(self, x):
        N, L, D = x.shape
        q, k, v = self.qkv(x).reshape(N, L, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)          # each (N, heads, L, d)
        a = F.softmax(q @ k.transpose(-1, -2) / sqrt(D // self.heads), -1)                                  # (N, heads, L, L)
        return self.mix((a @ v).transpose(1, 2).reshape(N, L, D))


class Block(nn.Module):
    """z = x + attention(norm(x)),  y = z + W₂ gelu(W₁ norm(z)).  (N, L, D) → the same

    The norm stands before what it feeds ("pre-norm"), so that the sum itself runs untouched from the first block to the last.
    """

    def __init__(self, channels: int, heads: int, dropout: float):
        super().__init__()
        self.norm1, self.attention, self.dropout = nn.LayerNorm(channels, eps=1e-6), Attention(channels, heads), nn.Dropout(dropout)
        self.norm2 = nn.LayerNorm(channels, eps=1e-6)
        self.layers = nn.Sequential(dict(expand=nn.Linear(channels, 4 * channels), activation=nn.GELU(), dropout1=nn.Dropout(dropout),
                                         reduce=nn.Linear(4 * channels, channels), dropout2=nn.Dropout(dropout)))

    def forward(self, x):
        x = x + self.dropout(self.attention(self.norm1(x)))
        return x + self.layers(self.norm2(x))


class Patches(nn.Module):
    """Each patch, all of its pixels and channels, through one linear map.  (N, C, H, W) → (N, H·W / patch², D), row by row"""

    def __init__(self, in_channels: int, channels: int, patch: int):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, patch, patch)

    def forward(self, images):
        return self.conv(images).flatten(2).transpose(1, 2)


class Words(nn.Module):
    """The class token and the patches, with their places added.  (N, C, H, W) → (N, 1 + patches, D)"""

    def __init__(self, in_channels: int, channels: int, patch: int, count: int, dropout: float):
        super().__init__()
        self.patches, self.dropout = Patches(in_channels, channels, patch), nn.Dropout(dropout)
        self.class_token = nn.init.zeros_(nn.Parameter.lazy((1, 1, channels)))
        self.position = nn.init.normal_(nn.Parameter.lazy((1, 1 + count, channels)), std=0.02)

    def forward(self, images):
        x = self.patches(images)
        token = self.class_token.to(x.device).expand(x.shape[0], 1, x.shape[2])
        return self.dropout(F.cat([token, x], 1) + self.position)


class ClassToken(nn.Module):
    """The first word of each image.  (N, L, D) → (N, D)"""

    def forward(self, x):
        return x[:, 0]


def vit(num_classes: int = 1000, in_channels: int = 3, channels: int = 768, depth: int = 12, heads: int = 12, patch: int = 16,
        image: int | tuple[int, int] = 224, dropout: float = 0.1) -> Network:
    """ViT reads an image as a sentence whose words are its patches.

    channels: numbers a word.  depth: blocks.  image: side, or (H, W), which patches of patch × patch pixels must fill.
    dropout: after each linear layer but qkv, and after the positions are added.  The paper: 0.1 on ImageNet alone, 0 on more data.
    Starts as the authors' code: Xavier's uniform weights, each of the three maps of qkv as a matrix of its own; LeCun's normal weights for
    the patches; positions N(0, 0.02²); biases of the two layers after attention N(0, 10⁻¹²), the others, class token and head 0.
    """
    sides = image if isinstance(image, (tuple, list)) else (image, image)
    if len(sides) != 2 or not all(is_whole(side) for side in sides):
        raise ValueError(f"vit: image should be a side or a pair (height, width) of whole numbers of at least 1, got {image!r}; "
                         f"the paper has 224")
    (H, W), depth = sides, whole("vit", "depth", depth, most=MOST_LAYERS)
    if whole("vit", "patch", patch) > min(H, W) or H % patch or W % patch:
        raise ValueError(f"vit: an image of {H}×{W} pixels cannot be cut into patches of {patch}×{patch}; give image=(H, W) in multiples "
                         f"of patch; the paper has image=224, patch=16")
    if whole("vit", "channels", channels) % whole("vit", "heads", heads):
        raise ValueError(f"vit: expected channels that divide into heads, got channels={channels}, heads={heads}; the paper has "
                         f"channels=768, heads=12")
    words = Words(in_channels, channels, patch, (H // patch) * (W // patch), dropout)
    body = {f"block{i + 1}": Block(channels, heads, dropout) for i in range(depth)}
    fc = nn.Linear(channels, num_classes)
    head = nn.Sequential(dict(norm=nn.LayerNorm(channels, eps=1e-6), token=ClassToken(), fc=fc))
    network = start(Network(words, body, head, (in_channels, H, W), any_size=False), nn.init.lecun_normal_, nn.init.xavier_uniform_)
    nn.init.zeros_(fc.weight)
    for block in network.body:
        bound = sqrt(6 / (channels + channels))
        nn.init.uniform_(block.attention.qkv.weight, -bound, bound)
        nn.init.normal_(block.layers[0].bias, std=1e-6)
        nn.init.normal_(block.layers[3].bias, std=1e-6)
    return network


RECIPE = Recipe(optimizer="adamw", lr=3e-3, weight_decay=0.3, batch_size=4096, epochs=300, schedule="cosine", warmup_epochs=32,
                clip_norm=1.0, augment={"crop": 0.08, "flip": True}, image_size=224, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5),
                source="table 3, training on ImageNet alone, recalled: 10,000 steps of warm-up; pixels in [−1, 1] as in the authors' code")
TORCHVISION = (
    (r"^class_token", "stem.class_token"), (r"^encoder\.pos_embedding", "stem.position"), (r"^conv_proj", "stem.patches.conv"),
    (r"^encoder\.ln", "head.norm"), (r"^heads\.head", "head.fc"), (r"\.ln_(\d)", r".norm\1"),
    *((rf"^encoder\.layers\.encoder_layer_{i}\.", f"body.block{i + 1}.") for i in range(12)),
    (r"self_attention\.in_proj_", "attention.qkv."), (r"self_attention\.out_proj", "attention.mix"),
    (r"\.mlp\.0", ".layers.expand"), (r"\.mlp\.3", ".layers.reduce"),
)
TIMM = (
    (r"^cls_token", "stem.class_token"), (r"^pos_embed", "stem.position"), (r"^patch_embed\.proj", "stem.patches.conv"),
    (r"^norm", "head.norm"), (r"^head\.(weight|bias)", r"head.fc.\1"), *((rf"^blocks\.{i}\.", f"body.block{i + 1}.") for i in range(12)),
    (r"attn\.qkv", "attention.qkv"), (r"attn\.proj", "attention.mix"), (r"\.mlp\.fc1", ".layers.expand"), (r"\.mlp\.fc2", ".layers.reduce"),
)
model("vit_b16", params=86_567_656, macs=16_848_500_736, year=2020, recipe=RECIPE,
      paper="Dosovitskiy, Beyer, Kolesnikov, Weissenborn, Zhai, Unterthiner, Dehghani, Minderer, Heigold, Gelly, Uszkoreit, Houlsby, "
            "\"An Image is Worth 16x16 Words\", 2020, arXiv:2010.11929",
      stages={"stem": (197, 768), **{f"block{i + 1}": (197, 768) for i in range(12)}},
      published=(Published(22.09, protocol="ImageNet alone, fine-tuned at 384, 1 crop"),
                 Published(16.03, protocol="ImageNet-21k first, fine-tuned at 384, 1 crop")),
      keys={"torchvision.vit_b_16": TORCHVISION, "timm.vit_base_patch16_224": TIMM})(vit)
