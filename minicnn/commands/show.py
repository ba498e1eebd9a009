"""show an operation in all its forms: formula, NumPy, Numba, CUDA

examples:
  minicnn show conv2d
  minicnn show max_pool2d     | less        page by page
"""
import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("operation", metavar="OPERATION", help="a folder of kernels/, such as conv2d")


def run(args: argparse.Namespace) -> None:
    from ..inspect import show
    show(args.operation)
