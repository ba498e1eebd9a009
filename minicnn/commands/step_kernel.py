"""walk one GPU thread, or a warp, through the lines of a CUDA kernel

examples:
  minicnn step-kernel conv2d                           thread 0 of the kernel that conv2d takes: lines, elements, values, costs
  minicnn step-kernel conv2d --algorithm naive --thread 13
  minicnn step-kernel conv2d --warp 0                  32 threads in step: sectors of memory, bank conflicts
  minicnn step-kernel conv2d --html walk.html          the same as a page, to step through with the arrow keys
  minicnn step-kernel conv2d --backward --launch gradient_x_tiles
  minicnn step-kernel max_pool2d --backward --element "g[0,0,1,2]"
                                                       who reads and writes an element
  minicnn step-kernel conv2d --case padding --dtype float64
  minicnn step-kernel adam                             an optimizer: its step

No GPU is needed: the kernel of the .cu file is compiled by g++ and runs on the CPU, thread by thread, whatever MINICNN_CUDA says. It tells
which elements are touched and in which order, not how long that takes. Linux with g++.

  launch     a call of a kernel: a grid of blocks of threads; an operation may make several
  warp       32 threads of a block, which a GPU runs in step; a lane is one of them
  phase      what lies between two barriers (__syncthreads): all threads of a block wait for one another there
  sector     32 bytes of memory; a load of a warp costs as many as its lanes touch: 4 where 32 floats are neighbours, up to 32
  bank       shared memory has 32; lanes that ask one bank for different words wait for one another: an n-way conflict

Exit status: 0, 1 where the emulator finds a fault in the kernel (a race, an access outside an array), 2 a mistake in the command line.
"""
import argparse
import sys
from pathlib import Path

from ._options import whole


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("operation", metavar="OPERATION", help="such as conv2d, relu, adam, or a folder of kernels/")
    what = parser.add_argument_group("what runs")
    what.add_argument("--case", metavar="WORD", help="a case of kernels/OPERATION/cases.py, or a word of its name (default the first)")
    what.add_argument("--algorithm", metavar="NAME", help="a rung of gpu.py, such as naive, im2col or tiles (default: its choice)")
    what.add_argument("--backward", action="store_true", help="the gradients, instead of the forward")
    what.add_argument("--dtype", choices=("float32", "float64"), default="float32", help="of the numbers (default float32)")
    who = parser.add_argument_group("what is shown of it")
    who.add_argument("--launch", metavar="N", help="which launch: its number, or the name of its kernel (default 1)")
    who.add_argument("--block", type=whole(0), default=0, metavar="N", help="the block that is recorded (default 0)")
    either = who.add_mutually_exclusive_group()
    either.add_argument("--thread", type=whole(0), metavar="N", help="the thread of the block to walk with (default 0)")
    either.add_argument("--warp", type=whole(0), metavar="N", help="walk with 32 threads in step instead")
    either.add_argument("--element", metavar="NAME[I,J,…]", help="who reads and who writes it, instead of a walk")
    who.add_argument("--steps", type=whole(0), default=60, metavar="N", help="of the walk to print, 0 for all (default 60)")
    output = parser.add_argument_group("output")
    output.add_argument("--html", metavar="FILE", help="write a page to step through, for any browser, instead of printing")
    output.add_argument("--overwrite", action="store_true", help="replace FILE where it exists")


def run(args: argparse.Namespace) -> int:
    from rich.console import Console

    from ..inspect.kernel_page import write_page
    from ..inspect.kernel_run import operation, run_kernels
    from ..inspect.kernel_text import parse_element, show_kernel
    from ..kernels.cuda.emulator import CudaError
    if args.html is not None and Path(args.html).exists() and not args.overwrite:
        raise ValueError(f"--html {args.html}: the file exists; choose another name, or add --overwrite")
    if args.overwrite and args.html is None:
        raise ValueError("--overwrite belongs to --html FILE")
    if args.html is not None and args.element is not None:
        raise ValueError("--element is for the terminal; in the page point at an element to see who touches it")
    try:
        found = run_kernels(operation(args.operation), case=args.case, algorithm=args.algorithm, backward=args.backward, block=args.block,
                            dtype=args.dtype)
    except CudaError as error:
        raise ValueError(str(error)) from error
    launch = found.launch(args.launch)
    last = {"--block": (args.block, launch.blocks), "--thread": (args.thread, launch.threads),
            "--warp": (args.warp, -(-launch.threads // 32))}
    for option, (given, there) in last.items():
        if given is not None and given >= there:
            raise ValueError(f"{option} {given}: {launch.name} has {there}, numbered from 0")
    element = parse_element(launch, args.element) if args.element is not None else None
    if args.html is not None:
        thread = args.thread if args.thread is not None else 32 * (args.warp or 0)
        write_page(args.html, found, launch, thread)
        print(f"{args.html}: {found.title}; open it in a browser, step with the arrow keys")
    else:
        console = Console(width=None if sys.stdout.isatty() else 150, soft_wrap=False)
        show_kernel(console, found, launch, thread=args.thread, warp=args.warp, element=element, steps=args.steps)
    if found.fault:
        print(f"minicnn step-kernel: {found.fault}", file=sys.stderr)
    return 1 if found.fault else 0
