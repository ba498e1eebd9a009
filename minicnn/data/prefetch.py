"""Batches on a GPU, prepared and copied there while the GPU works on those before.

A thread runs the loader. What it has prepared goes into page-locked memory of the host, from where the GPU can fetch it by itself while it
computes; from ordinary memory the driver would have to copy every page first, and the program would wait for it.
"""
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from ..kernels import cuda
from ..tensor import Tensor, tensor_of

AHEAD = 2                                 # batches that lie ready, or are being prepared, beside the one in use

Batches = Iterator[tuple[Tensor, Tensor]]


def prefetched(batches: Batches) -> Batches:
    """The batches of the CPU on device "cuda", in the same order.  What preparing one raises is raised in its place."""
    upload = cuda.Upload()

    def following() -> tuple[Tensor, Tensor] | None:
        found = next(batches, None)
        if found is None:
            return None
        images, labels = (tensor_of(upload(t.data), "cuda") for t in found)
        return images, labels

    with ThreadPoolExecutor(1, thread_name_prefix="minicnn-loader") as worker:
        coming = deque(worker.submit(following) for _ in range(AHEAD))
        while (batch := coming.popleft().result()) is not None:
            coming.append(worker.submit(following))
            yield batch
