"""What methods made of neural networks share: one training loop, mini-batches of pairs, a forward pass.

Networks are trained by torch and kept as numpy arrays: a worker that only transforms needs no torch.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.numerics.rows import chunks
from xmer_spark.numerics.views import Pairs, Views, checked_pairs, things

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

#: What one step learns from.
B = TypeVar("B")

#: Modality pair -> (p, 2) row indices: those of one mini-batch, in the shape that a space is given.
Batch = Mapping[tuple[str, str], np.ndarray]

#: One (in, out) weight and one (out,) bias per linear layer, in order.
Layers = Sequence[Mapping[str, np.ndarray]]

#: Batch and share of the epochs that have passed -> what is minimised, a mean over the batch.
Loss = Callable[[Batch, float], "torch.Tensor"]

#: Activations by name, as torch's module and as a function of arrays.
_ACTIVATIONS: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "tanh": ("Tanh", np.tanh),
    "relu": ("ReLU", lambda x: np.maximum(x, 0)),
}

_LOG_EVERY = 10


@dataclass(frozen=True)
class Training:
    """How a network is trained: AdamW over ``epochs`` at most, ``batch_size`` pairs per step.

    Training stops when the loss of the ``validation`` share of the pairs has not fallen for ``patience``
    epochs, and the best epoch's weights are kept. ``validation = 0`` trains for all epochs and keeps the
    last weights. A gradient longer than ``clip`` is brought to that length. ``device`` is auto, cpu or cuda;
    ``seed`` decides on split, initial weights and order.
    """

    epochs: int = 100
    batch_size: int = 128
    rate: float = 1e-3
    weight_decay: float = 1e-2
    patience: int = 15
    validation: float = 0.1
    clip: float | None = None
    seed: int = 0
    device: str = "auto"

    @classmethod
    def of(cls, settings: Mapping[str, Any] | None, **defaults: Any) -> Self:
        """The method's defaults with what the user set; an XmerError names an unknown or impossible value."""
        known = [f.name for f in fields(cls)]
        unknown = set(settings or {}) - set(known)
        if unknown:
            raise XmerError(f"training: unknown {', '.join(sorted(unknown))}; known: {', '.join(known)}")
        training = cls(**{**defaults, **(settings or {})})
        if training.epochs < 1 or training.batch_size < 1 or not 0 <= training.validation < 1:
            raise XmerError("training: epochs and batch_size are at least 1, validation lies in [0, 1)")
        return training


@dataclass
class History:
    """Mean loss per epoch, on the pairs learnt from and on those held out (NaN without any)."""

    losses: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    best: int = 0


def usable_pairs(
    views: Views, pairs: Pairs | None, *, alone: bool = True
) -> dict[tuple[str, str], np.ndarray]:
    """The checked pairs, rows aligned where None; ``alone`` pairs an item without any with itself."""
    found = dict(checked_pairs(views, pairs))
    for modality, view in views.items() if alone else ():
        paired = np.zeros(len(view), dtype=bool)
        for (a, b), rows in found.items():
            paired[rows[:, [a == modality, b == modality]].ravel()] = True
        rest = np.repeat(np.flatnonzero(~paired), 2).reshape(-1, 2)
        own = found.get((modality, modality), np.empty((0, 2), dtype=np.int64))
        if len(rest):
            found[modality, modality] = np.vstack([own, rest])
    found = {kind: rows for kind, rows in found.items() if len(rows)}
    if not found:
        raise XmerError("a network learns from pairs; there are none")
    return found


def split_pairs(views: Views, pairs: Pairs, share: float, seed: int) -> tuple[Batch, Batch]:
    """Pairs to learn from and pairs to validate on: ``share`` of the things, drawn by ``seed``.

    Items that pairs connect, directly or by way of others, are one thing and stay on one side.
    """
    shown = things(views, pairs)
    thing = {(a, b): shown[a][rows[:, 0]] for (a, b), rows in pairs.items()}
    drawn = np.random.default_rng(seed).permutation(np.unique(np.concatenate(list(thing.values()))))
    held_out = drawn[: int(share * len(drawn))]
    masks = {kind: np.isin(numbers, held_out) for kind, numbers in thing.items()}
    learn = {kind: rows[~masks[kind]] for kind, rows in pairs.items() if not masks[kind].all()}
    validate = {kind: rows[masks[kind]] for kind, rows in pairs.items() if masks[kind].any()}
    return learn, validate


def batches(pairs: Batch, size: int, random: np.random.Generator) -> Iterator[tuple[Batch, int]]:
    """The pairs of all kinds in random order, ``size`` at a time, each batch with its count of pairs."""
    kinds = list(pairs)
    kind = np.repeat(np.arange(len(kinds)), [len(rows) for rows in pairs.values()])
    rows = np.concatenate(list(pairs.values()))
    order = random.permutation(len(rows))
    for part in chunks(len(rows), size):
        chosen = order[part]
        yield {kinds[k]: rows[chosen[kind[chosen] == k]] for k in np.unique(kind[chosen])}, len(chosen)


def train_on_pairs(
    network: torch.nn.Module,
    loss: Loss,
    views: Views,
    pairs: Pairs,
    training: Training,
    measure: Loss | None = None,
) -> History:
    """Minimise ``loss``; stop when ``measure``, or else the loss, no longer falls on held-out pairs."""
    learn, held_out = split_pairs(views, pairs, training.validation, training.seed)
    random = np.random.default_rng(training.seed)
    # One fixed division: losses that look at a whole batch stay comparable from epoch to epoch.
    checks = list(batches(held_out, training.batch_size, random)) if held_out else []
    return train(
        network, loss, lambda: batches(learn, training.batch_size, random), training, checks, measure
    )


