"""time and memory of a network, operation by operation

examples:
  minicnn profile lenet5
  minicnn profile lenet5 --batch 256 --backend reference
"""
import argparse

from ._options import add_backend, add_threads, set_threads, whole


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a name from `minicnn models`")
    parser.add_argument("--batch", type=whole(1), default=32, metavar="N", help="images in the batch (default 32)")
    add_backend(parser)
    add_threads(parser)


def run(args: argparse.Namespace) -> None:
    from .. import models, randn
    from ..device import get_backend, use_backend
    from ..inspect import profile_model
    set_threads(args)
    info = models.info(args.model)
    with use_backend(args.backend or get_backend()):
        print(profile_model(models.create(args.model), randn(args.batch, *info.input_shape)))
