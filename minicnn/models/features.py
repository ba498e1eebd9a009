"""A network without its head, for what is built on features: detection, segmentation, transfer."""
from typing import Any

from .. import nn
from .network import Network


class Features(Network):
    """images → {stage: its output}, for the stages that are wanted; what comes after the last of them is left out.

    The names of parameters are the network's own, so that its weights load with strict=False.
    wanted: "stem" and names of the body's stages; all of them by default.

    A network for segmentation, fully convolutional: a score for each class at each pixel (Shelhamer, Long, Darrell, 2015).

        class Segmenter(nn.Module):
            def __init__(self, classes):
                super().__init__()
                self.features = models.create("resnet18", features=("stage2", "stage4"))      # 128 maps at 1/8, 512 at 1/32
                self.fine, self.coarse = nn.Conv2d(128, classes, 1), nn.Conv2d(512, classes, 1)

            def forward(self, images):
                maps = self.features(images)
                fine = self.fine(maps["stage2"])
                scores = fine + F.interpolate(self.coarse(maps["stage4"]), fine.shape[2:], mode="bilinear")
                return F.interpolate(scores, images.shape[2:], mode="bilinear")
    """

    def __init__(self, network: Network, wanted: tuple[str, ...] | None = None):
        stages = dict(network.body.named_children())
        order = ["stem", *stages]
        wanted = tuple(order) if wanted is None else wanted
        for name in wanted:
            if name not in order:
                raise ValueError(f"{network.name}: there is no stage {name!r}; there are {', '.join(order)}")
        if not wanted:
            raise ValueError(f"{network.name}: features of no stage were asked for; there are {', '.join(order)}")
        last = max(map(order.index, wanted))
        super().__init__(network.stem, {name: stages[name] for name in order[1:last + 1]}, nn.Identity(), network.image, network.any_size)
        self.wanted, self.name = set(wanted), network.name

    def compute(self, input: Any) -> dict[str, Any]:
        found, x = {}, self.stem(input)
        if "stem" in self.wanted:
            found["stem"] = x
        for name, stage in self.body.named_children():
            x = stage(x)
            if name in self.wanted:
                found[name] = x
        return found
