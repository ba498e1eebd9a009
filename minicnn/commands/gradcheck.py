"""hold gradients against finite differences

examples:
  minicnn gradcheck                                    every operation, on its test cases and on random ones, and every layer
  minicnn gradcheck conv2d max_pool2d                  some of them
  minicnn gradcheck nn.BatchNorm2d                     a layer with its parameters, in training and in evaluation
  minicnn gradcheck activation                         a family: all that `minicnn show activation` shows
  minicnn gradcheck conv2d --backend reference --drawn 50
  minicnn gradcheck --device cuda                      everything on a GPU
  minicnn gradcheck resnet50                           a network, on the smallest images that it learns from; --full: the paper's
  minicnn gradcheck my_layers.py:conv_forward,conv_backward --like conv2d
                                                       your pair of NumPy functions, in the place of an operation
  minicnn gradcheck my_layers.py:f,f_backward --shape 3x4 --shape 4x2
                                                       on random inputs of these shapes
  minicnn gradcheck my_layers.py:f --shape 3x4         a function of Tensors, a class derived from Op, a layer (nn.Module)
  minicnn gradcheck --json report.json --pictures wrong

A file of yours is run to get at its functions, as `import` would run it; nothing else is. A pair is called as the operation's kernels are,

  conv_forward(x, weight, bias, *, stride, padding, dilation, groups) -> y                                 minicnn show conv2d
  conv_backward(grad_output, x, weight, bias, *, stride, …) -> grad_x, grad_weight, grad_bias

with arrays of float64, None for an absent one, pairs (2, 2) for stride and dilation, ((top, bottom), (left, right)) for padding. Options
that yours does not have are left at their plainest, one with a number as its default (stride=1) gets a number, and cases for which yours
raises NotImplementedError are left out.

Exit status: 0 all agree, 1 some do not, 2 a mistake in the command line or in your file, 130 stopped by Ctrl-C.
"""
import argparse

from ._options import number, whole


def shape(text: str) -> tuple[int, ...]:
    """"3x4" -> (3, 4)"""
    try:
        sizes = tuple(int(n) for n in text.replace("×", "x").replace(",", "x").split("x"))
    except ValueError:
        sizes = (0,)
    if min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"expected sizes such as 3x4, each at least 1, got {text!r}")
    return sizes


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", metavar="NAME", nargs="*", help="operations, families, models, or FILE.py:FUNCTION[,BACKWARD]")
    parser.add_argument("--backend", choices=("numba", "reference"), action="append", help="kernels on the CPU: fast, or NumPy, to be "
                        "read; may be given twice (default: operations on both, models and functions of yours on the fast ones)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cuda: the CUDA kernels, on a GPU or in the emulator "
                        "(MINICNN_CUDA=emulated)")
    parser.add_argument("--drawn", type=whole(0), metavar="N", help="random cases for each operation, besides its own (default 4)")
    parser.add_argument("--seed", type=whole(0, 1 << 32), default=0, metavar="N", help="of the random numbers (default 0)")
    parser.add_argument("--tolerance", type=number(0), metavar="E", help="largest relative error (default 1e-6, for models 1e-5)")
    parser.add_argument("--second", action="store_true", help="second order: the gradients of the gradients, instead")
    parser.add_argument("--full", action="store_true", help="models at the size of their paper")
    own = parser.add_argument_group("for functions of your own; the file is run")
    own.add_argument("--like", metavar="OPERATION", help="the operation that the function should be: its cases are the inputs, and "
                     "its results are compared too")
    own.add_argument("--shape", type=shape, action="append", metavar="NxM", help="of a random input; once for each")
    output = parser.add_argument_group("output")
    output.add_argument("--json", metavar="FILE.json", help="all reports as JSON; - for standard output, the table then goes to stderr")
    output.add_argument("--pictures", metavar="DIR", help="a picture of each failure; nothing there is overwritten")
    shown = output.add_mutually_exclusive_group()
    shown.add_argument("--quiet", action="store_true", help="only what failed")
    shown.add_argument("--verbose", action="store_true", help="what was found for every input of every case")


def run(args: argparse.Namespace) -> int:
    from ._gradcheck_output import Output
    from ._gradcheck_tasks import tasks
    output = Output(args)
    todo = tasks(args)
    stopped = False
    with output.bar(todo):
        try:
            for task in todo:
                output.begin(task)
                for case, report in task.run():
                    output.found(case, report)
                output.end()
        except KeyboardInterrupt:
            stopped = True
            output.end(stopped)
    output.finish(stopped, sum(task.size for task in todo))
    return 130 if stopped else 1 if output.failed else 0
