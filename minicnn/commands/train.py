"""train a network on labelled images, and measure it

examples:
  minicnn train lenet5                              5,000 handwritten digits that come with minicnn, by the model's own recipe
  minicnn train lenet5 --epochs 5 --lr 0.01         the same with changes
  minicnn train lenet5 --data my_images.npz         your images: train_images, train_labels, test_images, test_labels
  minicnn train lenet5 --out runs/first             where to write; by default runs/MODEL-1, -2 …
  minicnn train --resume runs/lenet5-1              go on after Ctrl-C, bit for bit as if never stopped

The recipe is the paper's, fitted to the images at hand: a network made for photographs of 224×224 gets small images at a smaller size, in
smaller batches. All of it is written to config.json in the run folder. `minicnn models` lists the networks.

A tenth of the training images is held out (the same ones whatever the seed); the weights that do best on them are kept, and the test
images are looked at once, at the end.
"""
import argparse
from dataclasses import replace

from ._options import add_backend, add_threads, number, set_threads, whole

RECIPE = {"epochs": "epochs", "batch_size": "batch_size", "lr": "lr", "optimizer": "optimizer", "momentum": "momentum",
          "weight_decay": "weight_decay", "schedule": "schedule", "image_size": "image_size"}

SCHEDULE = ("of the learning rate, after the warm-up: constant; step: ×0.1 after each third of the epochs; multi_step: ×0.1 at 1/2 "
            "and 3/4 of them; exponential: evenly down to 1%% of the start; cosine: half a wave down to 0; polynomial: straight down to 0; "
            "one_cycle: up, then far down")


def arguments(parser: argparse.ArgumentParser) -> None:
    from ..models.recipe import OPTIMIZERS, SCHEDULES
    parser.add_argument("model", metavar="MODEL", nargs="?", help="a name from `minicnn models`")
    recipe = parser.add_argument_group("instead of what the model's recipe says")
    recipe.add_argument("--epochs", type=whole(1), metavar="N", help="passes over the training images")
    recipe.add_argument("--batch-size", type=whole(1), metavar="N", help="images a step")
    recipe.add_argument("--lr", type=number(0), metavar="RATE", help="learning rate")
    recipe.add_argument("--optimizer", choices=OPTIMIZERS)
    recipe.add_argument("--momentum", type=number(0, True, 1), metavar="M", help="of sgd and rmsprop")
    recipe.add_argument("--weight-decay", type=number(0, True), metavar="D")
    recipe.add_argument("--schedule", choices=SCHEDULES, help=SCHEDULE)
    recipe.add_argument("--image-size", type=whole(1), metavar="N", help="the side to which images are brought (default: the recipe's, or "
                        "the least in steps of 32 that the network takes, for images that are much smaller)")
    recipe.add_argument("--no-augment", action="store_true", default=None, help="show the images as they are, without distortions")
    parser.add_argument("--seed", type=whole(0), metavar="N", help="of weights, order, distortions and dropout (default 0)")
    parser.add_argument("--data", metavar="NAME|FILE.npz", help="a data set of `minicnn data`, or your own archive (default mnist5k)")
    parser.add_argument("--device", metavar="NAME", help="cpu (the default) or cuda")
    add_backend(parser)
    add_threads(parser)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--out", metavar="DIR", help="the run folder; it must not exist, or be empty")
    where.add_argument("--resume", metavar="RUN", help="go on with a run that was stopped, by its own options")
    parser.add_argument("--plain", action="store_true", help="no live bar, a line an epoch")


