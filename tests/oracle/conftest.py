"""PyTorch is the oracle of this folder, and an extra: `pip install -e ".[oracle]"`. Without it nothing here is collected."""
from importlib.util import find_spec

if find_spec("torch") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    import torch

    torch.set_num_threads(1)                       # small arrays, and a test runs beside others
