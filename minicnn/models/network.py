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
            advice = what_fits(self.takes, input.shape, self.image)
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
