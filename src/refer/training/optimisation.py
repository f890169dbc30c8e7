"""Optimizers and learning rates; the rate is a function of the step, so there is no state to lose."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from refer.spec import Recipe


def build_optimizer(parameters: Iterable[nn.Parameter], recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer; biases and normalisation weights (one dimension) are not decayed."""
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0)
    if recipe.optimizer == "adam":
        return torch.optim.Adam(groups, lr=recipe.lr)
    return torch.optim.AdamW(groups, lr=recipe.lr)


def learning_rate(recipe: Recipe, step: int, steps: int, epoch: int = 0, accuracy: float = 0.0) -> float:
    """The rate of step 0..steps-1: a linear warm-up to `lr`, then constant, or a half cosine to nearly zero.

    The two schedules of naseem2025 know no warm-up. With T = `period`, epoch t from 0:

        cosine-epochs     lr (1 + cos(π t / T)) / 2, which is zero at t = T and rises again (T_max of PyTorch's
                          CosineAnnealingLR, stepped once an epoch)
        cosine-accuracy   lr (1 + cos(π a / T)) / 2 with a, 0..1, the accuracy on the watched part after the epoch
                          before (0 at first): the same, stepped with the accuracy in the epoch's place
    """
    if recipe.schedule in ("cosine-epochs", "cosine-accuracy"):
        place = epoch if recipe.schedule == "cosine-epochs" else accuracy
        return recipe.lr * 0.5 * (1 + math.cos(math.pi * place / recipe.period))
    rising = round(recipe.warmup * steps)
    if step < rising:
        return recipe.lr * (step + 1) / (rising + 1)
    if recipe.schedule == "constant":
        return recipe.lr
    progress = (step - rising) / max(1, steps - rising)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * progress))


def pack_state(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimizer's state as flat tensors, `<parameter number>.<name>`, for safetensors."""
    flat = {}
    for number, entries in optimizer.state_dict()["state"].items():
        for name, value in entries.items():
            if value is not None:
                flat[f"{number}.{name}"] = torch.as_tensor(value).clone()
    return flat


def unpack_state(optimizer: torch.optim.Optimizer, flat: dict[str, Tensor]) -> None:
    """Put back what `pack_state` took; rates and decays stay those of the recipe."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in flat.items():
        number, name = key.split(".", 1)
        like = parameters[int(number)]
        # In the parameter's own memory layout, so that a resumed step runs the same kernels.
        placed = torch.empty_like(like).detach().copy_(value) if value.shape == like.shape else value
        state.setdefault(int(number), {})[name] = placed
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
