"""A few shapes chosen to hurt: off the square, even windows, one channel, a window wider than the channels, one loud channel, no batch."""
from ..case import Case, Dice


def one_loud_channel(rng, case):
    """Channel 1 is a thousand times larger: a sum that slides past it would keep its rounding."""
    x = rng.standard_normal(case.shapes[0])
    x[:, 1] *= 1000
    return [x]


def case(name, x, size, alpha, beta, k, inputs=None):
    return Case(name, (x,), dict(size=size, alpha=alpha, beta=beta, k=k), inputs)


CASES = [
    case("alexnet", (2, 7, 3, 4), 5, 5e-4, 0.75, 2.0),
    case("even_window", (1, 6, 1, 5), 4, 0.5, 0.5, 1.0),              # centred as PyTorch does: one more channel before than after
    case("window_of_two", (2, 5, 2, 3), 2, 1.0, 0.75, 0.5),
    case("wider_than_the_channels", (3, 2, 5, 2), 9, 1.0, 1.0, 1.0),
    case("one_channel", (2, 1, 4, 4), 1, 0.1, 0.75, 1.0),
    case("sequence", (2, 4, 5), 3, 0.3, 0.6, 1.5),
    case("volume", (1, 4, 2, 1, 3), 3, 0.3, 1.5, 1.0),
    case("one_loud_channel", (1, 6, 2, 3), 3, 1e-4, 0.75, 2.0, one_loud_channel),
    case("more_than_a_strip", (1, 5, 15, 19), 5, 0.5, 0.75, 2.0),
    case("no_batch", (0, 3, 2, 2), 5, 1e-4, 0.75, 1.0),
]


def draw(dice: Dice, op: str) -> Case:
    """Windows odd, even and wider than the channels; α large enough to matter; several numbers, as one slope may be nearly 0."""
    x = (dice.integer(1, 3), dice.integer(1, 7), *dice.integers(dice.integer(0, 2), 1, 2), dice.integer(3, 4))
    return case("drawn", x, dice.integer(1, 8), dice.pick(0.5, 0.01, 2.0), dice.pick(0.75, 0.5, 1.0, 1.5), dice.pick(1.0, 0.5, 2.0))
