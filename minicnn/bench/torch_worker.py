"""PyTorch's process of a benchmark:  python -m minicnn.bench.torch_worker

It imports minicnn for the plan alone; what that sets in the environment is taken back before PyTorch and its OpenMP are loaded.
"""
import json
import os
from pathlib import Path
from typing import Any

from ..kernels import threads

for name in threads.OURS:
    os.environ.pop(name, None)

import torch                                                             # noqa: E402  after the environment is the user's again
from safetensors import safe_open                                        # noqa: E402

from . import machine                                                    # noqa: E402
from .engine import BATCH, PLAN, WEIGHTS, Engine, Program                # noqa: E402
from .plan import load                                                   # noqa: E402
from .process import telling_environment                                 # noqa: E402
from .replay import Replay                                               # noqa: E402
from .torch_operations import Theirs                                     # noqa: E402

OPTIMIZERS: dict[str, dict[str, bool]] = {"default": {}, "foreach": {"foreach": True}, "fused": {"fused": True}}


class Step(Program):
    """One step of training, or one forward, of a replayed plan."""

    def __init__(self, model: Replay, images: torch.Tensor, labels: torch.Tensor, weights: list[float],
                 optimizer: torch.optim.Optimizer | None):
        self.model, self.images, self.labels, self.weights, self.optimizer = model, images, labels, weights, optimizer
        self.outputs: tuple[torch.Tensor, ...] = ()
        self.value: torch.Tensor | None = None

    def run(self) -> None:
        self.outputs, self.value = (), None
        if self.optimizer is None:
            with torch.no_grad():
                self.outputs = self.model(self.images)
            return
        self.outputs = self.model(self.images)
        loss = self.total()
        self.value = loss.detach()                                       # read later: a GPU would have to be waited for
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def total(self) -> torch.Tensor:
        loss, *auxiliary = [torch.nn.functional.cross_entropy(scores, self.labels) for scores in self.outputs]
        for weight, other in zip(self.weights[1:], auxiliary):
            loss = loss + weight * other
        return loss

    def hold(self) -> None:
        for group in self.optimizer.param_groups if self.optimizer else ():
            group["lr"] = 0.0

    def loss(self) -> float:
        return (self.total() if self.value is None else self.value).item()

    def scores(self) -> list[float]:
        return self.outputs[0].detach().reshape(-1).tolist()


class Torch(Engine):
    """settings: threads, channels_last, optimizer ("default", "foreach", "fused"); device: "cuda", then also tf32 and cudnn_benchmark;
    what is left out is as PyTorch comes."""

    def build(self, folder: Path, training: bool, settings: dict[str, Any]) -> Step:
        choose_threads(settings)
        device = torch.device(settings.get("device", "cpu"))
        if "tf32" in settings:
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = settings["tf32"]
            torch.backends.cudnn.benchmark = settings["cudnn_benchmark"]
        if device.type == "cuda" and not torch.cuda.is_available():
            raise ImportError(f"--device cuda --against torch: PyTorch {torch.__version__} finds no GPU; install one that is built for "
                              "CUDA: https://pytorch.org/get-started/locally")
        job, plan = json.loads((folder / "job.json").read_text()), load(folder / PLAN)
        with safe_open(folder / WEIGHTS, framework="pt") as weights, safe_open(folder / BATCH, framework="pt") as batch:
            model = Replay(plan, weights.get_tensor)
            images, labels = batch.get_tensor("images").to(device), batch.get_tensor("labels").to(device)
        model = model.to(device)
        if settings.get("channels_last"):
            images = images.contiguous(memory_format=torch.channels_last)
            model = model.to(memory_format=torch.channels_last)          # pyright: ignore[reportCallIssue]
        options = OPTIMIZERS[settings.get("optimizer", "default")]
        optimizer = torch.optim.SGD(model.parameters(), lr=job["lr"], momentum=job["momentum"], **options) if training else None
        return Step(model, images, labels, job["loss_weights"], optimizer)

    def forget(self) -> None:
        if self.device == "cuda":
            self.synchronize()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def synchronize(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()

    def held(self) -> int | None:
        return torch.cuda.max_memory_reserved() if self.device == "cuda" else None

    def arrays_peak(self) -> None:
        return None

    def describe(self) -> dict[str, Any]:
        gpu = {"gpu": {"name": torch.cuda.get_device_name(), "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(),
                       "cudnn_benchmark": torch.backends.cudnn.benchmark}} if self.device == "cuda" else {}
        return {"version": torch.__version__, "threads": torch.get_num_threads(), "onednn": torch.backends.mkldnn.is_available(),
                "blas": machine.blas(), **gpu, "environment": telling_environment()}

    def load(self, folder: str, training: bool, settings: dict[str, Any]) -> dict[str, Any]:
        try:
            return super().load(folder, training, settings)
        except torch.OutOfMemoryError as error:                          # a RuntimeError, which would be taken for a fault of the process
            raise MemoryError(str(error).partition("\n")[0]) from None

    def handlers(self):
        return {**super().handlers(), **Theirs(choose_threads).handlers()}


def choose_threads(settings: dict[str, Any]) -> None:
    if settings.get("threads"):
        torch.set_num_threads(settings["threads"])


if __name__ == "__main__":
    Torch().serve()
