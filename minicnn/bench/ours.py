"""minicnn's process of a benchmark:  python -m minicnn.bench.ours"""
import importlib
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from .. import functional as F
from .. import io, models, optim
from ..device import get_backend, use_algorithm, use_backend
from ..kernels import cuda, memory
from ..kernels.cuda import chip
from ..kernels.random import manual_seed
from ..kernels.threads import get_num_threads, set_num_threads
from ..modes import no_grad
from ..nn import Module
from ..tensor import Tensor
from . import machine
from .engine import BATCH, PLAN, WEIGHTS, Engine, Program
from .operations import Ours
from .plan import record, without_dropout
from .process import telling_environment

JOB = "job.json"
SEED = 0
MOMENTUM = 0.9
FALL = 0.01                              # the first step shall make the loss smaller by this part of it


class Step(Program):
    """One step of training, or one forward, of a Module."""

    def __init__(self, model: Module, images: np.ndarray, labels: np.ndarray, training: bool, lr: float = 0.0):
        device = next((p.device for p in model.parameters()), "cpu")
        self.model, self.images, self.labels, self.training = model, Tensor(images).to(device), Tensor(labels).to(device), training
        self.weights = getattr(model, "loss_weights", (1.0,))
        self.optimizer = optim.SGD(model.parameters(), lr=lr, momentum=MOMENTUM) if training else None
        self.outputs: tuple[Tensor, ...] = ()
        self.value: Any = None

    def run(self) -> None:
        self.outputs, self.value = (), None
        if self.optimizer is None:
            with no_grad():
                self.outputs = self.forward()
            return
        self.outputs = self.forward()
        loss = self.total()
        self.value = loss.detach()                           # read later: a GPU would have to be waited for
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def forward(self) -> tuple[Tensor, ...]:
        outputs: Any = self.model(self.images)
        return outputs if isinstance(outputs, tuple) else (outputs,)

    def total(self) -> Tensor:
        loss, *auxiliary = [F.cross_entropy(scores, self.labels) for scores in self.outputs]
        for weight, other in zip(self.weights[1:], auxiliary):
            loss = loss + weight * other
        return loss

    def hold(self) -> None:
        for group in self.optimizer.param_groups if self.optimizer else ():
            group["lr"] = 0.0

    def loss(self) -> float:
        return float((self.total() if self.value is None else self.value).item())

    def scores(self) -> list[float]:
        return self.outputs[0].detach().to("cpu").numpy().reshape(-1).tolist()


def network(name: str, batch: int, training: bool) -> Module:
    """A model of the zoo, always with the same weights, without dropout."""
    manual_seed(SEED)
    model = models.create(name).train(training)
    return without_dropout(model, (batch, *models.info(name).input_shape))


def step_size(name: str, batch: int, images: np.ndarray, labels: np.ndarray, device: str = "cpu") -> float:
    """The learning rate with which a step of gradient descent makes the loss L smaller by about FALL·L, which is lr·|∇L|²: large enough
    to tell a wrong gradient, small enough that rounding does not decide where the next step leads."""
    step = Step(network(name, batch, True).to(device), images, labels, True)
    step.run()
    gradients = [p.grad.to("cpu").numpy().astype(float) for p in step.model.parameters() if p.grad is not None]
    norm = sum(float((g ** 2).sum()) for g in gradients)
    return FALL * step.loss() / norm if norm > 0 else 0.0


