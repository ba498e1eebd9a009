"""Run the cases of every operation on device "cuda" once, for tools that watch: compute-sanitizer, a debugger, a profiler.

    compute-sanitizer --tool memcheck python -m tests.cuda.every_case
    python -m tests.cuda.every_case --op conv2d --cases 5 --dtype float32

Each case of kernels/*/cases.py goes forward and backward, or makes its step, in each form that gpu.py has. No result is compared: that is
what test_kernels.py does. On a GPU CuPy's pool is off: each array is an allocation of its own, so that a tool sees what lies outside.
"""
import argparse
import sys
import time

import numpy as np

from minicnn import kernels
from minicnn.kernels import cuda
from minicnn.kernels.cuda import chip

from ..test_kernels import outputs, Subject, SUBJECTS


def forms(subject: Subject) -> list[dict]:
    """The keywords of each form: the one that gpu.py chooses, and each of the others."""
    return [{}, *({"algorithm": name} for name in getattr(kernels.module(subject.op, "gpu"), "ALGORITHMS", ()))]


def run(subject: Subject, dtype: str, extra: dict) -> None:
    """Forward and backward, or the step.  Arrays go when this returns."""
    kernel = kernels.load(subject.op, "cupy")
    arrays = [None if a is None else cuda.to_device(a) for a in subject.copies(dtype)]
    if subject.steps:
        kernel.step(*arrays, **subject.case.options)
        return
    found, saved = kernel.forward(*arrays, **subject.case.options, **extra)
    upstream = np.random.default_rng(0).standard_normal(outputs(found)[0].shape).astype(dtype)
    kernel.backward(cuda.to_device(upstream), saved, subject.needs)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cuda.every_case", description=(__doc__ or "").partition("\n")[0],
                                     epilog=(__doc__ or "").partition("\n")[2], formatter_class=argparse.RawDescriptionHelpFormatter)
    ops = sorted({subject.op for subject in SUBJECTS})
    parser.add_argument("--op", action="append", choices=ops, metavar="NAME", help="only this operation; can be repeated")
    parser.add_argument("--cases", type=int, metavar="N", help="only the first N cases of each operation")
    parser.add_argument("--dtype", choices=("float32", "float64"), help="only this type; both by default")
    args = parser.parse_args(words)
    if args.cases is not None and args.cases < 1:
        parser.error(f"--cases: expected a number from 1 on, got {args.cases}")
    if not cuda.available():
        print("every_case: there is no GPU that CuPy can use; MINICNN_CUDA=emulated runs on the CPU", file=sys.stderr)
        return 2
    if not cuda.emulated():
        import cupy                                   # pyright: ignore[reportMissingImports]
        cupy.cuda.set_allocator(None)
    total = 0
    for op in args.op or ops:
        start, count = time.perf_counter(), 0
        for subject in [s for s in SUBJECTS if s.op == op][:args.cases]:
            for dtype in (args.dtype,) if args.dtype else ("float32", "float64"):
                for extra in forms(subject):
                    if extra.get("algorithm") == "tensor_cores" and dtype != "float32":
                        continue                      # they multiply float32
                    try:
                        run(subject, dtype, extra)
                        chip.synchronize()            # an error belongs to the case that made it
                    except Exception as error:        # noqa: BLE001  whatever it is, which case it was is told
                        print(f"every_case: {subject}, {dtype}, {extra or 'as chosen'}: {type(error).__name__}: {error}", file=sys.stderr)
                        return 1
                    count += 1
        total += count
        print(f"{op}: {count} runs, {time.perf_counter() - start:.1f} s", flush=True)
    print(f"all: {total} runs of {len(args.op or ops)} operations")
    return 0


if __name__ == "__main__":
    sys.exit(main())