def train(
    network: torch.nn.Module,
    loss: Callable[[B, float], torch.Tensor],
    epoch_batches: Callable[[], Iterable[tuple[B, int]]],
    training: Training,
    checks: Sequence[tuple[Any, int]] = (),
    measure: Callable[[Any, float], torch.Tensor] | None = None,
) -> History:
    """Minimise ``loss`` over what ``epoch_batches`` gives for an epoch: batches, each with its weight.

    Stop when ``measure``, or else the loss, no longer falls on the batches of ``checks``; without any, all
    epochs are done and the last weights kept.
    """
    import torch

    optimiser = torch.optim.AdamW(network.parameters(), lr=training.rate, weight_decay=training.weight_decay)
    history, best = History(), copy.deepcopy(network.state_dict())
    for epoch in range(training.epochs):
        passed = epoch / training.epochs
        network.train()
        history.losses.append(_epoch(loss, epoch_batches(), passed, optimiser, training.clip))
        network.eval()
        with torch.no_grad():
            history.validation.append(_epoch(measure or loss, checks, passed))
        if not np.isfinite(history.losses[-1]):
            raise XmerError(f"the loss is no longer a number in epoch {epoch + 1}: lower the learning rate")
        if not checks or epoch == 0 or history.validation[-1] < history.validation[history.best]:
            history.best, best = epoch, copy.deepcopy(network.state_dict())
        if (epoch + 1) % _LOG_EVERY == 0:
            log.info(
                "epoch %d: loss %.4f, validation %.4f", epoch + 1, history.losses[-1], history.validation[-1]
            )
        if epoch - history.best >= training.patience:
            break
    network.load_state_dict(best)
    log.info("kept the weights of epoch %d of %d", history.best + 1, len(history.losses))
    return history


def _epoch(
    loss: Callable[[B, float], torch.Tensor],
    parts: Iterable[tuple[B, int]],
    passed: float,
    optimiser: torch.optim.Optimizer | None = None,
    clip: float | None = None,
) -> float:
    """Mean loss over the batches; with an optimiser, a step after each. NaN without batches."""
    total, weight = 0.0, 0
    for batch, count in parts:
        value = loss(batch, passed)
        if optimiser is not None:
            optimiser.zero_grad()
            value.backward()
            _clip(optimiser, clip)
            optimiser.step()
        total, weight = total + float(value.detach()) * count, weight + count
    return total / weight if weight else float("nan")


def _clip(optimiser: torch.optim.Optimizer, longest: float | None) -> None:
    """Shorten the gradient of all parameters together to at most ``longest``."""
    from torch.nn.utils import clip_grad_norm_

    if longest is not None:
        clip_grad_norm_([p for group in optimiser.param_groups for p in group["params"]], longest)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Everything that torch draws inside depends on ``seed``; what is drawn after it does not."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def device_of(name: str) -> torch.device:
    """``auto`` is cuda where there is one; an XmerError says that cuda was asked for in vain."""
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise XmerError(f"training.device is auto, cpu or cuda, not {name!r}")
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise XmerError("training.device is cuda, but torch sees no GPU here")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def tensors(arrays: Mapping[str, np.ndarray], device: torch.device) -> dict[str, torch.Tensor]:
    """Floats as float32, integers as int64."""
    import torch

    return {
        name: torch.as_tensor(x, dtype=torch.float32 if x.dtype.kind == "f" else torch.int64).to(device)
        for name, x in arrays.items()
    }


def perceptron(widths: Sequence[int], activation: str = "tanh", dropout: float = 0.0) -> torch.nn.Sequential:
    """Linear layers between ``widths``, activation and dropout after all but the last."""
    from torch import nn

    if activation not in _ACTIVATIONS:
        raise XmerError(f"unknown activation {activation!r}; known: {', '.join(sorted(_ACTIVATIONS))}")
    parts: list[nn.Module] = []
    for width, following in pairwise(widths):
        parts += [
            nn.Linear(width, following),
            getattr(nn, _ACTIVATIONS[activation][0])(),
            nn.Dropout(dropout),
        ]
    return nn.Sequential(*parts[:-2])


def layers_of(network: torch.nn.Module) -> list[dict[str, np.ndarray]]:
    """The weights of a network's linear layers as arrays."""
    from torch import nn

    return [
        {
            "weight": layer.weight.detach().cpu().numpy().T.copy(),
            "bias": layer.bias.detach().cpu().numpy().copy(),
        }
        for layer in network.modules()
        if isinstance(layer, nn.Linear)
    ]


def forward(layers: Layers, x: np.ndarray, activation: str = "tanh") -> np.ndarray:
    """What ``perceptron`` computes when it is not trained: (n, in) -> (n, out), in the precision of ``x``."""
    apply = _ACTIVATIONS[activation][1]
    for layer in layers[:-1]:
        x = apply(x @ layer["weight"] + layer["bias"])
    return x @ layers[-1]["weight"] + layers[-1]["bias"]


@dataclass(frozen=True)
class Scaling:
    """Centres a view and brings it to a root mean square of 1, as networks are initialised for.

    One number for all columns keeps their proportions; ``columns`` gives each its own.
    """

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, x: np.ndarray, *, columns: bool = False) -> Self:
        mean, variance = x.mean(axis=0, dtype=np.float64), x.var(axis=0, dtype=np.float64)
        scale = np.sqrt(variance if columns else np.full_like(variance, variance.mean()))
        return cls(mean, np.where(scale > 1e-12, scale, 1.0))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """float64, for the mean is."""
        return np.asarray((x - self.mean) / self.scale)
