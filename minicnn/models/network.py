"""What all architectures here have in common: a stem, a body of stages, a head."""
from collections.abc import Mapping
from typing import Any

from .. import nn
from ..functional import meta
from ..modes import no_grad
from .images import expect_images, what_fits


class Network(nn.Module):
    """scores = head(body(stem(images))).   (N, C, H, W) → (N, num_classes)

    stem   from the image to the first maps: what makes it small fast
    body   stages by name, one after another; what each gives is a feature that other tasks may read (models.create(name, features=True))
    head   from the last maps to the scores of the classes

    image: (C, H, W) that the paper's numbers hold for.  any_size=False: a network whose linear layers take that size alone.
    ValueError for images of other channels, of another size where it is fixed, or too small: with the size that fits.
    """
    name: str

    def __init__(self, stem: nn.Module, body: Mapping[str, nn.Module], head: nn.Module, image: tuple[int, int, int], any_size: bool = True):
        super().__init__()
        self.stem, self.body, self.head = stem, nn.Sequential(dict(body)), head
        self.image, self.any_size, self.name = image, any_size, type(self).__name__

    def compute(self, input: Any) -> Any:
        """The network itself; a subclass with more than one path defines it anew."""
        return self.head(self.body(self.stem(input)))

    def forward(self, input: Any) -> Any:
        expect_images(input, self.name, self.image, self.any_size)
        try:
            return self.compute(input)
        except ValueError as error:
            # of at least two images: that a batch norm in training cannot do with one is another matter
            advice = what_fits(self.takes, (max(2, input.shape[0]), *input.shape[1:]), self.image)
            if not advice:
                raise
            raise ValueError(f"{self.name}: images of {'×'.join(map(str, input.shape[1:]))} are too small ({error}); {advice}") from error

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Whether images of this shape go through, found by shapes alone."""
        try:
            with no_grad():
                self.compute(meta(*shape))
        except ValueError:
            return False
        return True

    def extra_repr(self) -> str:
        return f"{self.name}, made for images of {'×'.join(map(str, self.image))}"


class AuxiliaryNetwork(Network):
    """A network that is judged in its middle too: in training (scores, auxiliary scores, …), in evaluation the scores alone.

    auxiliary     stage -> the head that reads its output, so that the stages before it get their gradient by a shorter way
    loss_weights  what the loss of each output counts:  loss = Σᵢ loss_weights[i] · cross_entropy(outputs[i], labels)
    """

    def __init__(self, stem: nn.Module, body: Mapping[str, nn.Module], head: nn.Module, image: tuple[int, int, int],
                 auxiliary: Mapping[str, nn.Module], weight: float):
        super().__init__(stem, body, head, image)
        self.stages, self.auxiliary = tuple(auxiliary), nn.ModuleList(auxiliary.values())
        self.loss_weights = (1.0, *(weight for _ in auxiliary))

    def compute(self, input):
        if not self.training:
            return super().compute(input)
        heads, scores, x = dict(zip(self.stages, self.auxiliary)), [], self.stem(input)
        for name, stage in self.body.named_children():
            x = stage(x)
            if name in heads:
                scores.append(heads[name](x))
        return self.head(x), *scores
