"""What a model says to images that it was not built for."""
from typing import Any


def expect_images(input: Any, name: str, channels: int, height: int, width: int) -> None:
    """ValueError unless the input is (N, channels, height, width); for a network whose linear layers fix the image's size."""
    shape = tuple(input.shape)
    if len(shape) == 4 and shape[1:] == (channels, height, width):
        return
    advice = f"a batch of shape (N, {channels}, {height}, {width}) is needed"
    if len(shape) == 3 and shape == (channels, height, width):
        advice = "add the batch dimension: x.unsqueeze(0)"
    elif len(shape) == 4 and shape[1] != channels:
        advice = f"build the model with in_channels={shape[1]}, or convert the images"
    elif len(shape) == 4 and shape[2] <= height and shape[3] <= width and (height - shape[2]) % 2 == (width - shape[3]) % 2 == 0:
        v, h = (height - shape[2]) // 2, (width - shape[3]) // 2
        advice = f"pad them: F.pad(x, ({h}, {h}, {v}, {v}))"
    elif len(shape) == 4:
        advice = f"resize them: F.interpolate(x, ({height}, {width}), mode='bilinear')"
    raise ValueError(f"{name}: expected images of {channels}×{height}×{width}, got an input of shape {shape}; {advice}")
