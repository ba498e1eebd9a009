"""measure a trained network again

examples:
  minicnn evaluate runs/lenet5-1                         on the test images of the run's own data
  minicnn evaluate runs/lenet5-1 --data my_images.npz    on the test images of an archive

Prints loss, accuracy, and for each class how many of its images were right and what the others were taken for.
"""
import argparse

from ._options import add_backend, add_device, add_threads, set_threads


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder")
    parser.add_argument("--data", metavar="NAME|FILE.npz", help="other data than the run's")
    add_backend(parser)
    add_device(parser)
    add_threads(parser)


def run(args: argparse.Namespace) -> None:
    from .. import data
    from ..device import use_backend
    from ..training import RunFolder, evaluate, evaluation_loader, load_run
    set_threads(args)
    config, model, training_part, test_part = load_run(RunFolder(args.run), same_data=args.data is None, device=args.device)
    if args.data is not None:
        test_part = data.load(args.data)[1]
        for what, given, wanted in (("classes", len(test_part.classes), len(training_part.classes)),
                                    ("channels", test_part.images.shape[1], training_part.images.shape[1])):
            if given != wanted:
                raise ValueError(f"{args.data} has {given} {what}, the network of {args.run} was trained on {wanted}")
    with use_backend(args.backend or config.backend):
        measured = evaluate(model, evaluation_loader(test_part, config.recipe, config.device), device=config.device)
    for i, (name, row) in enumerate(zip(test_part.classes, measured.confusion)):
        wrong = [f"{test_part.classes[j]} ×{row[j]}" for j in row.argsort(kind="stable")[::-1] if j != i and row[j]]
        print(f"class {name}: {row[i]} of {row.sum()} right" + (f"; the others taken for {', '.join(wrong)}" if wrong else ""))
    print(f"{measured.images:,} images, loss {measured.loss:.4f}")
    print(f"test accuracy {100 * measured.accuracy:.1f}%")
