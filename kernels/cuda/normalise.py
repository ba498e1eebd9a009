"""The forms of the kernels of the normalisations, and in which type they compute: see normalise.cuh."""

FEW = 32                                 # numbers that are normalised together: up to so many, in double
GRID = 1 << 16                           # blocks at most


def forms(*kernels: str) -> tuple[str, ...]:
    return tuple(f"{kernel}<{{T}}, {real}>" for kernel in kernels for real in ("{T}", "double"))


def real(count: int) -> str:
    """Real of normalise.cuh, where so many numbers are normalised together."""
    return "double" if count <= FEW else "{T}"
