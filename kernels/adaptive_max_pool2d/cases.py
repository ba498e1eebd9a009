"""Shapes chosen to hurt: sizes that do not divide, more outputs than inputs, one output, off the square."""
from ..adaptive_avg_pool2d.cases import draw as draw
from ..case import Case

CASES = [
    Case("global", ((2, 3, 5, 7),), dict(output_size=(1, 1))),
    Case("divides", ((2, 2, 6, 8),), dict(output_size=(3, 2))),
    Case("overlapping", ((2, 2, 7, 10),), dict(output_size=(3, 4))),
    Case("more_outputs_than_inputs", ((1, 2, 3, 2),), dict(output_size=(5, 7))),
    Case("alexnet_6x6", ((1, 1, 13, 11),), dict(output_size=(6, 6))),
    Case("identity", ((1, 2, 4, 3),), dict(output_size=(4, 3))),
    Case("single_pixel", ((1, 1, 1, 1),), dict(output_size=(2, 3))),
    Case("large_plane", ((1, 1, 61, 47),), dict(output_size=(1, 2))),
    Case("empty_batch", ((0, 2, 4, 4),), dict(output_size=(2, 2))),
    Case("many_planes", ((5, 13, 4, 5),), dict(output_size=(3, 2))),
]
