"""let a trained network read images

examples:
  minicnn predict runs/lenet5-1 seven.png          prints the digit and how sure the network is
  minicnn predict runs/lenet5-1 photos/*.jpg       several images, of any size

An image for a network of grey images is made like those of MNIST: light ink on a dark background (a dark drawing on light paper is
inverted, which is said), cut out, scaled to 20×20 pixels, and set so that its centre of mass is the centre of the image.
"""
import argparse
from pathlib import Path

from ._options import add_backend, add_device


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="PNG, JPEG or any other image that Pillow reads")
    parser.add_argument("--as-is", action="store_true", help="only resize the image: no inverting, cutting out and centring")
    add_backend(parser)
    add_device(parser)


def run(args: argparse.Namespace) -> None:
    import numpy as np

    from .. import Tensor, no_grad
    from .. import functional as F
    from ..data.picture import read_picture
    from ..device import move, use_backend
    from ..training import RunFolder, load_run, transforms
    config, model, training_part, _ = load_run(RunFolder(args.run), same_data=False, device=args.device)
    C, H, W = training_part.images.shape[1:]
    pictures = [read_picture(path, C, H, W, as_is=args.as_is) for path in args.images]       # all are read before any answer is printed
    prepare = transforms(config.recipe, training=False)
    for path, (picture, steps) in zip(args.images, pictures):
        images = np.ascontiguousarray(prepare(picture[None]))
        with use_backend(args.backend or config.backend), no_grad():
            outputs = F.softmax(model(Tensor(images, device=config.device)), 1)
        show(Path(path).name, steps, move(outputs.data, config.device, "cpu")[0], training_part.classes)


def show(name: str, steps: list[str], probabilities, classes: tuple[str, ...]) -> None:
    """The answer, and a bar for each class that has at least a percent, the most probable first."""
    order = (-probabilities).argsort(kind="stable")
    print(f"{name}: {classes[order[0]]}" + (f"   ({', '.join(steps)})" if steps else ""))
    width = max(map(len, classes))
    for label in order[:5]:
        if probabilities[label] >= 0.01 or label == order[0]:
            print(f"  {classes[label]:>{width}}  {'█' * max(1, round(40 * float(probabilities[label])))} {100 * probabilities[label]:.1f}%")
