"""A network without its head, for what is built on features: detection, segmentation, transfer."""
from typing import Any

from .. import nn
from .images import expect_images
from .network import Network


class Features(nn.Module):
    """images → {stage: its output}, for the stages that are wanted; what comes after the last of them is left out.

    The names of parameters are the network's own, so that its weights load with strict=False.
    wanted: "stem" and names of the body's stages; all of them by default.
    """

    def __init__(self, network: Network, wanted: tuple[str, ...] | None = None):
        super().__init__()
        stages = dict(network.body.named_children())
        order = ["stem", *stages]
        wanted = tuple(order) if wanted is None else wanted
        for name in wanted:
            if name not in order:
                raise ValueError(f"{network.name}: there is no stage {name!r}; there are {', '.join(order)}")
        if not wanted:
            raise ValueError(f"{network.name}: features of no stage were asked for; there are {', '.join(order)}")
        last = max(map(order.index, wanted))
        self.stem, self.body = network.stem, nn.Sequential({name: stages[name] for name in order[1:last + 1]})
        self.wanted, self.name, self.image, self.any_size = set(wanted), network.name, network.image, network.any_size

    def forward(self, input: Any) -> dict[str, Any]:
        expect_images(input, self.name, self.image, self.any_size)
        found, x = {}, self.stem(input)
        if "stem" in self.wanted:
            found["stem"] = x
        for name, stage in self.body.named_children():
            x = stage(x)
            if name in self.wanted:
                found[name] = x
        return found
