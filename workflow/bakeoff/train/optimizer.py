"""The optimizers of a recipe, as torch's own update rules over groups of parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from bakeoff.train.parameters import Group
from bakeoff.train.spec import Recipe

BETAS = (0.9, 0.999)
EPSILON = 1e-8
LAMB_EPSILON = 1e-6


class Optimizer:
    """SGD with Nesterov momentum, Adam (Kingma and Ba 2015; L2 penalty), AdamW (Loshchilov and Hutter 2019) or LAMB
    (You et al. 2020), as a recipe says.

    The update rules are torch.optim's own functions. Its classes would import torch's compiler when they are built,
    which takes longer than many a run here. The fused form goes over the memory once: for ResNet-18 on a CPU it takes a
    fifth of the time of the plain one. All state exists from the start, so that a captured step can hold on to it.
    """

    def __init__(self, groups: Sequence[Group], recipe: Recipe) -> None:
        self.groups = groups
        self._momentum = recipe.momentum
        self._rule = _RULES[recipe.optimizer](self)
        self._parameters = [parameter for group in groups for parameter in group.parameters]
        has_second = recipe.optimizer != "sgd"
        has_first = has_second or recipe.momentum > 0
        self._first = {p: torch.zeros_like(p) for p in self._parameters} if has_first else {}
        self._second = {p: torch.zeros_like(p) for p in self._parameters} if has_second else {}
        self._steps = {p: torch.zeros((), device=p.device) for p in self._parameters} if has_second else {}

    def tensors(self) -> list[Tensor]:
        """All state that a step changes."""
        return [*self._first.values(), *self._second.values(), *self._steps.values()]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, lr: float | Tensor) -> None:
        """Change the parameters that have a gradient, at learning rate `lr` times each group's scale."""
        for group in self.groups:
            changing = [p for p in group.parameters if p.grad is not None]
            if changing:
                gradients = [p.grad for p in changing if p.grad is not None]
                self._rule(changing, gradients, group.weight_decay, lr * group.lr_scale)

    def _sgd(self, parameters: list[Tensor], gradients: list[Tensor], weight_decay: float, lr: float | Tensor) -> None:
        sgd(
            parameters,
            gradients,
            # Nesterov's rule needs a buffer only where there is momentum; from zeros it starts as torch's does.
            [self._first[p] if self._momentum else None for p in parameters],
            fused=True,
            weight_decay=weight_decay,
            momentum=self._momentum,
            lr=lr,
            dampening=0,
            nesterov=self._momentum > 0,
            maximize=False,
        )

    def _adam(self, parameters: list[Tensor], gradients: list[Tensor], weight_decay: float, lr: float | Tensor) -> None:
        self._adaptive(adam, parameters, gradients, weight_decay, lr)

    def _adamw(
        self, parameters: list[Tensor], gradients: list[Tensor], weight_decay: float, lr: float | Tensor
    ) -> None:
        self._adaptive(adamw, parameters, gradients, weight_decay, lr)

    def _adaptive(
        self,
        rule: Callable[..., None],
        parameters: list[Tensor],
        gradients: list[Tensor],
        weight_decay: float,
        lr: float | Tensor,
    ) -> None:
        rule(
            parameters,
            gradients,
            [self._first[p] for p in parameters],
            [self._second[p] for p in parameters],
            [],
            [self._steps[p] for p in parameters],
            fused=True,
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=lr,
            weight_decay=weight_decay,
            eps=EPSILON,
            maximize=False,
        )

    def _lamb(self, parameters: list[Tensor], gradients: list[Tensor], weight_decay: float, lr: float | Tensor) -> None:
        """You et al. 2020, algorithm 2, with bias correction. The trust ratio is for parameters with weight decay."""
        first, second = [self._first[p] for p in parameters], [self._second[p] for p in parameters]
        steps = [self._steps[p] for p in parameters]
        torch._foreach_add_(steps, 1)
        torch._foreach_lerp_(first, gradients, 1 - BETAS[0])
        torch._foreach_mul_(second, BETAS[1])
        torch._foreach_addcmul_(second, gradients, gradients, 1 - BETAS[1])
        t = steps[0].double()  # 1 - 0.999 in float32 has but four digits
        corrections = [c.to(steps[0].dtype) for c in (1 - BETAS[0] ** t, (1 - BETAS[1] ** t).sqrt())]
        roots = torch._foreach_sqrt(second)
        torch._foreach_div_(roots, corrections[1])
        torch._foreach_add_(roots, LAMB_EPSILON)
        updates = list(torch._foreach_div(first, corrections[0]))
        torch._foreach_div_(updates, roots)
        if weight_decay:
            torch._foreach_add_(updates, parameters, alpha=weight_decay)
            for parameter, update in zip(parameters, updates, strict=True):
                size, change = parameter.norm(), update.norm()
                update.mul_(torch.where((size > 0) & (change > 0), size / change, torch.ones_like(size)))
        torch._foreach_mul_(updates, -lr)
        torch._foreach_add_(parameters, updates)


_RULES: dict[str, Callable[[Optimizer], Callable[[list[Tensor], list[Tensor], float, float | Tensor], None]]] = {
    "sgd": lambda optimizer: optimizer._sgd,
    "adam": lambda optimizer: optimizer._adam,
    "adamw": lambda optimizer: optimizer._adamw,
    "lamb": lambda optimizer: optimizer._lamb,
}
