"""Where a GPU's time goes: every launch of a kernel, and every product of cuBLAS, with its time, bytes and floating-point operations.

    found = profile_launches(step)                 step(): whatever launches kernels
    print(found.table(machine), *found.advice(machine), sep="\\n")

seconds    between two CUDA events around each launch. Of a kernel of some microseconds it is the time that a launch takes, not the kernel's
bytes      of all arrays that a launch is given, each once: the most that it has to move if caches hold what is used again, and if it
           touches all of them. What is both read and written counts once, so the bound in time is rather too low than too high
flops      of convolutions and products of matrices, two a multiply-add; what else computes is bound by its bytes

A launch that needs `bytes` and `flops` takes at least max(flops / peak, bytes / bandwidth): see roofline.py. What it takes beyond is what
a better kernel could save; and what the step takes beyond the sum of its kernels is Python, launches, and what CuPy computes by itself.
"""
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

from ..kernels import cuda
from ..kernels.cuda import chip
from ..kernels.cuda.launches import Launch, watching
from ..kernels.cuda.loader import is_array
from .roofline import Machine

# Of the kernels of conv2d: which argument has the outputs' size, and which the shape of the weights behind it (…, C, R, S).
CONVOLUTIONS = {"forward": (3, 1), "gradient_x": (0, 1), "gradient_weight": (1, 2)}
SIZES = {"float": 4, "double": 8}
SHORTEST = 5e-7                                        # seconds: what CUDA events resolve
NAMED = 3                                              # kernels that the advice names
EXPLAINED = ("Of one training step, as minicnn bench has it. ms: between CUDA events around each launch; MB: of all arrays that a launch "
             "is given, each once; GFLOP: of convolutions and products of matrices; beyond: what it takes more than these bytes and "
             "operations need.")


@dataclass
class Entry:
    """The launches of one kernel."""
    name: str
    launches: int = 0
    seconds: float = 0.0
    bytes: int = 0
    flops: int = 0

    def least(self, machine: Machine) -> float:
        """Seconds that the bytes or the operations take at least."""
        return machine.seconds(self.flops, self.bytes)

    def beyond(self, machine: Machine) -> float:
        """Seconds that a kernel at the roof would save."""
        return max(0.0, self.seconds - self.least(machine))


