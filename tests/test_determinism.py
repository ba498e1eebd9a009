"""The same seed gives the same bits: from run to run, with one thread or two, and on NumPy alone where Numba is absent."""
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def train(*arguments: str, **environment: str) -> list[str]:
    """What a run of tests/small_training.py in a process of its own prints: losses in hexadecimal, a hash of the weights."""
    done = subprocess.run([sys.executable, "-m", "tests.small_training", *arguments], cwd=ROOT, capture_output=True, text=True,
                          env=os.environ | {"NUMBA_NUM_THREADS": "2"} | environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@cache
def first(backend: str) -> list[str]:
    return train("--backend", backend, "--threads", "1")


@pytest.mark.parametrize("backend", ["numba", "reference"])
@pytest.mark.parametrize("threads", ["1", "2"])
def test_same_bits_from_run_to_run_and_for_any_number_of_threads(backend, threads):
    assert train("--backend", backend, "--threads", threads, OPENBLAS_NUM_THREADS=threads, OMP_NUM_THREADS=threads) == first(backend)


def test_same_bits_for_any_number_of_threads_on_another_processor():
    """OpenBLAS picks its kernels by the processor; made to take it for an old one, the sums may differ, but not with the threads."""
    one, two = (train("--threads", count, "--steps", "4", OPENBLAS_CORETYPE="Prescott") for count in "12")
    assert one == two


def test_adam_gives_the_same_bits_with_one_thread_and_with_two():
    assert train("--optimizer", "adam", "--threads", "1", "--steps", "5") == train("--optimizer", "adam", "--threads", "2", "--steps", "5")


@pytest.mark.parametrize("backend", ["numba", "reference"])
def test_it_learns(backend):
    """So that the runs above compare a training, and not the same nothing."""
    losses = [float.fromhex(text) for text in first(backend)[:-1]]
    assert len(losses) == 20 and sum(losses[-3:]) < 0.2 * sum(losses[:3]), losses


def test_backends_agree_though_not_to_the_bit():
    for a, b in zip(first("numba")[:3], first("reference")[:3]):
        assert abs(float.fromhex(a) - float.fromhex(b)) < 1e-5


def test_training_runs_on_numpy_alone_where_numba_is_absent():
    assert train("--backend", "reference", "--without", "numba") == first("reference")
