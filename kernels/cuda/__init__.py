"""CUDA: the third form of every operation, on a GPU, or on the CPU by the emulator.

    common.cuh     what many kernels share: loops over elements, sums of warps and blocks
    normalise.*    what the normalisations share: mean and variance in one pass
    loader.py      load(__file__): the kernels of a gpu.cu, compiled when first called
    rows.*         who goes through a row of numbers, a thread or a block: softmax and cross entropy
    windows.*      which positions a window sees, and which windows a position: the poolings
    product.py     matmul: cuBLAS
    product.cuh    a product of matrices in tiles; tensor_cores.cuh: the same on tensor cores
    memory.py      arrays on the device: empty, table, to_device, to_host, address
    launches.py    who may watch launches       chip.py    the GPU itself: waiting for it, its time, what it can do at best
    emulator/      the same .cu files on the CPU, checked

Where the kernels run:  on a GPU if CuPy finds one;  on the CPU if MINICNN_CUDA=emulated says so (or checked: every load and store is
watched for bounds and races).  The arrays of device "cuda" are CuPy's, or, emulated, NumPy's. CuPy and g++ load when first needed.
"""
from .chip import synchronize
from .loader import block_for, grid_for, load
from .memory import address, empty, table, to_device, to_host, Upload
from .product import matmul
from .where import allow_tf32, available, emulated, emulation, has_tf32, mode, tf32_allowed

__all__ = ["address", "allow_tf32", "available", "block_for", "emulated", "emulation", "empty", "grid_for", "has_tf32", "load", "matmul",
           "mode", "synchronize", "table", "tf32_allowed", "to_device", "to_host", "Upload"]
