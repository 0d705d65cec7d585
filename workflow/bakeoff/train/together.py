"""Several seeds of one cell at once: their weights stacked, one kernel for all (torch.func and vmap).

A small net leaves a GPU idle between launches; ten of them need no more launches than one. Every seed has its own
weights, order, draws, sums and best epoch, as if trained alone: results agree to rounding, not bit for bit. The same
idea: Whitney 2021, "Parallelizing neural networks on one GPU with JAX"; HFTA, Wang et al. 2021 (arXiv:2102.02344).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from bakeoff.errors import UserError
from bakeoff.train.arithmetic import precise
from bakeoff.train.augment import Policy
from bakeoff.train.checkpoint import Keep, State, capture, put_back
from bakeoff.train.epochs import AfterEpoch
from bakeoff.train.feed import Feed, Normalise, Part, Streams
from bakeoff.train.loop import Epoch, Outcome
from bakeoff.train.optimizer import Optimizer
from bakeoff.train.parameters import Group, blocks_of, freeze, parameter_groups
from bakeoff.train.schedule import make_schedule
from bakeoff.train.spec import Recipe
from bakeoff.train.targets import TargetLoss
from bakeoff.train.update import Loss, loss_of

# What a stacked step cannot do: settings that differ between seeds in mid-training, or that look at whole tensors.
_ALONE: dict[str, Callable[[Recipe], bool]] = {
    "phases": lambda recipe: bool(recipe.phases),
    "ema": lambda recipe: recipe.ema is not None,
    "early_stopping": lambda recipe: recipe.early_stopping is not None,
    "accumulate": lambda recipe: recipe.accumulate > 1,
    "schedule: plateau": lambda recipe: recipe.schedule == "plateau",
    "optimizer: lamb": lambda recipe: recipe.optimizer == "lamb",
}


def check(recipe: Recipe) -> None:
    """Raise UserError for a recipe that seeds cannot share a step under."""
    for key, is_set in _ALONE.items():
        if is_set(recipe):
            raise UserError(
                f"train.seeds_together: cannot be used with {key} in a recipe; set it to 1, or change the recipe"
            )


class Stack:
    """Nets of one architecture as one: each parameter and buffer [k, ...]."""

    def __init__(self, nets: Sequence[nn.Module], recipe: Recipe) -> None:
        self.nets = nets
        self.recipe = recipe
        # One net lends its code; its own weights are never looked at.
        self.code = copy.deepcopy(nets[0])
        self.frozen = freeze(self.code, recipe.trained)
        fixed = {name for name, p in self.code.named_parameters() if not p.requires_grad}
        self.parameters, self.buffers = stack_module_state(list(nets))
        for name, parameter in self.parameters.items():
            parameter.requires_grad_(name not in fixed)
        self._forward = torch.vmap(self._one, in_dims=(0, 0, 0), randomness="different")
        self._forward_same = torch.vmap(self._one, in_dims=(0, 0, None), randomness="different")

    def _one(self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], images: Tensor) -> Tensor:
        logits: Tensor = functional_call(self.code, (parameters, buffers), (images,))
        return logits

    def forward(self, images: Tensor) -> Tensor:
        """Images [k, B, C, S, S], each net its own, to logits [k, B, classes]."""
        return self._forward(self.parameters, self.buffers, images)

    @torch.no_grad()
    def predict(self, part: Part, normalise: Normalise, batch_size: int = 256) -> Tensor:
        """Logits [k, N, classes] float32 of the same images."""
        self.code.eval()
        device = part.labels.device
        with precise(self.recipe, device):
            logits = [
                self._forward_same(self.parameters, self.buffers, normalise(pixels.to(device))).float()
                for pixels in torch.split(part.pixels, batch_size)
            ]
        return torch.cat(logits, dim=1)

    def groups(self) -> list[Group]:
        """The optimizer's groups of one net, with stacked parameters."""
        names = {id(parameter): name for name, parameter in self.code.named_parameters()}
        return [
            Group([self.parameters[names[id(p)]] for p in group.parameters], group.weight_decay, group.lr_scale)
            for group in parameter_groups(self.code, self.recipe, blocks_of(self.code))
        ]

    def of(self, i: int) -> dict[str, Tensor]:
        """The tensors of one net, named and in order as in its state_dict."""
        both = {**self.parameters, **self.buffers}
        return {name: both[name][i] for name in self.nets[i].state_dict()}

    def tensors(self) -> list[Tensor]:
        """All of them, in place."""
        return [*self.parameters.values(), *self.buffers.values()]

    def state(self) -> dict[str, Tensor]:
        """All tensors, copied."""
        return {name: t.detach().clone() for name, t in {**self.parameters, **self.buffers}.items()}

    @torch.no_grad()
    def unstack(self, state: dict[str, Tensor]) -> None:
        """Give each net its own weights back."""
        for i, net in enumerate(self.nets):
            for name, tensor in net.state_dict().items():
                tensor.copy_(state[name][i])


@dataclass
class _Sums:
    loss: Tensor
    correct: Tensor


@dataclass
class _Place:
    """Where training stands: batches of an epoch that are done, the last rate, the seconds they took."""

    epoch: int = 1
    batch: int = 0
    lr: float = 0.0
    seconds: float = 0.0


