"""time and memory of a network, operation by operation, and what the machine could do

examples:
  minicnn profile lenet5
  minicnn profile resnet18 --batch 4 --by module         layer by layer
  minicnn profile resnet18 --batch 4 --chart roof.png    the roofline as a picture
  minicnn profile lenet5 --batch 256 --backend reference --no-roofline
  minicnn profile resnet18 --batch 256 --device cuda --tf32 on
                                                         on a GPU: a training step, kernel by kernel, and what to make faster next
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
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cuda: the kernels of a training step on a GPU")
    parser.add_argument("--tf32", choices=("on", "off"), help="on a GPU, whether tensor cores may round factors to TF32 (default off)")
    add_backend(parser)
    add_threads(parser)


def run(args: argparse.Namespace) -> None:
    if args.device == "cuda":
        return on_gpu(args)
    if args.tf32:
        raise ValueError("--tf32 is for --device cuda; a CPU has no TF32")
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


def on_gpu(args: argparse.Namespace) -> None:
    """The training step that `minicnn bench` measures, launch by launch."""
    import numpy as np

    from .. import models
    from ..bench.on_gpu import available
    from ..bench.ours import network, Step
    from ..inspect import launches
    from ..kernels import cuda
    from ..kernels.cuda import chip
    given = [option for option, value in (("--backend", args.backend), ("--chart", args.chart), ("--threads", args.threads),
                                          ("--no-roofline", args.no_roofline), ("--by module", args.by == "module")) if value]
    if given:
        raise ValueError(f"{given[0]} is for the CPU; on a GPU the kernels of a step are listed")
    available()
    info, rng = models.info(args.model), np.random.default_rng(0)
    cuda.allow_tf32(args.tf32 == "on")
    machine = launches.machine()
    images = rng.standard_normal((args.batch, *info.input_shape)).astype(np.float32)
    labels = rng.integers(0, 10, args.batch)                   # every network of the zoo has at least as many classes
    step = Step(network(args.model, args.batch, True).to("cuda"), images, labels, True)
    found = launches.profile_launches(step.run, args.repeat)
    print(found.table(machine))
    print(f"{chip.describe()['name']}, TF32 {args.tf32 or 'off'}; measured: {machine.flops / 1e12:.2f} TFLOP/s in products of "
          f"matrices, {machine.bandwidth / 1e9:,.0f} GB/s", launches.EXPLAINED, *found.advice(machine), sep="\n")
