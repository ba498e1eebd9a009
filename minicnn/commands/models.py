"""list the architectures, all of them or those for a purpose

examples:
  minicnn models                                  all, by year: paper, parameters, multiply-adds, published accuracy
  minicnn models resnet                           those with this in their name
  minicnn models --for accuracy                   the most accurate first
  minicnn models --for mobile                     at most 600 million multiply-adds, the most accurate first
  minicnn models --for budget --params 10M --macs 1G --memory 100M
                                                  those that fit, the most accurate first
  minicnn summary resnet50                        the layers of one of them

Multiply-adds are those of convolutions and linear layers for one image. --for ranks by published accuracy on ImageNet and leaves out what
has none. resnet50 is the form that everybody uses, resnet50_v1 the paper's; *_seed_keras and *_d2l are widely copied listings.
"""
import argparse

MOBILE = 600e6                                   # multiply-adds: the "mobile setting" of the papers on small networks
UNITS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9}


def amount(text: str) -> float:
    """"1.5G" -> 1.5e9"""
    word = text.strip().lower().removesuffix("b").removesuffix("i")
    try:
        value = float(word.rstrip("kmg")) * UNITS[word[len(word.rstrip("kmg")):]]
    except (ValueError, KeyError):
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected an amount such as 600M or 1.5G, got {text!r}")
    return value


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("word", nargs="?", metavar="WORD", help="only architectures with this in their name or family")
    parser.add_argument("--for", dest="purpose", choices=("accuracy", "mobile", "budget"), help="what they are wanted for")
    limits = parser.add_argument_group("limits, each with k, M or G")
    limits.add_argument("--macs", type=amount, metavar="N", help="multiply-adds for one image")
    limits.add_argument("--params", type=amount, metavar="N", help="parameters")
    limits.add_argument("--memory", type=amount, metavar="BYTES", help="weights and activations of one image, as training keeps them")


def run(args: argparse.Namespace) -> None:
    from .. import models
    from ..models.budget import fitting, memory, rank, result
    limits = {"macs": args.macs, "params": args.params, "memory": args.memory}
    if args.purpose == "budget" and not any(limits.values()):
        raise ValueError("--for budget needs a limit: --macs, --params or --memory, such as --params 10M")
    if args.purpose == "mobile":
        limits["macs"] = min(MOBILE, args.macs or MOBILE)
    word = (args.word or "").lower()
    every = {name: models.info(name) for name in models.names(aliases=True)}
    inside = {m.name for name, m in every.items() if f"_{name.lower()}".find(f"_{word}") >= 0 or f"_{m.family}".find(f"_{word}") >= 0}
    inside = inside or {m.name for name, m in every.items() if word in name.lower()}
    if not inside:
        models.info(args.word)                                            # says which name is near
    found = fitting(sorted(inside), **limits)
    unranked = [info.name for info in found if not result(info)] if args.purpose else []
    if found and len(unranked) == len(found):
        some = ", ".join(unranked[:5]) + (" …" if len(unranked) > 5 else "")
        raise ValueError(f"of {some} no accuracy on ImageNet is published, by which they could be ranked; to see them leave out "
                         f"--for {args.purpose}")
    if not found:
        least = min((models.info(name) for name in inside), key=lambda info: (info.macs, info.name))
        raise ValueError(f"nothing fits; the smallest, {least.name}, has {least.params:,} parameters and {least.macs:,} multiply-adds and "
                         f"takes {memory(least.name):,} bytes for one image")
    if args.purpose or any(limits.values()):
        found = [info for info in found if result(info)] if args.purpose else found
        found.sort(key=rank)
    else:
        found.sort(key=lambda info: (info.year, info.family, info.macs))
    print(listed(found, bool(args.purpose)))
    papers = dict.fromkeys(info.paper for info in found)
    if len(papers) <= 12:
        print(*papers, sep="\n")
    if unranked:
        print(f"Left out, since no accuracy on ImageNet is published: {len(unranked)}; without --for they are listed.")
    print("Accuracies are published ones, and compare only where they were measured alike; ? is recalled, not checked against the paper.")


def short(count: float) -> str:
    """25_557_032 -> 25.6 M"""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return str(count)


def listed(found: list, divided: bool) -> str:
    """A line an architecture.  divided: a line between results that compare and those that were measured otherwise."""
    from rich import box
    from rich.table import Table

    from ..inspect.table import render, shape_text
    from ..models.budget import comparable, result
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("year", "by", "name", "params", "mult-adds", "image", "top-1 %", "measured on"):
        table.add_column(name, justify="right" if name in ("params", "mult-adds", "image", "top-1 %") else "left", no_wrap=True)
    for info in found:
        shown = result(info) or next(iter(info.published), None)
        if divided and not comparable(shown):
            table.add_section()
            divided = False
        accuracy = "" if shown is None or shown.top1_error is None else f"{100 - shown.top1_error:.1f}" + (" " if shown.verified else "?")
        measured = "" if shown is None else f"{shown.data}, {shown.protocol}"
        measured = measured if len(measured) <= 48 else measured[:47] + "…"
        name = f"{info.name} ({', '.join(info.aliases)})" if info.aliases else info.name
        author = info.paper.partition(",")[0].partition(":")[0]
        table.add_row(str(info.year), author, name, short(info.params), short(info.macs), shape_text(info.input_shape), accuracy, measured)
    return render(table)
