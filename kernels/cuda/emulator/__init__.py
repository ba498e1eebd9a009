"""CUDA on the CPU: the same .cu files, without a GPU, to be run, checked and stepped through.

    language.h       what makes CUDA C++ of a kernel C++ for g++
    scheduler.cpp    runs the threads of a launch as fibers: blocks, barriers, warps      runtime.h    what the two share
    checker.cpp      watches every load and store: bounds, races, shared memory that nobody has written
    build.py         g++: a library for each .cu file, kept
    module.py        RawModule and its kernels, called as CuPy's are
    reports.py       what went wrong, in words: file, line, both threads, the element
    recording.py     what each thread of a block did, line by line        lockstep.py  the 32 of a warp together, and what that costs
    symbols.py       from machine code back to lines of the source

It says nothing about speed. Linux with g++; no half precision, cooperative groups or textures; the last bits of exp, log and pow are
those of the CPU's library.
"""
from .module import Kernel, RawModule
from .reports import CudaError

__all__ = ["CudaError", "Kernel", "RawModule"]
