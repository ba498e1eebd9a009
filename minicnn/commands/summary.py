"""show a network layer by layer: shapes, parameters, multiply-adds

examples:
  minicnn summary lenet5
  minicnn summary resnet50 --stages                a line a stage
  minicnn summary alexnet_owt --input 3,227,227    images of another size
  minicnn summary googlenet_aux --training         with what exists in training alone
"""
import argparse
import sys


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
    parser.add_argument("--stages", action="store_true", help="a line for the stem, each stage of the body, and the head")
    parser.add_argument("--training", action="store_true", help="the forward of training, with auxiliary heads, instead of evaluation")
    parser.add_argument("--input", type=shape, metavar="C,H,W", help="size of the image (default: the paper's)")


def run(args: argparse.Namespace) -> None:
    from .. import models
    from ..inspect import summary, table
    info = models.info(args.model)
    C, H, W = args.input or info.input_shape
    model = models.create(args.model, in_channels=None if C == info.input_shape[0] else C)
    print(table(summary(model, (C, H, W), args.training), args.stages))
    declared = summary(models.create(args.model), info.input_shape, bool(args.training)).params
    if declared != info.params:
        print(f"minicnn/models/{info.family}.py declares {info.params:,} parameters, but {declared:,} are counted", file=sys.stderr)
    print(info.summary, info.paper, *(map(told, info.published) if args.input is None else ()), sep="\n")


def told(result) -> str:
    """A published result in words."""
    errors = [f"top-{k} error {error:g} %" for k, error in ((1, result.top1_error), (5, result.top5_error)) if error is not None]
    doubt = "" if result.verified else "; recalled, not checked against the paper"
    return f"{result.data}: {', '.join(errors)} ({result.protocol}{doubt})"