@dataclass
class Launches:
    """What `repeat` calls launched.  seconds: of one call, unobserved, the device waited for at both ends."""
    repeat: int = 1
    seconds: float = 0.0
    emulated: bool = False
    entries: dict[str, Entry] = field(default_factory=dict)
    _marks: list[tuple[Launch, Any, Any]] = field(default_factory=list)
    _started: Any = None

    def before(self, launch: Launch) -> None:
        self._started = chip.mark()

    def after(self, launch: Launch) -> None:
        end = chip.mark()
        entry = self.entries.setdefault(f"{launch.file} {launch.name}", Entry(f"{launch.file} {launch.name}"))
        entry.launches += 1
        entry.bytes += moved(launch)
        entry.flops += flops(launch)
        # a launch would keep its arrays alive, and the step would need more memory than it does
        kept = launch if launch.file == "optimizer/gpu.cu" else launch._replace(arguments=())
        self._marks.append((kept, self._started, end))

    def finish(self) -> None:
        """Read the marks, once the device has passed them, and the tables of the optimiser."""
        chip.synchronize()
        for launch, start, end in self._marks:
            entry = self.entries[f"{launch.file} {launch.name}"]
            entry.seconds += chip.between(start, end)
            if launch.arguments:
                entry.bytes += stepped(launch)
        self._marks.clear()

    def slowest(self) -> list[Entry]:
        return sorted(self.entries.values(), key=lambda entry: -entry.seconds)

    @property
    def in_kernels(self) -> float:
        """Seconds of one call in kernels."""
        return sum(entry.seconds for entry in self.entries.values()) / self.repeat

    def table(self, machine: Machine) -> str:
        """A line a kernel, of one call: launches, time, what it moves and computes, and its share of what the machine can do."""
        from rich import box
        from rich.table import Table

        from .table import render
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("kernel", no_wrap=True)
        for name in ("launches", "ms", "share", "MB", "GB/s", "of\nbandwidth", "GFLOP", "TFLOP/s", "of\npeak", "beyond\nms"):
            table.add_column(name, justify="right", no_wrap=True)
        for e in self.slowest():
            seconds, n = max(e.seconds, SHORTEST), self.repeat
            speed, rate = e.bytes / seconds, e.flops / seconds
            table.add_row(e.name, f"{e.launches / n:g}", f"{1e3 * e.seconds / n:,.3f}", f"{100 * e.seconds / n / self.in_kernels:.1f} %",
                          f"{e.bytes / n / 1e6:,.2f}", f"{speed / 1e9:,.1f}", f"{100 * speed / machine.bandwidth:.0f} %",
                          *((f"{e.flops / n / 1e9:,.3g}", f"{rate / 1e12:,.3g}", f"{100 * rate / machine.flops:.0f} %") if e.flops
                            else ("", "", "")), f"{1e3 * e.beyond(machine) / n:,.3f}")
        count = sum(e.launches for e in self.entries.values()) / self.repeat
        table.add_section()
        table.add_row("all kernels", f"{count:g}", f"{1e3 * self.in_kernels:,.3f}")
        table.add_row("the step, unobserved", "", f"{1e3 * self.seconds:,.3f}")
        return render(table)

    def advice(self, machine: Machine) -> list[str]:
        """What the next step is: the kernels that take most time beyond what their bytes and operations need, or what is between them."""
        lines = ["Emulated on the CPU: the launches, bytes and operations are those of a GPU, the times mean nothing."] * self.emulated
        between = self.seconds - self.in_kernels
        worst = sorted(self.entries.values(), key=lambda e: -e.beyond(machine))[:NAMED]
        told = [f"{e.name} {1e3 * e.beyond(machine) / self.repeat:,.3f} ms" for e in worst if e.beyond(machine) > 0]
        lines.append(f"Between the kernels: {1e3 * between:,.3f} ms of a step of {1e3 * self.seconds:,.3f} ms (Python, launches, what CuPy "
                     f"computes itself)." if between > 0 else "Between the kernels no time is lost: they take as long as the step.")
        largest = worst[0].beyond(machine) / self.repeat if worst else 0.0
        first = "the time between kernels comes first: fewer launches" if between > largest else "then the time between them"
        return [*lines, f"Next: most time beyond what bytes and operations need: {', '.join(told) or 'none'}; {first}."]


def moved(launch: Launch) -> int:
    """Bytes of the arrays that a launch is given."""
    return sum(a.nbytes for a in launch.arguments if is_array(a))


def flops(launch: Launch) -> int:
    """Floating-point operations of a convolution or a product of matrices; 0 for what is not counted."""
    a = launch.arguments
    if launch.file == "cuBLAS":
        return 2 * a[2].size * a[0].shape[-1]
    if launch.file == "matmul/gpu.cu":
        M, N, K = map(int, a[4:7])
        return 2 * len(a[3]) * M * N * K
    function = next((name for name in CONVOLUTIONS if launch.name.startswith(name)), None)
    if not launch.file.startswith("conv2d/") or function is None:
        return 0
    outputs, weight = (a[i] for i in CONVOLUTIONS[function])
    return 2 * outputs.size * prod(weight.shape[-3:])


def stepped(launch: Launch) -> int:
    """Bytes that an optimiser's launch reads and writes, from its table of pieces: numbers, and the addresses of weight, gradient and
    states; all are read, all but the gradient written.  0 where the arrays are arguments themselves."""
    pieces = launch.arguments[0]
    if not getattr(pieces, "shape", ()):
        return 0
    table = cuda.to_host(pieces)
    size = SIZES[launch.name.partition("<")[2].rstrip(">")]
    return int(size * (table[:, 0] * (2 * (table[:, 1:] != 0).sum(1) - 1)).sum())


def machine() -> Machine:
    """The GPU, measured: the product of two large matrices, in TF32 where that is allowed, and the copy of a large array."""
    return Machine(chip.product_peak(), chip.bandwidth())


def profile_launches(step: Callable[[], Any], repeat: int = 1) -> Launches:
    """step() as often as `repeat`, first unobserved for the time of all, then observed; and once before, in which kernels are compiled."""
    if repeat < 1:
        raise ValueError(f"profile_launches: repeat should be at least 1, got {repeat!r}")
    step()
    found = Launches(repeat, chip.timed(step, repeat) / repeat, cuda.emulated())
    with watching(found):
        for _ in range(repeat):
            step()
    found.finish()
    return found