def train_together(
    nets: Sequence[nn.Module],
    training: Part,
    validation: Part,
    *,
    recipe: Recipe,
    classes: int,
    make_policy: Callable[[int], Policy],
    normalise: Normalise,
    streams: Sequence[Streams],
    report: Callable[[Epoch], None],
    progress: Callable[[int, int], None],
    workers: int = 0,
    resume: State | None = None,
    keep: Keep = lambda _: None,
    after_epoch: Sequence[AfterEpoch] = (),
) -> list[Outcome]:
    """Train the nets, one a seed, side by side; each is left with the weights of its own best epoch (see loop.train).

    `report` gets the epochs of the first seed; `after_epoch` has one for each seed, or none. The seconds of an epoch
    are divided among the seeds.
    """
    check(recipe)
    k = len(nets)
    stack = Stack(nets, recipe)
    policy = make_policy(training.size)
    feeds = [Feed(training, recipe, policy, normalise, stream, workers=workers) for stream in streams]
    optimizer = Optimizer(stack.groups(), recipe)
    learning = [parameter for parameter in stack.parameters.values() if parameter.requires_grad]
    schedule = make_schedule(recipe, feeds[0].steps_per_epoch, recipe.epochs, recipe.lr)
    loss = loss_of(recipe, training.labels, classes)
    device = training.labels.device
    outcomes = [Outcome(steps_run_as=[{"name": "together", "reason": f"{k} seeds at once"}]) for _ in nets]
    best = stack.state()
    seen = feeds[0].images_per_epoch
    sums = _Sums(torch.zeros(k, device=device), torch.zeros(k, device=device))
    tensors = [*stack.tensors(), *optimizer.tensors(), sums.loss, sums.correct, *best.values()]
    at = _Place()
    if resume is not None:
        put_back(resume, tensors)
        outcomes = [Outcome.of(outcome) for outcome in resume["outcomes"]]
        at = _Place(**{field.name: resume[field.name] for field in fields(_Place)})

    def state() -> State:
        return {**capture(tensors), **asdict(at), "outcomes": [asdict(outcome) for outcome in outcomes]}

    while at.epoch <= recipe.epochs and not all(outcome.ended for outcome in outcomes):
        started = time.perf_counter() - at.seconds
        stack.code.train()
        stack.frozen.to_eval()
        if at.batch == 0:
            sums.loss.zero_()
            sums.correct.zero_()
        progress(at.batch * feeds[0].batch_size * k, seen * k)
        for batches in zip(*(feed.epoch(at.epoch, at.batch) for feed in feeds), strict=True):
            images, labels = (torch.stack([batch[j] for batch in batches]) for j in (0, 1))
            share = torch.stack([batch[2] for batch in batches]) if policy.mix else None
            at.lr = schedule.lr_at((at.epoch - 1) * feeds[0].steps_per_epoch + at.batch)
            _step(stack, optimizer, learning, loss, images, labels, share, at.lr, sums)
            at.batch, at.seconds = at.batch + 1, time.perf_counter() - started
            progress(at.batch * feeds[0].batch_size * k, seen * k)
            keep(state)
        losses, accuracies = ([total / seen for total in of.tolist()] for of in (sums.loss, sums.correct))
        seconds = (time.perf_counter() - started) / k
        logits = stack.predict(validation, normalise)
        better = torch.zeros(k, dtype=torch.bool, device=device)
        for j, outcome in enumerate(outcomes):
            if not outcome.ended:
                val_loss, val_accuracy = loss.assess(logits[j], validation.labels)
                accuracy = None if val_accuracy is None else accuracies[j]
                line = Epoch(at.epoch, "train", at.lr, losses[j], accuracy, val_loss, val_accuracy, seconds)
                better[j] = outcome.add(line, seen, None)
                if after_epoch:
                    after_epoch[j](at.epoch, stack.of(j))
        _keep(best, stack.state(), better)
        at = _Place(at.epoch + 1)
        report(outcomes[0].history[-1])
        keep(state)
    stack.unstack(best)
    return outcomes


def _step(
    stack: Stack,
    optimizer: Optimizer,
    learning: list[Tensor],
    loss: Loss | TargetLoss,
    images: Tensor,
    labels: Tensor,
    share: Tensor | None,
    lr: float,
    sums: _Sums,
) -> None:
    with precise(stack.recipe, images.device):
        logits = stack.forward(images)
    losses = torch.vmap(loss, in_dims=(0, 0, None if share is None else 0))(logits, labels, share)
    losses.sum().backward()  # type: ignore[no-untyped-call]  # no seed's loss depends on another's weights
    if stack.recipe.clip_grad_norm is not None:
        clip_each(learning, stack.recipe.clip_grad_norm)
    optimizer.step(lr)
    optimizer.zero_grad()
    sums.loss.add_(losses.detach(), alpha=labels.shape[1])
    sums.correct.add_(loss.right(logits.detach(), labels))


@torch.no_grad()
def clip_each(parameters: Sequence[Tensor], max_norm: float) -> None:
    """Clip the gradient norm of each net in a stack [k, ...], as torch's clip_grad_norm_ does for one."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norms = torch.stack([gradient.reshape(len(gradient), -1).norm(dim=1) for gradient in gradients]).norm(dim=0)
    factors = (max_norm / (norms + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factors.view(-1, *[1] * (gradient.ndim - 1)))


def _keep(best: dict[str, Tensor], now: dict[str, Tensor], better: Tensor) -> None:
    for name, tensor in best.items():
        mask = better.view(-1, *[1] * (tensor.ndim - 1))
        tensor.copy_(torch.where(mask, now[name], tensor))
