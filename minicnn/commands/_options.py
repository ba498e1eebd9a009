"""Options that several commands share, and how their values are checked."""
import argparse
import math


def whole(low: int, high: int = 1 << 62):
    """An argument type: a whole number of at least `low`."""
    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r}") from None
        if not low <= value < high:
            bounds = f"of at least {low}" if value < low else f"below {high}"
            raise argparse.ArgumentTypeError(f"expected a whole number {bounds}, got {text}")
        return value
    return convert


def number(low: float, inclusive: bool = False, below: float = math.inf):
    """An argument type: a number above `low` (or from it on, if inclusive), and below `below`."""
    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected a number, got {text!r}") from None
        if not (value > low or inclusive and value == low) or not value < below:
            bounds = f"{'of at least' if inclusive else 'above'} {low:g}" + (f" and below {below:g}" if below < math.inf else "")
            raise argparse.ArgumentTypeError(f"expected a number {bounds}, got {text}")
        return value
    return convert


def add_backend(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backend", choices=("numba", "reference"), help="kernels on the CPU: fast (the default), or NumPy, to be read")


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", choices=("cpu", "cuda"), help="another than the run was trained on")


def add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=whole(1), metavar="N", help="threads of the kernels; the results do not depend on it")


def set_threads(args: argparse.Namespace) -> None:
    if args.threads is not None:
        from .. import set_num_threads
        set_num_threads(args.threads)
