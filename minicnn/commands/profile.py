"""time and memory of a network, operation by operation, and what the machine could do

examples:
  minicnn profile lenet5
  minicnn profile resnet18 --batch 4 --by module         layer by layer
  minicnn profile resnet18 --batch 4 --chart roof.png    the roofline as a picture
  minicnn profile lenet5 --batch 256 --backend reference --no-roofline
"""
import argparse
from pathlib import Path

from ._options import add_backend, add_threads, set_threads, whole


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a name from `minicnn models`")
    parser.add_argument("--batch", type=whole(1), default=32, metavar="N", help="images in the batch (default 32)")
    parser.add_argument("--by", choices=("op", "module"), default="op", help="a line an operation (the default), or a layer")
    parser.add_argument("--repeat", type=whole(1), default=1, metavar="N", help="forwards and backwards that are added up (default 1)")
    parser.add_argument("--no-roofline", action="store_true", help="times and memory alone, not what the machine could do")
    parser.add_argument("--chart", metavar="FILE", help="the roofline as a picture (.png, .svg, .pdf)")
    add_backend(parser)
    add_threads(parser)


def run(args: argparse.Namespace) -> None:
    from .. import models, randn
    from ..device import get_backend, use_backend
    from ..inspect import Machine, profile_model, roofline
    if args.chart and (Path(args.chart).exists() or Path(args.chart).suffix not in (".png", ".svg", ".pdf")):
        wrong = "exists and is not overwritten" if Path(args.chart).exists() else "is no picture: the name should end in .png, .svg or .pdf"
        raise ValueError(f"--chart: {args.chart} {wrong}; choose another name")
    set_threads(args)
    info = models.info(args.model)
    machine = Machine.measured() if args.chart or not args.no_roofline else None
    with use_backend(args.backend or get_backend()):
        found = profile_model(models.create(args.model), randn(args.batch, *info.input_shape), args.repeat)
    print(found.table(args.by, None if args.no_roofline else machine))
    if machine is not None:
        print(f"measured: {machine}", *[roofline.EXPLAINED] * (not args.no_roofline), sep="\n")
        if args.chart:
            roofline.draw(found, machine, args.chart, f"{info.name}, a batch of {args.batch}")
            print(f"chart: {args.chart}")
