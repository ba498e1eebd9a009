"""Optimisers, schedules of the learning rate, and gradient clipping, with PyTorch's names, signatures and values.

    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = optim.CosineAnnealingLR(optimizer, T_max=epochs)

    loss = F.cross_entropy(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()                         the update itself is a kernel: kernels/optimizer
    schedule.step()                          after each epoch, or each batch: whatever T_max counts
"""
from .adagrad import Adagrad
from .adam import Adam, AdamW
from .clip import clip_grad_norm_, clip_grad_value_
from .one_cycle import OneCycleLR
from .optimizer import Optimizer
from .plateau import ReduceLROnPlateau
from .rmsprop import RMSprop
from .schedules import (ConstantLR, CosineAnnealingLR, ExponentialLR, LambdaLR, LinearLR, LRScheduler, MultiStepLR, PolynomialLR,
                        SequentialLR, StepLR)
from .sgd import SGD

__all__ = ["Adagrad", "Adam", "AdamW", "ConstantLR", "CosineAnnealingLR", "ExponentialLR", "LRScheduler", "LambdaLR", "LinearLR",
           "MultiStepLR", "OneCycleLR", "Optimizer", "PolynomialLR", "RMSprop", "ReduceLROnPlateau", "SGD", "SequentialLR", "StepLR",
           "clip_grad_norm_", "clip_grad_value_"]