class Minicnn(Engine):
    """settings: threads, backend, algorithms {operation: name}, device, tf32; what is left out is as minicnn comes."""

    def __init__(self):
        super().__init__()
        self.chosen = ExitStack()

    def prepare(self, folder: str, model: str, batch: int, training: bool, device: str = "cpu") -> dict[str, Any]:
        """Write the files of a job, which every engine then loads: the plan, the weights, images and labels.  What is known of the job.

        device: where what has to be computed for it is."""
        path, net = Path(folder), network(model, batch, training)
        rng = np.random.default_rng(SEED)
        images = rng.standard_normal((batch, *models.info(model).input_shape)).astype(np.float32)
        io.save(dict((*net.named_parameters(), *net.named_buffers())), path / WEIGHTS)
        plan = record(net.to(device), Tensor(images).to(device))
        classes = next(step.shapes[0] for step in plan.steps if plan.outputs[0] in step.outputs)[1]
        plan.save(path / PLAN)
        labels = rng.integers(0, classes, batch)
        io.save({"images": images, "labels": labels}, path / BATCH)
        weights = list(getattr(net, "loss_weights", (1.0,)))
        lr = step_size(model, batch, images, labels, device) if training else 0.0
        (path / JOB).write_text(json.dumps({"model": model, "batch": batch, "loss_weights": weights, "lr": lr, "momentum": MOMENTUM}))
        return {"flops": plan.training_flops() if training else plan.forward_flops(), "operations": len(plan.steps),
                "products": sum(step.flops > 0 for step in plan.steps), "parameters": sum(p.numel() for p in net.parameters())}

    def build(self, folder: Path, training: bool, settings: dict[str, Any]) -> Step:
        self.choose(settings)
        job = json.loads((folder / JOB).read_text())
        model = network(job["model"], job["batch"], training)
        model.load_state_dict(io.load(folder / WEIGHTS))
        model.to(settings.get("device", "cpu"))
        batch = io.load(folder / BATCH)
        return Step(model, batch["images"], batch["labels"], training, job["lr"])

    def choose(self, settings: dict[str, Any]) -> None:
        """Backend, algorithms, threads and TF32 from here on."""
        self.chosen.close()
        if settings.get("threads"):
            set_num_threads(settings["threads"])
        self.chosen.enter_context(use_backend(settings.get("backend") or get_backend()))
        for op, name in settings.get("algorithms", {}).items():
            self.chosen.enter_context(use_algorithm(op, name))
        if settings.get("device") == "cuda":
            cuda.allow_tf32(settings["tf32"])

    def forget(self) -> None:
        memory.release()
        memory.reset_peak()
        if self.device == "cuda":
            chip.release()

    def synchronize(self) -> None:
        chip.synchronize()

    def held(self) -> int | None:
        return chip.held() if self.device == "cuda" else None

    def arrays_peak(self) -> int:
        return memory.statistics()["peak"]

    def peaks(self, device: str = "cpu") -> dict[str, float]:
        """What the machine can do at best: floating-point operations and bytes a second; on a GPU the operations in TF32 too."""
        if device == "cuda":
            cuda.allow_tf32(True)
            tf32 = chip.product_peak()
            cuda.allow_tf32(False)
            return {"flops": chip.product_peak(), "tf32": tf32, "bandwidth": chip.bandwidth()}
        peak = importlib.import_module("minicnn.kernels.peak")
        return {"flops": peak.fma_peak(), "bandwidth": peak.bandwidth()}

    def peak(self, device: str = "cpu", tf32: bool = False) -> float:
        """The multiply-adds at this moment, as floating-point operations a second: some hundredths of a second."""
        if device == "cuda":
            cuda.allow_tf32(tf32)
            return chip.product_peak(0.02)
        return importlib.import_module("minicnn.kernels.peak").fma_peak(0.02)

    def describe(self) -> dict[str, Any]:
        gpu = {"gpu": chip.describe()} if self.device == "cuda" else {}
        return {"threads": get_num_threads(), "backend": get_backend(), **machine.numba(), "blas": machine.blas(), **gpu,
                "environment": telling_environment()}

    def handlers(self):
        operations = Ours(self.choose)
        return {**super().handlers(), "prepare": self.prepare, "peaks": self.peaks, "peak": self.peak,
                "gpu": chip.describe, **operations.handlers()}


if __name__ == "__main__":
    Minicnn().serve()
