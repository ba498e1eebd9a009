"""How good a model is on a data set: loss, accuracy, confusion matrix."""
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import functional as F
from ..data import Loader
from ..device import move
from ..modes import no_grad
from ..nn import Module
from ..tensor import Tensor


@dataclass(frozen=True)
class Evaluation:
    """loss: the mean over the images.  confusion[i, j]: how many images of class i were taken for class j."""
    loss: float
    confusion: np.ndarray

    @property
    def images(self) -> int:
        return int(self.confusion.sum())

    @property
    def correct(self) -> int:
        return int(np.trace(self.confusion))

    @property
    def accuracy(self) -> float:
        """The share of images, 0 to 1, whose class has the largest output."""
        return self.correct / self.images


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """m[i, j] = Σ_n [labels[n] = i and predictions[n] = j], (classes, classes)"""
    return np.bincount(labels.astype(np.int64) * classes + predictions, minlength=classes * classes).reshape(classes, classes)


def rank(record: Mapping[str, Any]) -> tuple[float, float]:
    """The better an epoch, the larger: by validation accuracy, at equal accuracy by lower loss."""
    return record["validation_accuracy"], -record["validation_loss"]


def value(loss: Tensor) -> float:
    """The number in a loss."""
    return float(move(loss.data, loss.device, "cpu"))


def evaluate(model: Module, loader: Loader, loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy, device: str = "cpu") -> Evaluation:
    """Run a model over all batches of a loader, in evaluation mode and without a graph."""
    was_training = model.training
    model.eval()
    total, confusion = 0.0, np.zeros((len(loader.dataset.classes),) * 2, np.int64)
    try:
        with no_grad():
            for images, labels in loader.batches():
                outputs = model(Tensor(images, device=device))
                total += value(loss(outputs, Tensor(labels, device=device))) * len(labels)
                predictions = move(outputs.data, device, "cpu").argmax(1)
                if outputs.shape[1] != len(confusion):
                    raise ValueError(f"evaluate: the model has {outputs.shape[1]} outputs, the data {len(confusion)} classes; "
                                     f"they must be the same")
                confusion += confusion_matrix(labels.numpy(), predictions, len(confusion))
    finally:
        model.train(was_training)
    return Evaluation(total / int(confusion.sum()), confusion)
