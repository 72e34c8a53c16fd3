"""Deep cross-modal hashing on features: a network a modality, learnt by the likelihood of similarities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Self

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.hashing.base import Hasher, check_bits
from xmer_spark.hashing.pairs import (
    check_modalities,
    check_supervision,
    checked_labels,
    checked_pairs,
    things,
)
from xmer_spark.numerics.views import Labels, Pairs, Views

if TYPE_CHECKING:
    import torch

#: (rows of a, rows of b) -> (n_a, n_b): 1 where two items are similar, else 0.
Similar = Callable[[np.ndarray, np.ndarray], np.ndarray]


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

    layers_: dict[str, dict[str, np.ndarray]]
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

    def fit(self, views: Views, labels: Labels | None = None, pairs: Pairs | None = None) -> Self:
        check_bits(self.bits)
        check_modalities("dcmh", views)
        check_supervision(self.supervision)
        shows = things(views, checked_pairs(views, pairs))
        by = checked_labels("dcmh", views, labels) if self.supervision == "labels" else shows
        random = np.random.default_rng(self.seed)
        inside, outside = self._split(shows, by, random)
        self.means_ = {m: view[inside[m]].mean(axis=0, dtype=np.float64) for m, view in views.items()}
        self.scales_ = {m: _scale(view[inside[m]]) for m, view in views.items()}
        _Training(self, views, by, shows, inside, outside, random).run()
        return self

    def activations(self, modality: str, x: np.ndarray) -> np.ndarray:
        layers = self.layers_[modality]
        hidden = np.maximum(self.scaled(modality, x) @ layers["hidden"] + layers["hidden_bias"], 0)
        result: np.ndarray = hidden @ layers["output"] + layers["output_bias"]
        return result

    def scaled(self, modality: str, x: np.ndarray) -> np.ndarray:
        return ((x - self.means_[modality]) / self.scales_[modality]).astype(np.float32)

    def _split(
        self, shows: dict[str, np.ndarray], by: dict[str, np.ndarray], random: np.random.Generator
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Rows to learn from and rows held out, by modality; rows without a label are neither."""
        known = {m: np.flatnonzero(by[m] >= 0) for m in shows}
        numbers = random.permutation(np.unique(np.concatenate([shows[m][known[m]] for m in shows])))
        numbers = numbers[: self.sample]
        held_out = numbers[: len(numbers) // 10]

        def rows(chosen: np.ndarray) -> dict[str, np.ndarray]:
            return {m: known[m][np.isin(shows[m][known[m]], chosen)] for m in shows}

        inside, outside = rows(numbers[len(held_out) :]), rows(held_out)
        if min(map(len, (*inside.values(), *outside.values()))) < 1:
            raise XmerError("hashing: dcmh needs at least some tens of things that every modality shows")
        return inside, outside


class _Training:
    """The networks of one fit, with what they have put out."""

    def __init__(
        self,
        hasher: DeepCrossModal,
        views: Views,
        by: dict[str, np.ndarray],
        shows: dict[str, np.ndarray],
        inside: dict[str, np.ndarray],
        outside: dict[str, np.ndarray],
        random: np.random.Generator,
    ) -> None:
        import torch

        self.hasher = hasher
        self.random = random
        self.inputs = {m: torch.from_numpy(hasher.scaled(m, v[inside[m]])) for m, v in views.items()}
        self.by = {m: torch.from_numpy(by[m][inside[m]].astype(np.int64)) for m in views}
        self.held_out = {m: torch.from_numpy(hasher.scaled(m, v[outside[m]])) for m, v in views.items()}
        self.held_out_by = {m: torch.from_numpy(by[m][outside[m]].astype(np.int64)) for m in views}
        numbers = np.unique(np.concatenate([shows[m][inside[m]] for m in views]), return_inverse=True)[1]
        ends = np.cumsum([len(inside[m]) for m in views])[:-1]
        self.things = dict(zip(views, map(torch.from_numpy, np.split(numbers, ends)), strict=True))

    def run(self) -> None:
        import torch

        hasher = self.hasher
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(hasher.seed)
            networks = {m: self._network(x.shape[1]) for m, x in self.inputs.items()}
            optimisers = {
                m: torch.optim.Adam(n.parameters(), hasher.learning_rate, weight_decay=hasher.weight_decay)
                for m, n in networks.items()
            }
            self.outputs = {m: _evaluate(networks[m], x) for m, x in self.inputs.items()}
            best, since, hasher.losses_ = np.inf, 0, []
            for _ in range(hasher.rounds):
                codes = self._codes()
                for m in networks:
                    self._round(m, networks[m], optimisers[m], codes)
                loss = self._held_out_loss(networks)
                hasher.losses_.append(loss)
                since += 1
                if loss < best:
                    best, since = loss, 0
                    hasher.layers_ = {m: _layers(network) for m, network in networks.items()}
                if since >= hasher.patience:
                    break

    def _network(self, width: int) -> torch.nn.Sequential:
        from torch import nn

        hidden, bits = self.hasher.hidden, self.hasher.bits
        dropout = nn.Dropout(self.hasher.dropout)
        return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), dropout, nn.Linear(hidden, bits))

    def _codes(self) -> torch.Tensor:
        """B, one row a thing."""
        import torch

        count = 1 + max(int(numbers.max()) for numbers in self.things.values())
        total = torch.zeros(count, self.hasher.bits)
        for m, numbers in self.things.items():
            total.index_add_(0, numbers, self.outputs[m])
        return torch.where(total > 0, 1.0, -1.0)

    def _round(
        self, m: str, network: torch.nn.Sequential, optimiser: torch.optim.Optimizer, codes: torch.Tensor
    ) -> None:
        network.train()
        for rows in self._batches(len(self.inputs[m])):
            f = network(self.inputs[m][rows])
            # The sum of all outputs, of which this batch's are new.
            total = self.outputs[m].sum(dim=0) - self.outputs[m][rows].sum(dim=0) + f.sum(dim=0)
            loss = self.hasher.quantisation * (codes[self.things[m][rows]] - f).square().mean()
            loss = loss + self.hasher.balance * (total / len(self.inputs[m])).square().mean()
            for other in self.outputs:
                if other != m:
                    loss = loss + _likelihood(f, self.outputs[other], self.by[m][rows], self.by[other])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            self.outputs[m][rows] = f.detach()
        self.outputs[m] = _evaluate(network, self.inputs[m])

    def _batches(self, count: int) -> Iterator[torch.Tensor]:
        import torch

        order = torch.from_numpy(self.random.permutation(count))
        return iter(order.split(self.hasher.batch))

    def _held_out_loss(self, networks: dict[str, torch.nn.Sequential]) -> float:
        f = {m: _evaluate(networks[m], x) for m, x in self.held_out.items()}
        by = self.held_out_by
        return sum(float(_likelihood(f[a], f[b], by[a], by[b])) for a, b in combinations(f, 2))


