"""Optimizers and learning rates; the rate is a function of the step, so there is no state to lose."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from refer.errors import UserError
from refer.spec import Recipe

BETAS, EPSILON = (0.9, 0.999), 1e-8
"""Of Adam and AdamW, as everywhere."""


class Optimizer:
    """SGD with Nesterov's momentum, Adam or AdamW, or AMSGrad of these two: PyTorch's own steps, to the bit.

    Not the classes of torch.optim, for the first use of one imports PyTorch's compiler: 1.3 s of every run's start.
    """

    def __init__(self, groups: list[dict[str, Any]], recipe: Recipe) -> None:
        """Take groups of parameters (`params`), each with its `weight_decay`; `at` may be called before each step.

        A group's `share` is what it takes of that rate, 1 where it says nothing.
        """
        self.param_groups = [{"lr": recipe.lr, **group} for group in groups]
        self.name, self.momentum = recipe.optimizer, recipe.momentum
        self.moments = ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if recipe.amsgrad else ()))
        self.state: dict[nn.Parameter, dict[str, Tensor]] = {}

    @property
    def parameters(self) -> list[nn.Parameter]:
        """All of them, in a fixed order."""
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def at(self, rate: float) -> None:
        """Set the learning rate of the steps to come."""
        for group in self.param_groups:
            group["lr"] = rate * group.get("share", 1.0)

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Change every parameter that has a gradient."""
        for group in self.param_groups:
            changed: list[Any] = [parameter for parameter in group["params"] if parameter.grad is not None]
            gradients: list[Any] = [parameter.grad for parameter in changed]
            how: dict[str, Any] = {"lr": group["lr"], "weight_decay": group["weight_decay"], "maximize": False}
            if self.name == "sgd":
                self._descend(changed, gradients, how)
                continue
            states = [self._moments(parameter) for parameter in changed]
            first, second, *largest = ([state[name] for state in states] for name in self.moments)
            steps = [state["step"] for state in states]
            how |= {"beta1": BETAS[0], "beta2": BETAS[1], "eps": EPSILON, "amsgrad": bool(largest)}
            most = largest[0] if largest else []
            decoupled = self.name == "adamw"
            adam(changed, gradients, first, second, most, steps, decoupled_weight_decay=decoupled, **how)

    def _descend(self, changed: list[Any], gradients: list[Any], how: dict[str, Any]) -> None:
        buffers = [self.state.get(parameter, {}).get("momentum_buffer") for parameter in changed]
        nesterov = self.momentum > 0
        sgd(changed, gradients, buffers, momentum=self.momentum, dampening=0, nesterov=nesterov, **how)
        for parameter, buffer in zip(changed, buffers, strict=True):
            if buffer is not None:
                self.state[parameter] = {"momentum_buffer": buffer}

    def _moments(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        if parameter not in self.state:
            zeros = {name: torch.zeros_like(parameter, memory_format=torch.preserve_format) for name in self.moments}
            self.state[parameter] = {"step": torch.zeros(()), **zeros}
        return self.state[parameter]


def build_optimizer(
    parameters: Iterable[nn.Parameter], recipe: Recipe, backbone: Iterable[nn.Parameter] = ()
) -> Optimizer:
    """The recipe's optimizer; biases and normalisation weights (one dimension) decay only if all are to.

    Args:
        parameters: of the network.
        recipe: the recipe.
        backbone: those of its backbones; `recipe.head_rate` is for all others.

    Raises:
        UserError: the recipe has a rate for all that is not the backbone, and there is no backbone that trains.
    """
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    least = 0 if recipe.decayed == "all" else 2
    parts: list[tuple[list[nn.Parameter], dict[str, float]]] = [(trainable, {})]
    if recipe.head_rate != 1:
        inside = {id(parameter) for parameter in backbone}
        if not inside:
            raise UserError("recipe.head_rate: the network has no backbone that trains; leave the key out.")
        within, outside = ([p for p in trainable if (id(p) in inside) is wanted] for wanted in (True, False))
        parts = [(within, {}), (outside, {"share": recipe.head_rate})]
    groups = []
    for part, rate in parts:
        decaying, others = ([p for p in part if (p.ndim >= least) is wanted] for wanted in (True, False))
        groups.append({"params": decaying, "weight_decay": recipe.weight_decay, **rate})
        groups.append({"params": others, "weight_decay": 0.0, **rate})
    return Optimizer([group for group in groups if group["params"]], recipe)


def learning_rate(recipe: Recipe, step: int, steps: int, epoch: int = 0, accuracy: float = 0.0) -> float:
    """The rate of step 0..steps-1: a linear warm-up to `lr`, then constant, or a half cosine to nearly zero.

    The two schedules of naseem2025 know no warm-up. With T = `period`, epoch t from 0:

        cosine-epochs     lr (1 + cos(π t / T)) / 2, which is zero at t = T and rises again (T_max of PyTorch's
                          CosineAnnealingLR, stepped once an epoch)
        cosine-accuracy   lr (1 + cos(π (1 + a) / T)) / 2 with a, 0..1, the validation accuracy after the epoch before
                          (0 at first): the same scheduler, stepped once before an epoch's training, and after it
                          once more, with the accuracy in the epoch's place. With T = 3 it is 0.75 lr at most.

    Args:
        recipe: the recipe.
        step: of the whole training, from 0.
        steps: of the whole training.
        epoch: from 0.
        accuracy: 0..1, of the validation part after the epoch before.
    """
    if recipe.schedule in ("cosine-epochs", "cosine-accuracy"):
        place = epoch if recipe.schedule == "cosine-epochs" else 1 + accuracy
        return recipe.lr * 0.5 * (1 + math.cos(math.pi * place / recipe.period))
    rising = round(recipe.warmup * steps)
    if step < rising:
        return recipe.lr * (step + 1) / (rising + 1)
    if recipe.schedule == "constant":
        return recipe.lr
    progress = (step - rising) / max(1, steps - rising)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * progress))


def pack_state(optimizer: Optimizer) -> dict[str, Tensor]:
    """An optimizer's state as flat tensors, `<parameter number>.<name>`, for safetensors."""
    return {
        f"{number}.{name}": value.clone()
        for number, parameter in enumerate(optimizer.parameters)
        for name, value in optimizer.state.get(parameter, {}).items()
    }


def unpack_state(optimizer: Optimizer, flat: dict[str, Tensor]) -> None:
    """Put back what `pack_state` took; rates and decays stay those of the recipe."""
    parameters = optimizer.parameters
    for key, value in flat.items():
        number, name = key.split(".", 1)
        like = parameters[int(number)]
        # In the parameter's own memory layout and place, so that a resumed step runs the same kernels; the count of
        # steps stays with the host.
        placed = value.clone() if name == "step" else torch.empty_like(like).detach().copy_(value)
        optimizer.state.setdefault(like, {})[name] = placed
