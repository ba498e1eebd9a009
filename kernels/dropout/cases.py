"""Probabilities from 0 to 1, whole channels, sizes that are no multiple of a block, more than a strip, keys of 64 bits, no batch."""
from ..case import Case, Dice
from ..random import Key

KEY = Key(3, 5)


def case(name, x, p, channels=False, inverted=True, key=KEY):
    return Case(name, (x,), dict(p=p, key=key, channels=channels, inverted=inverted))


CASES = [
    case("plane", (2, 3, 5, 3), 0.5),
    case("features", (7, 9), 0.3),
    case("one_value", (1,), 0.2),
    case("nothing_dropped", (3, 5), 0.0),
    case("everything_dropped", (3, 5), 1.0),
    case("no_fraction_of_two", (2, 37), 0.1),
    case("wide_key", (5, 7), 0.5, key=Key(0xFEDCBA9876543210, 0x123456789ABCDEF0)),
    case("as_in_the_paper", (4, 9), 0.4, inverted=False),
    case("channels", (3, 5, 2, 4), 0.5, channels=True),
    case("channels_of_one_value", (6, 7), 0.5, channels=True),
    case("channels_as_in_the_paper", (2, 5, 3), 0.3, channels=True, inverted=False),
    case("more_than_a_strip", (3, 701), 0.5),
    case("no_batch", (0, 3, 2, 2), 0.5),
    case("channels_no_batch", (0, 3, 2, 2), 0.5, channels=True),
]


def draw(dice: Dice, op: str) -> Case:
    """p from 0 to 0.9; single values, or whole channels of an input that has them."""
    channels = dice.pick(False, True)
    x = dice.integers(dice.integer(2 if channels else 1, 4), 1, 4)
    return case("drawn", x, dice.integer(0, 9) / 10, channels, dice.pick(True, False), Key(*dice.integers(2, 0, 2 ** 40)))