def _likelihood(f: torch.Tensor, g: torch.Tensor, f_by: torch.Tensor, g_by: torch.Tensor) -> torch.Tensor:
    """The negative log likelihood ``log(1 + exp(T)) - S T``: its mean over similar pairs, and over others."""
    from torch.nn.functional import softplus

    t = f @ g.T / 2
    similar = (f_by[:, None] == g_by).float()
    others = 1 - similar
    both: torch.Tensor = (softplus(-t) * similar).sum() / similar.sum().clamp(min=1)
    return both + (softplus(t) * others).sum() / others.sum().clamp(min=1)


def _evaluate(network: torch.nn.Sequential, x: torch.Tensor) -> torch.Tensor:
    import torch

    network.eval()
    with torch.no_grad():
        result: torch.Tensor = network(x)
    return result


def _layers(network: torch.nn.Sequential) -> dict[str, np.ndarray]:
    """The weights as numpy arrays, so that hashing needs no torch."""
    weights = [weight.detach().numpy().T.copy() for weight in network.parameters()]
    return dict(zip(("hidden", "hidden_bias", "output", "output_bias"), weights, strict=True))


def _scale(x: np.ndarray) -> np.ndarray:
    deviation = x.std(axis=0, dtype=np.float64)
    return np.where(deviation > 1e-9, deviation, 1.0)
