"""Shapes chosen to hurt: up, down and both at once, ratios that do not divide, a scale that differs from the ratio, one pixel."""
from ..case import Case, Dice
from . import MODES


def options(size, mode="bilinear", scale=None, align_corners=False):
    return dict(size=size, scale=scale, mode=mode, align_corners=align_corners)


CASES = [
    Case("nearest_double", ((2, 3, 3, 4),), options((6, 8), "nearest")),
    Case("nearest_up", ((1, 2, 3, 5),), options((7, 11), "nearest")),
    Case("nearest_down", ((2, 1, 7, 9),), options((3, 4), "nearest")),
    Case("nearest_scale", ((1, 2, 5, 7),), options((6, 11), "nearest", (1.3, 1.7))),
    Case("nearest_from_one", ((1, 2, 1, 1),), options((3, 2), "nearest")),
    Case("bilinear_double", ((2, 3, 3, 4),), options((6, 8))),
    Case("bilinear_up_and_down", ((1, 2, 7, 3),), options((4, 8))),
    Case("bilinear_scale", ((1, 2, 5, 7),), options((6, 11), scale=(1.3, 1.7))),
    Case("bilinear_scale_same_size", ((1, 2, 5, 4),), options((5, 4), scale=(1.1, 1.2))),
    Case("bilinear_corners", ((2, 2, 4, 5),), options((7, 3), align_corners=True)),
    Case("bilinear_corners_to_one", ((1, 2, 4, 5),), options((1, 9), align_corners=True)),
    Case("bilinear_from_one", ((1, 1, 1, 1),), options((25, 30))),
    Case("bilinear_to_one", ((1, 2, 6, 5),), options((1, 1))),
    Case("identity", ((1, 2, 4, 3),), options((4, 3))),
    Case("empty_batch", ((0, 2, 3, 3),), options((5, 4))),
    Case("many_planes", ((5, 13, 3, 2),), options((4, 3))),
]


def draw(dice: Dice, op: str) -> Case:
    """To any size, or by factors from 0.5 to 2.5."""
    mode, (H, W) = dice.pick(*MODES), dice.integers(2, 1, 5)
    vertical, horizontal = (tenths / 10 for tenths in dice.integers(2, 5, 25))
    scaled = max(1, int(H * vertical)), max(1, int(W * horizontal))
    size, scale = dice.pick((dice.integers(2, 1, 9), None), (scaled, (vertical, horizontal)))
    return Case("drawn", ((*dice.integers(2, 1, 3), H, W),), options(size, mode, scale, mode == "bilinear" and dice.pick(False, True)))