def run(args: argparse.Namespace) -> int:
    from ..training import RunFolder, Stopped, load_config
    from ..training.progress import shown
    set_threads(args)
    if args.resume is not None:
        run = RunFolder(args.resume)
        config = load_config(run)
        check_nothing_changes(args, config)
    else:
        config = configuration(args)
        check(config)
        values = config.as_dict()
        run = RunFolder.numbered("runs", args.model, values) if args.out is None else RunFolder.create(args.out, values)
    from ..training import train
    if run.result is None:
        with shown(args.plain) as progress:
            progress.note(f"{config.model} on {config.data}, {told(config.recipe)}, seed {config.seed} → {run.path}")
            try:
                train(config, run, progress)
            except Stopped:
                progress.note(f"stopped; everything is saved. Go on: minicnn train --resume {run.path}")
                return 130
            except KeyboardInterrupt:
                progress.note(f"stopped at once; go on from the last checkpoint: minicnn train --resume {run.path}")
                return 130
    else:
        print(f"{run.path} is finished; its result:")
    result = run.result
    assert result is not None
    print(f"kept the weights of epoch {result['epoch']}, validation accuracy {result['validation_accuracy']:.2%}; all files in {run.path}")
    print(f"test accuracy {100 * result['test_accuracy']:.1f}%")
    print(f"go on:  minicnn predict {run.path} image.png\n        minicnn evaluate {run.path}")
    return 0


def told(recipe) -> str:
    """The length of a training in words."""
    size = f"{recipe.image_size}×{recipe.image_size} pixels, " if recipe.image_size else ""
    return f"{size}batches of {recipe.batch_size}, {recipe.epochs} epoch{'s' if recipe.epochs > 1 else ''}"


def configuration(args: argparse.Namespace):
    """The configuration that the command line asks for."""
    from ..device import get_backend, use_backend
    from ..training import configure
    if args.model is None:
        from .. import models
        raise ValueError(f"which model? There are: {', '.join(models.names(aliases=True))}; e.g. minicnn train lenet5")
    changes = {field: getattr(args, option) for option, field in RECIPE.items() if getattr(args, option) is not None}
    if args.no_augment:
        changes["augment"] = {}
    config = configure(args.model, data=args.data or "mnist5k", seed=args.seed or 0, device=args.device or "cpu", **changes)
    with use_backend(args.backend or get_backend()):
        return replace(config, backend=get_backend())


def check(config) -> None:
    """Make everything once before a run folder is, so that a mistake leaves none behind, show the network the shape of a batch as it will
    be trained, and see whether there is memory for it."""
    from .. import meta, no_grad
    from ..data import load
    from ..training import make_trainer, transforms
    training_part = load(config.data)[0]
    trainer = make_trainer(config, training_part)
    few = transforms(config.recipe, training=False)(training_part.images[:2])
    batch = min(config.recipe.batch_size, len(trainer.loader.dataset))
    shape = (batch, *few.shape[1:])
    with no_grad():
        trainer.model.train()(meta(shape))
    free, need = free_memory(config.device), needed_memory(trainer.model, shape)
    if free is not None and need > free:
        fits = max(1, int(batch * free / need / 2))
        raise ValueError(f"a batch of {batch} images of {'×'.join(map(str, shape[1:]))} needs about {need / 1e9:.1f} GB to be "
                         f"trained on, and {free / 1e9:.1f} GB are free; use a smaller --batch-size, such as {fits}, or a smaller "
                         f"--image-size")


def needed_memory(model, shape) -> float:
    """Bytes of a training step, about: what each operation gives out and the gradient of it, and for each weight four numbers."""
    from ..models.budget import given_out
    return 1.5 * given_out(model, shape) + 4 * sum(p.dtype.itemsize * p.numel() for p in model.parameters())


def free_memory(device: str) -> float | None:
    """Bytes that are free for programs, of a GPU, or on Linux of the host; None where that cannot be told."""
    if device == "cuda":
        from ..kernels.cuda import chip, emulated
        if not emulated():
            return chip.describe()["free"]
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            return 1024.0 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return None


def check_nothing_changes(args: argparse.Namespace, config) -> None:
    """A resumed run keeps its options: with others it would not be that run."""
    from .. import models
    names = (*RECIPE, "no_augment", "seed", "data", "device", "backend")
    given = [f"--{name.replace('_', '-')}" for name in names if getattr(args, name) is not None]
    if given:
        raise ValueError(f"--resume goes on with the run's own options, so {', '.join(given)} cannot be given; "
                         "leave that out, or start a new run")
    if args.model is not None and models.info(args.model).name != models.info(config.model).name:
        raise ValueError(f"{args.resume} is a run of {config.model}, not of {args.model}")
