"""show a network layer by layer: shapes, parameters, multiply-adds

examples:
  minicnn summary lenet5
  minicnn summary lenet5 --input 3,32,32        colour images
"""
import argparse


def shape(text: str) -> tuple[int, ...]:
    try:
        sizes = tuple(int(part) for part in text.replace("x", ",").replace("×", ",").split(","))
    except ValueError:
        sizes = ()
    if len(sizes) != 3 or min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"expected channels, height, width, such as 3,224,224, got {text!r}")
    return sizes


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a name from `minicnn models`")
    parser.add_argument("--input", type=shape, metavar="C,H,W", help="size of the image (default: the paper's)")


def run(args: argparse.Namespace) -> None:
    from .. import models
    from ..inspect import summary
    info = models.info(args.model)
    C, H, W = args.input or info.input_shape
    model = models.create(args.model, in_channels=None if C == info.input_shape[0] else C)
    print(summary(model, (C, H, W)))
