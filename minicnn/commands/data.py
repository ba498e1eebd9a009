"""list the data sets, and look at one

examples:
  minicnn data                       what comes with minicnn
  minicnn data my_images.npz         checks an archive of your own, and counts its classes
  minicnn data mnist5k --out digits.png      draws the first images of each class
"""
import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="NAME|FILE.npz", nargs="?")
    parser.add_argument("--out", metavar="FILE.png", help="draw ten training images of each class")


def run(args: argparse.Namespace) -> None:
    from .. import data
    if args.out is not None and args.data is None:
        raise ValueError("--out needs a data set: minicnn data mnist5k --out digits.png")
    for name in [args.data] if args.data is not None else data.names():
        parts = data.load(name)
        C, H, W = parts[0].images.shape[1:]
        print(f"{name}: {len(parts[0].classes)} classes, images of {C}×{H}×{W}")
        for part, found in zip(("training", "test"), parts):
            print(f"  {part:<8} {len(found):>6,} images; of each class {found.counts.min():,}" +
                  (f" to {found.counts.max():,}" if found.counts.min() != found.counts.max() else ""))
        if args.out is not None:
            draw(parts[0], args.out)


def draw(dataset, path: str) -> None:
    """A row a class."""
    from pathlib import Path

    import numpy as np
    from PIL import Image
    if Path(path).exists():
        raise FileExistsError(f"{path} exists and is not overwritten; choose another --out")
    C, H, W = dataset.images.shape[1:]
    sheet = np.zeros((len(dataset.classes) * H, 10 * W, C), np.uint8)
    for label in range(len(dataset.classes)):
        for i, image in enumerate(dataset.images[dataset.labels == label][:10]):
            sheet[label * H:(label + 1) * H, i * W:(i + 1) * W] = image.transpose(1, 2, 0)
    Image.fromarray(sheet[:, :, 0] if C == 1 else sheet).save(path)
    print(f"  drawn: {path}")
