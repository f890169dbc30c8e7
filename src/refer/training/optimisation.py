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
    """SGD with Nesterov's momentum, Adam or AdamW, or AMSGrad of these two, by PyTorch's own steps.

    Not the classes of torch.optim: the first use of one imports PyTorch's compiler (docs/decisions.md).
    """

    def __init__(self, groups: list[dict[str, Any]], recipe: Recipe) -> None:
        """Take groups of parameters (`params`), each with its `weight_decay` and its `share` of the learning rate."""
        self.groups, self.recipe = groups, recipe
        self.parameters: list[nn.Parameter] = [parameter for group in groups for parameter in group["params"]]
        self.state: dict[nn.Parameter, dict[str, Tensor]] = {}

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Change every parameter that has a gradient, at this learning rate."""
        momentum, adaptive = self.recipe.momentum, self.recipe.optimizer != "sgd"
        for group in self.groups:
            changed: list[Any] = [parameter for parameter in group["params"] if parameter.grad is not None]
            gradients: list[Any] = [parameter.grad for parameter in changed]
            how: dict[str, Any] = {
                "lr": rate * group["share"], "weight_decay": group["weight_decay"], "maximize": False,
            }  # fmt: skip
            if adaptive:
                states = [self._moments(parameter) for parameter in changed]
                names = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "step")
                first, second, largest, steps = ([each[key] for each in states if key in each] for key in names)
                how |= {"beta1": BETAS[0], "beta2": BETAS[1], "eps": EPSILON, "amsgrad": self.recipe.amsgrad}
                how["decoupled_weight_decay"] = self.recipe.optimizer == "adamw"
                adam(changed, gradients, first, second, largest, steps, **how)
            else:
                buffers = [self.state.get(parameter, {}).get("momentum_buffer") for parameter in changed]
                sgd(changed, gradients, buffers, momentum=momentum, dampening=0, nesterov=momentum > 0, **how)
                for parameter, buffer in zip(changed, buffers, strict=True):
                    self.state[parameter] = {} if buffer is None else {"momentum_buffer": buffer}

    def _moments(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        if parameter not in self.state:
            names = ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if self.recipe.amsgrad else ()))
            self.state[parameter] = {"step": torch.zeros(()), **{name: torch.zeros_like(parameter) for name in names}}
        return self.state[parameter]

    def state_dict(self) -> dict[str, Tensor]:
        """The state as flat tensors, `<parameter number>.<name>`, for safetensors."""
        return {
            f"{number}.{name}": value.clone()
            for number, parameter in enumerate(self.parameters)
            for name, value in self.state.get(parameter, {}).items()
        }

    def load_state_dict(self, flat: dict[str, Tensor]) -> None:
        """Put back what `state_dict` gave; rates and decays stay those of the recipe."""
        for key, value in flat.items():
            number, name = key.split(".", 1)
            like = self.parameters[int(number)]
            # In the parameter's own memory layout and place, so that a resumed step runs the same kernels; the count
            # of steps stays with the host.
            placed = value.clone() if name == "step" else torch.empty_like(like).detach().copy_(value)
            self.state.setdefault(like, {})[name] = placed


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
    inside = {id(parameter) for parameter in backbone}
    if recipe.head_rate != 1 and not inside:
        raise UserError("recipe.head_rate: the network has no backbone that trains; leave the key out.")
    groups: dict[tuple[bool, bool], dict[str, Any]] = {}
    for parameter in trainable:
        decays = recipe.decayed == "all" or parameter.ndim >= 2
        share = 1.0 if id(parameter) in inside else recipe.head_rate
        decay = recipe.weight_decay if decays else 0.0
        group = groups.setdefault((share != 1, decays), {"params": [], "weight_decay": decay, "share": share})
        group["params"].append(parameter)
    return Optimizer(list(groups.values()), recipe)


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
