"""What a benchmark on a GPU found, in words: which GPU and versions, how it was measured; tables for TF32 on and off."""
from collections.abc import Sequence
from typing import Any

from . import machine
from .networks import geometric_mean, Result, Settings
from .report import disturbances, network_table, TF32

GOAL = 1.2                               # minicnn's time over the faster of PyTorch's layouts, geometric mean, with TF32
FASTER = 1.5                             # what TF32 makes of a product at least, where there are tensor cores


def gpu_tables(results: Sequence[Result]) -> str:
    """A table for each setting of TF32."""
    parts = [(word, [r for r in results if r.tf32 == tf32]) for tf32, word in TF32.items()]
    return "\n\n".join(f"{word}\n{network_table(some)}" for word, some in parts if any(r.timings for r in some))


def gpu_notes(results: Sequence[Result], settings: Settings, peaks: dict[str, float]) -> list[str]:
    """The GPU first; how it was measured; against the faster layout; what was left out."""
    first = next((result for result in results if result.timings), None)
    environments = {timing.label: timing.environment for timing in first.timings} if first else {}
    step = "a training step: forward, backward, SGD with momentum" if settings.training else "a forward in evaluation"
    notes = [gpu_line(environments)]
    if emulated(environments):
        notes.append("The emulator says nothing about speed: these times, ratios and peaks mean nothing." +
                     " PyTorch ran on the CPU." * (len(environments) > 1))
    notes.append(f"{step}; dropout off in every engine; ÷: minicnn's time over the other's, below 1 minicnn is faster. Medians of "
                 f"{settings.rounds} rounds, in which the engines took turns in processes of their own; a turn's time is from an idle GPU "
                 "to an idle GPU, over its steps. PyTorch: eager, cudnn.benchmark, NHWC: channels_last. of peak: the operations of "
                 "convolutions and linear layers, of what a product of two large matrices reached in the same round. MiB: of the GPU, held "
                 "for arrays.")
    notes.append(f"measured: {peaks['flops'] / 1e12:.2f} TFLOP/s in products of float32, {peaks['tf32'] / 1e12:.2f} in TF32, "
                 f"{peaks['bandwidth'] / 1e9:,.0f} GB/s read and written by a copy.")
    if not emulated(environments) and peaks["tf32"] < FASTER * peaks["flops"]:
        notes.append(f"TF32 made the product of matrices less than {FASTER} times as fast: cuBLAS does not seem to use it here.")
    notes += against_the_faster(results)
    notes += [f"{result.model}: {result.skipped}" for result in unique(results)]
    notes += disturbances({f"{result.model}, {TF32[bool(result.tf32)]}": result.disturbed for result in results})
    return notes


def gpu_line(environments: dict[str, dict[str, Any]]) -> str:
    """The GPU, its driver and clocks, the versions of CUDA, CuPy, PyTorch and cuDNN."""
    gpu, system = environments.get("minicnn", {}).get("gpu", {}), machine.system()
    smi = {} if gpu.get("emulated") else machine.nvidia_smi()
    words = [gpu.get("name", "no GPU")]
    if gpu.get("multiprocessors"):
        words.append(f"{gpu['multiprocessors']} multiprocessors, compute capability {gpu['compute_capability']}, "
                     f"{gpu['total'] / 2 ** 30:.0f} GiB")
    words += [f"{name.replace('_', ' ')} {value}" for name, value in smi.items() if name != "name"]
    words += [f"{title} {gpu[name]}" for name, title in (("cuda_driver", "driver for CUDA"), ("cuda", "CUDA"), ("nvrtc", "NVRTC"),
                                                         ("cupy", "CuPy")) if gpu.get(name)]
    other = environments.get("torch NCHW", {})
    if other:
        words.append(f"PyTorch {other['version']}")
        theirs = other.get("gpu", {})
        words += [f"its {title} {theirs[name]}" for name, title in (("cuda", "CUDA"), ("cudnn", "cuDNN")) if theirs.get(name)]
    return f"{', '.join(words)}; {system['processor']}, {system['cores']} cores, Python {system['python']}."


def emulated(environments: dict[str, dict[str, Any]]) -> bool:
    return bool(environments.get("minicnn", {}).get("gpu", {}).get("emulated"))


def against_the_faster(results: Sequence[Result]) -> list[str]:
    """The geometric mean of minicnn's time over that of PyTorch's faster layout, network by network."""
    lines = []
    for tf32, word in TF32.items():
        ratios = [max(r.ratio(i) for i in range(1, len(r.timings))) for r in results if r.tf32 == tf32 and len(r.timings) > 1]
        if ratios:
            goal = f" (the goal is at most {GOAL})" if tf32 else ""
            lines.append(f"{word}: minicnn over the faster of PyTorch's layouts: geometric mean {geometric_mean(ratios):.2f}{goal}, "
                         f"largest {max(ratios):.2f}, over {len(ratios)} networks.")
    return lines


def unique(results: Sequence[Result]) -> list[Result]:
    """Those that were skipped; with TF32 and without for the same reason once."""
    return list({(r.model, r.skipped): r for r in results if r.skipped}.values())
