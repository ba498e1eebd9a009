"""Shapes chosen to hurt: every mode beside crops and at its largest padding, one axis to four, off the square."""
from ..case import Case, Dice
from . import MODES


def options(*padding, mode="constant", value=0.0):
    return dict(padding=padding, mode=mode, value=value)


CASES = [
    Case("zeros", ((2, 3, 4, 5),), options((1, 2), (3, 0))),
    Case("constant", ((1, 2, 3, 4),), options((0, 1), (2, 1), value=-1.5)),
    Case("constant_crop", ((2, 2, 5, 6),), options((-1, 2), (1, -3), value=0.5)),
    Case("constant_one_axis", ((2, 3, 2, 4),), options((2, 1))),
    Case("constant_channels_too", ((2, 3, 2, 3),), options((1, 1), (0, 2), (1, 0), value=2.0)),
    Case("constant_all_axes", ((1, 2, 2, 3),), options((1, 0), (0, 1), (2, -1), (-1, 2))),
    Case("constant_of_nothing", ((2, 1, 3, 4),), options((-1, -2), (1, 1), value=3.0)),
    Case("crop_to_nothing_and_pad", ((1, 1, 2, 3),), options((1, -2), (-3, 4), value=1.0)),
    Case("reflect", ((2, 2, 4, 5),), options((2, 1), (1, 3), mode="reflect")),
    Case("reflect_largest", ((1, 1, 3, 4),), options((2, 2), (3, 3), mode="reflect")),
    Case("reflect_crop", ((1, 2, 5, 6),), options((-2, 3), (4, -1), mode="reflect")),
    Case("reflect_three_axes", ((1, 3, 2, 4),), options((2, 1), (0, 1), (1, 1), mode="reflect")),
    Case("replicate", ((2, 2, 3, 4),), options((3, 1), (1, 5), mode="replicate")),
    Case("replicate_crop", ((1, 2, 5, 6),), options((-6, 3), (4, -1), mode="replicate")),
    Case("replicate_far", ((1, 1, 2, 1),), options((30, 0), (20, 20), mode="replicate")),
    Case("circular", ((2, 2, 3, 4),), options((3, 1), (2, 4), mode="circular")),
    Case("circular_crop", ((1, 2, 5, 6),), options((2, -1), (-2, 3), mode="circular")),
    Case("empty_batch", ((0, 2, 3, 4),), options((1, 1), (2, 1), mode="reflect")),
    Case("many_planes", ((5, 13, 2, 3),), options((1, 1), (1, 1))),
]


def side(dice: Dice, size: int, mode: str) -> tuple[int, int]:
    """(before, after) of one axis: each crops less than half of it, or pads no more than the mode can take from the input."""
    crops = [dice.pick(0, 0, dice.integer(0, (size - 1) // 2)) for _ in range(2)]
    most = {"constant": 3, "reflect": size - 1, "replicate": 3, "circular": size - sum(crops)}[mode]
    before, after = (-crop if crop else dice.integer(0, most) for crop in crops)
    return before, after


def draw(dice: Dice, op: str) -> Case:
    """One to all of one to four axes, each padded or cropped on either side."""
    mode, x = dice.pick(*MODES), dice.integers(dice.integer(1, 4), 1, 4)
    last = dice.integer(1, min(3, len(x)))
    padding = [side(dice, size, mode) for size in x[-last:]]
    return Case("drawn", (x,), options(*padding, mode=mode, value=dice.pick(0.0, -1.5) if mode == "constant" else 0.0))
