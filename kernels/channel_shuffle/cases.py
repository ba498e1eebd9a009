"""Shapes chosen to hurt: groups and group size differ, one group, as many groups as channels, three axes and five."""
from ..case import Case, Dice

CASES = [
    Case("2_groups_of_3", ((2, 6, 3, 4),), dict(groups=2)),
    Case("3_groups_of_2", ((1, 6, 2, 5),), dict(groups=3)),
    Case("one_group", ((2, 5, 2, 2),), dict(groups=1)),
    Case("groups_of_one", ((2, 5, 2, 2),), dict(groups=5)),
    Case("one_channel", ((1, 1, 3, 2),), dict(groups=1)),
    Case("three_axes", ((2, 8, 3),), dict(groups=4)),
    Case("five_axes", ((1, 4, 2, 3, 2),), dict(groups=2)),
    Case("empty_batch", ((0, 4, 2, 2),), dict(groups=2)),
    Case("many_channels", ((3, 60, 3, 3),), dict(groups=4)),
]


def draw(dice: Dice, op: str) -> Case:
    """One group, a group a channel, and what lies between."""
    N, groups, per_group = dice.integers(3, 1, 4)
    return Case("drawn", ((N, groups * per_group, *dice.integers(dice.integer(1, 3), 1, 2)),), dict(groups=groups))
