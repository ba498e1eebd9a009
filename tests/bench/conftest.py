"""PyTorch is an extra; without it what runs beside it is not collected."""
from importlib.util import find_spec

if find_spec("torch") is None:
    collect_ignore_glob = ["test_replay.py", "test_against_torch.py"]
else:
    import torch

    torch.set_num_threads(1)                       # small arrays, and a test runs beside others
