"""Deep cross-modal hashing on features: a network per modality, learnt by the likelihood of similarities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.hashing.base import Hasher
from xmer_spark.hashing.pairs import check_modalities, check_supervision
from xmer_spark.numerics.networks import (
    Scaling,
    Training,
    device_of,
    forward,
    layers_of,
    perceptron,
    seeded,
    tensors,
    train,
)
from xmer_spark.numerics.views import Arrays, Labels, Pairs, Views, checked_labels, checked_pairs, things

if TYPE_CHECKING:
    import torch


class DeepCrossModal(Hasher):
    """Deep cross-modal hashing (Jiang and Li 2017), with features in the place of pixels and words.

    With the networks' outputs F_m (n_m, bits) and ``T = F_a F_b' / 2``, minimise ``sum over pairs of
    log(1 + exp(T)) - S T`` plus ``quantisation |B - F_m|^2`` plus ``balance |F_m' 1|^2``, summed over
    modalities. A network is updated on a batch against the other modalities' latest outputs; after each
    round ``B = sgn(sum of F)`` over the items of a thing. ``S`` is 1 for items of one thing
    (``supervision="pairs"``) or of one class (``"labels"``).

    Ours: all terms are means, not sums, so that the weights mean the same for any number of items, and
    similar pairs count as much as the many others; one hidden layer of ``hidden`` rectified units with
    dropout, weight decay, and Adam; training stops when the likelihood of the tenth of the things that is
    held out has not improved for ``patience`` rounds, and keeps the best networks. Of more things than
    ``sample``, so many are drawn.
    """

    layers_: dict[str, list[Arrays]]
    losses_: list[float]

    def __init__(
        self,
        bits: int = 64,
        supervision: str = "pairs",
        hidden: int = 256,
        quantisation: float = 0.1,
        balance: float = 0.1,
        dropout: float = 0.5,
        weight_decay: float = 1e-3,
        learning_rate: float = 3e-4,
        rounds: int = 100,
        patience: int = 8,
        batch: int = 128,
        sample: int = 10_000,
        seed: int = 0,
    ) -> None:
        self.bits = bits
        self.supervision = supervision
        self.hidden = hidden
        self.quantisation = quantisation
        self.balance = balance
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.learning_rate = learning_rate
        self.rounds = rounds
        self.patience = patience
        self.batch = batch
        self.sample = sample
        self.seed = seed

    def _fit(self, views: Views, labels: Labels | None, pairs: Pairs | None) -> None:
        check_modalities("dcmh", views)
        check_supervision(self.supervision)
        shows = things(views, checked_pairs(views, pairs))
        by = checked_labels("dcmh", views, labels) if self.supervision == "labels" else shows
        random = np.random.default_rng(self.seed)
        inside, outside = self._split(shows, by, random)
        scalings = {m: Scaling.fit(view[inside[m]], columns=True) for m, view in views.items()}
        self.means_ = {m: scaling.mean for m, scaling in scalings.items()}
        self.scales_ = {m: scaling.scale for m, scaling in scalings.items()}
        learning, held_out = (self._part(views, by, shows, rows) for rows in (inside, outside))
        # The loss has a weight decay of its own: Adam's, which scales it as it does all of the gradient.
        settings = {"epochs": self.rounds, "rate": self.learning_rate, "patience": self.patience}
        with seeded(self.seed):
            fit = _Fit(self, learning, random)
            checks = [(pair, 1) for pair in combinations(views, 2)]
            measure, training = fit.likelihood_of(held_out), Training.of(settings, weight_decay=0.0)
            history = train(fit.networks, fit.loss, fit.round, training, checks, measure)
        self.losses_ = history.validation
        self.layers_ = {m: layers_of(network) for m, network in fit.networks.items()}

    def _activations(self, modality: str, x: np.ndarray) -> np.ndarray:
        return forward(self.layers_[modality], self._scaled(modality, x), "relu")

    def _scaled(self, modality: str, x: np.ndarray) -> np.ndarray:
        return Scaling(self.means_[modality], self.scales_[modality])(x)

    def _part(self, views: Views, by: Arrays, shows: Arrays, rows: Arrays) -> _Items:
        """The items of these rows, as tensors; their things are numbered anew, from 0."""
        import torch

        numbers = np.unique(np.concatenate([shows[m][rows[m]] for m in views]), return_inverse=True)[1]
        ends = np.cumsum([len(rows[m]) for m in views])[:-1]
        return _Items(
            tensors({m: self._scaled(m, view[rows[m]]) for m, view in views.items()}, device_of("cpu")),
            tensors({m: by[m][rows[m]] for m in views}, device_of("cpu")),
            dict(zip(views, map(torch.from_numpy, np.split(numbers, ends)), strict=True)),
        )

    def _split(self, shows: Arrays, by: Arrays, random: np.random.Generator) -> tuple[Arrays, Arrays]:
        """Rows to learn from and rows held out, by modality; rows without a label are neither."""
        known = {m: np.flatnonzero(by[m] >= 0) for m in shows}
        numbers = random.permutation(np.unique(np.concatenate([shows[m][known[m]] for m in shows])))
        numbers = numbers[: self.sample]
        held_out = numbers[: len(numbers) // 10]

        def rows(chosen: np.ndarray) -> Arrays:
            return {m: known[m][np.isin(shows[m][known[m]], chosen)] for m in shows}

        inside, outside = rows(numbers[len(held_out) :]), rows(held_out)
        if min(map(len, (*inside.values(), *outside.values()))) < 1:
            raise XmerError("hashing: dcmh needs at least some tens of things that every modality shows")
        return inside, outside


@dataclass(frozen=True)
class _Items:
    """Items by modality: inputs (n_m, d_m), what decides on similarity (n_m,), and things (n_m,)."""

    inputs: dict[str, torch.Tensor]
    by: dict[str, torch.Tensor]
    things: dict[str, torch.Tensor]


class _Fit:
    """The networks of one fit, with what they have put out.

    The loss of a batch looks at the latest outputs for all other items, so it also keeps them up to date.
    """

    def __init__(self, hasher: DeepCrossModal, items: _Items, random: np.random.Generator) -> None:
        from torch import nn

        self.hasher, self.items, self.random = hasher, items, random
        hidden, bits, dropout = hasher.hidden, hasher.bits, hasher.dropout
        self.networks = nn.ModuleDict(
            {m: perceptron([x.shape[1], hidden, bits], "relu", dropout) for m, x in items.inputs.items()}
        )
        self.outputs = {m: self._evaluated(m) for m in items.inputs}

    def round(self) -> Iterator[tuple[tuple[str, torch.Tensor], int]]:
        """Batches of one modality after the other, each with the number of its items."""
        import torch

        self.codes = self._codes()
        for m, x in self.items.inputs.items():
            for rows in torch.from_numpy(self.random.permutation(len(x))).split(self.hasher.batch):
                yield (m, rows), len(rows)
            self.outputs[m] = self._evaluated(m)

    def loss(self, batch: tuple[str, torch.Tensor], passed: float) -> torch.Tensor:
        m, rows = batch
        hasher, items, outputs = self.hasher, self.items, self.outputs
        f = self.networks[m](items.inputs[m][rows])
        # The sum of all outputs, of which this batch's are new.
        total = outputs[m].sum(dim=0) - outputs[m][rows].sum(dim=0) + f.sum(dim=0)
        loss = hasher.quantisation * (self.codes[items.things[m][rows]] - f).square().mean()
        loss = loss + hasher.balance * (total / len(outputs[m])).square().mean()
        for other in outputs:
            if other != m:
                loss = loss + _likelihood(f, outputs[other], items.by[m][rows], items.by[other])
        decay = sum(weight.square().sum() for weight in self.networks[m].parameters())
        outputs[m][rows] = f.detach()
        return loss + hasher.weight_decay / 2 * decay

    def likelihood_of(self, items: _Items) -> Callable[[tuple[str, str], float], torch.Tensor]:
        """The measure that early stopping looks at: of two modalities' items that were held out."""

        def measure(modalities: tuple[str, str], passed: float) -> torch.Tensor:
            f, g = (self.networks[m](items.inputs[m]) for m in modalities)
            return _likelihood(f, g, *(items.by[m] for m in modalities))

        return measure

    def _codes(self) -> torch.Tensor:
        """B, one row per thing."""
        import torch

        count = 1 + max(int(numbers.max()) for numbers in self.items.things.values())
        total = torch.zeros(count, self.hasher.bits)
        for m, numbers in self.items.things.items():
            total.index_add_(0, numbers, self.outputs[m])
        return torch.where(total > 0, 1.0, -1.0)

    def _evaluated(self, m: str) -> torch.Tensor:
        """The outputs for all items of a modality, without dropout."""
        import torch

        network = self.networks[m].eval()
        with torch.no_grad():
            outputs: torch.Tensor = network(self.items.inputs[m])
        network.train()
        return outputs


def _likelihood(f: torch.Tensor, g: torch.Tensor, f_by: torch.Tensor, g_by: torch.Tensor) -> torch.Tensor:
    """The negative log likelihood ``log(1 + exp(T)) - S T``: its mean over similar pairs, and over others."""
    from torch.nn.functional import softplus

    t = f @ g.T / 2
    similar = (f_by[:, None] == g_by).float()
    others = 1 - similar
    both: torch.Tensor = (softplus(-t) * similar).sum() / similar.sum().clamp(min=1)
    return both + (softplus(t) * others).sum() / others.sum().clamp(min=1)
