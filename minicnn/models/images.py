"""What a model says to images that it was not built for."""
from collections.abc import Callable
from typing import Any


def expect_images(input: Any, name: str, image: tuple[int, int, int], any_size: bool = False) -> None:
    """ValueError unless the input is (N, *image), or (N, C, any, any) with any_size; with advice what to do."""
    if not hasattr(input, "shape"):
        raise TypeError(f"{name}: expected a Tensor of images (N, C, H, W), got {type(input).__name__}; Tensor(array) makes one")
    shape, (channels, height, width) = tuple(input.shape), image
    if len(shape) == 4 and shape[1] == channels and (any_size or shape[2:] == (height, width)):
        return
    advice = f"a batch of shape (N, {channels}, {'H, W' if any_size else f'{height}, {width}'}) is needed"
    if len(shape) == 3 and shape[0] == channels and (any_size or shape[1:] == (height, width)):
        advice = "add the batch dimension: x.unsqueeze(0)"
    elif len(shape) == 4 and shape[1] != channels and shape[3] == channels:
        advice = "channels come second here: x.permute(0, 3, 1, 2)"
    elif len(shape) == 4 and shape[1] != channels:
        advice = f"build the model with in_channels={shape[1]}, or convert the images"
    elif len(shape) == 4 and shape[2] <= height and shape[3] <= width and (height - shape[2]) % 2 == (width - shape[3]) % 2 == 0:
        v, h = (height - shape[2]) // 2, (width - shape[3]) // 2
        advice = f"pad them: F.pad(x, ({h}, {h}, {v}, {v})), or resize them: F.interpolate(x, ({height}, {width}), mode='bilinear')"
    elif len(shape) == 4:
        advice = f"resize them: F.interpolate(x, ({height}, {width}), mode='bilinear')"
    raise ValueError(f"{name}: expected images of {channels}×{height}×{width}, got an input of shape {shape}; {advice}")


def what_fits(takes: Callable[[tuple[int, ...]], bool], shape: tuple[int, ...], image: tuple[int, int, int]) -> str:
    """Advice for images that did not go through: the side of the smallest square that does; "" if their size is not the reason.

    takes: whether a batch of a shape goes through.  Between the images' side, which is too small, and the side that the network was
    made for, which fits, there is one boundary: found by halving.
    """
    N, channels, *sides = shape
    small, fits = min(sides), max(image[1:])
    if small >= fits or takes(shape) or not takes((N, channels, fits, fits)):
        return ""
    while fits - small > 1:
        middle = (small + fits) // 2
        small, fits = (small, middle) if takes((N, channels, middle, middle)) else (middle, fits)
    return f"the smallest that fit are {channels}×{fits}×{fits}, and it was made for {'×'.join(map(str, image))}; resize them: " \
           f"F.interpolate(x, ({fits}, {fits}), mode='bilinear')"
