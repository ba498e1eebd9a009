"""hold gradients against finite differences

examples:
  minicnn gradcheck conv2d               an operation, on each of its test cases
  minicnn gradcheck lenet5               a whole network: its input and every parameter
  minicnn gradcheck resnet50             a large one: along random directions of all parameters at once
  minicnn gradcheck                      every operation
  minicnn gradcheck conv2d --backend reference
"""
import argparse

from ._options import add_backend, number, whole


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", metavar="NAME", nargs="*", help="operations, or models")
    parser.add_argument("--seed", type=whole(0), default=0, metavar="N", help="of the random numbers")
    parser.add_argument("--tolerance", type=number(0), metavar="E", help="largest relative error (default 1e-6, for models 1e-5)")
    parser.add_argument("--verbose", action="store_true", help="show what was found for every input")
    add_backend(parser)


def run(args: argparse.Namespace) -> int:
    import difflib

    from .. import models
    from ..checks import check_model, check_operation, operations
    from ..device import get_backend, use_backend
    backend = args.backend or get_backend()
    options = {"seed": args.seed, **({} if args.tolerance is None else {"tolerance": args.tolerance})}
    known = [*operations(), *models.names(aliases=True)]
    for name in args.names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise ValueError(f"there is neither an operation nor a model {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    failed = 0
    for name in args.names or operations():
        if name in operations():
            reports = list(check_operation(name, backend, **options))
        else:
            with use_backend(backend):
                reports = [("", check_model(name, **options))]
        bad = [(case, report) for case, report in reports if not report]
        worst = max((report.error for _, report in reports), default=0.0)
        cases = f"{len(reports)} cases, " if name in operations() else ""
        print(f"{'FAILED' if bad else 'passed'}  {name}: {cases}largest error {worst:.1e}", flush=True)
        for case, report in (reports if args.verbose else bad):
            print("\n".join("  " + text for text in f"{case}: {report}".splitlines()))
        failed += bool(bad)
    return 1 if failed else 0
