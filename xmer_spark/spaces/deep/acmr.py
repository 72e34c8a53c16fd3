"""Adversarial cross-modal retrieval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.numerics.linalg import softmax, unit_rows
from xmer_spark.numerics.networks import (
    Batch,
    Scaling,
    Training,
    device_of,
    forward,
    layers_of,
    perceptron,
    seeded,
    tensors,
    train_on_pairs,
    usable_pairs,
)
from xmer_spark.numerics.views import Arrays, Labels, Pairs, Views, class_numbers
from xmer_spark.spaces.base import Space

if TYPE_CHECKING:
    import torch


class ACMR(Space):
    """Classes told apart, modalities made hard to tell apart: Wang, Yang, Xu, Hanjalic and Shen (2017).

    "Adversarial Cross-Modal Retrieval", ACM Multimedia. Projectors ``f_m(x) = tanh(MLP(x))``, one per
    modality, play against a classifier that guesses the modality. They minimise, and it maximises (by
    gradient reversal, Ganin and Lempitsky 2015),
    ``discrimination L_imd + invariance L_imi + regularisation L_reg - adversary L_adv`` with

    - L_imd, the cross-entropy of one shared linear classifier of the label on f;
    - L_imi, the mean of ``|f_a(x) - f_b(y)|`` over x and y of one class plus ``push`` times the mean of
      ``max(0, margin - |f_a(x) - f_b(y)|)`` over those of two classes (the paper's sum over triplets
      falls apart into these two);
    - L_reg, the sum of the Frobenius norms of the projectors' weights;
    - L_adv, the cross-entropy of the modality classifier, here for any number of modalities.

    ``embedding`` says what ``transform`` gives: "projection" is the paper's f, in rows of unit length;
    "posterior" the class probabilities of L_imd's classifier, whose inner product is the probability that
    two items, independent given their vectors, share their class.

    Where this differs: the sizes of the networks, and a modality classifier of one tanh layer; all pairs
    of a mini-batch form the triplets; projectors and classifier take their steps together, not in turns;
    dropout; the weight of reversal rises from 0 as in Ganin and Lempitsky; "posterior". ``columns`` gives
    every input column unit variance, which serves features as they come and harms principal components.
    Items of unknown class (-1) take part in L_adv, and in L_imi with what they are paired with. The
    authors' published demonstration has another loss than the paper: one hinge on squared distances to
    the hardest negative, and no L_reg.
    """

    def __init__(
        self,
        dimensions: int = 64,
        hidden: Sequence[int] = (512, 512),
        discrimination: float = 1.0,
        invariance: float = 0.03,
        push: float = 1.0,
        margin: float = 8.0,
        regularisation: float = 1e-3,
        adversary: float = 0.1,
        dropout: float = 0.5,
        columns: bool = False,
        embedding: str = "posterior",
        training: Mapping[str, Any] | None = None,
    ) -> None:
        self.dimensions = dimensions
        self.hidden = hidden
        self.discrimination = discrimination
        self.invariance = invariance
        self.push = push
        self.margin = margin
        self.regularisation = regularisation
        self.adversary = adversary
        self.dropout = dropout
        self.columns = columns
        self.embedding = embedding
        self.training = training

    def _fit(self, views: Views, labels: Labels | None, pairs: Pairs | None) -> None:
        if self.embedding not in ("projection", "posterior"):
            raise XmerError(f"ACMR: embedding is projection or posterior, not {self.embedding!r}")
        training = Training.of(self.training, batch_size=64, rate=3e-4)
        pairs = usable_pairs(views, pairs)
        self.classes_, classes = _numbered(views, labels)
        scalings = {m: Scaling.fit(view, columns=self.columns) for m, view in views.items()}
        self.means_ = {m: scaling.mean for m, scaling in scalings.items()}
        self.scales_ = {m: scaling.scale for m, scaling in scalings.items()}
        with seeded(training.seed):
            network = self._network(views, len(self.classes_))
            device = device_of(training.device)
            network.to(device)
            x = tensors({m: scalings[m](view) for m, view in views.items()}, device)
            loss = _Loss(self, network, x, tensors(classes, device))
            history = train_on_pairs(network, loss, views, pairs, training, loss.without_adversary)
        self.projectors_ = {m: layers_of(network["projectors"][m]) for m in views}
        self.classifier_ = layers_of(network["label"])
        self.losses_ = np.array(history.losses)
        self.validation_losses_ = np.array(history.validation)

    def _transform(self, modality: str, x: np.ndarray) -> np.ndarray:
        scaled = Scaling(self.means_[modality], self.scales_[modality])(x)
        projected = np.tanh(forward(self.projectors_[modality], scaled))
        if self.embedding == "projection":
            return unit_rows(projected)
        return softmax(forward(self.classifier_, projected))

    def _network(self, views: Views, classes: int) -> Any:
        from torch import nn

        return nn.ModuleDict(
            {
                "projectors": nn.ModuleDict(
                    {
                        m: perceptron([view.shape[1], *self.hidden, self.dimensions], "tanh", self.dropout)
                        for m, view in views.items()
                    }
                ),
                "label": perceptron([self.dimensions, classes]),
                "modality": perceptron([self.dimensions, max(self.dimensions // 4, 1), len(views)]),
            }
        )


class _Loss:
    """The paper's losses on the pairs of a mini-batch."""

    def __init__(
        self, space: ACMR, network: Any, x: Mapping[str, torch.Tensor], y: Mapping[str, torch.Tensor]
    ) -> None:
        self.space, self.network, self.x, self.y = space, network, x, y
        self.modality = {m: i for i, m in enumerate(x)}

    def __call__(self, batch: Batch, passed: float) -> torch.Tensor:
        import torch
        from torch.nn.functional import cross_entropy

        sides = [self._side(m, rows[:, i]) for kind, rows in batch.items() for i, m in enumerate(kind)]
        reversal = 2 / (1 + np.exp(-10 * passed)) - 1
        projected = torch.cat([f for f, _, _ in sides])
        guess = self.network["modality"](gradient_reversal()(projected, self.space.adversary * reversal))
        return self._embedding_loss(sides) + cross_entropy(guess, torch.cat([m for _, _, m in sides]))

    def without_adversary(self, batch: Batch, passed: float) -> torch.Tensor:
        """What early stopping looks at: a confused modality classifier is no aim in itself."""
        sides = [self._side(m, rows[:, i]) for kind, rows in batch.items() for i, m in enumerate(kind)]
        return self._embedding_loss(sides)

    def _side(self, modality: str, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Projections, classes and modality numbers of one side of a batch's pairs."""
        import torch

        index = torch.as_tensor(rows, device=self.x[modality].device)
        projected = torch.tanh(self.network["projectors"][modality](self.x[modality][index]))
        return projected, self.y[modality][index], torch.full_like(index, self.modality[modality])

    def _embedding_loss(
        self, sides: Sequence[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]
    ) -> torch.Tensor:
        import torch
        from torch.nn.functional import cross_entropy

        space = self.space
        y = torch.cat([y for _, y, _ in sides])
        known = y >= 0
        logits = self.network["label"](torch.cat([f for f, _, _ in sides]))
        loss = cross_entropy(logits[known], y[known]) if known.any() else logits.sum() * 0
        loss = space.discrimination * loss
        for (f, y_f, _), (g, y_g, _) in zip(sides[::2], sides[1::2], strict=True):
            loss = loss + space.invariance * self._invariance(f, y_f, g, y_g) * len(f) * 2 / len(y)
        weights = [w for name, w in self.network["projectors"].named_parameters() if name.endswith("weight")]
        return loss + space.regularisation * sum(torch.linalg.norm(w) for w in weights)

    def _invariance(
        self, f: torch.Tensor, y_f: torch.Tensor, g: torch.Tensor, y_g: torch.Tensor
    ) -> torch.Tensor:
        import torch

        distance = torch.cdist(f, g)
        both = (y_f >= 0)[:, None] & (y_g >= 0)
        same = (y_f[:, None] == y_g) & both | torch.eye(len(f), dtype=torch.bool, device=f.device)
        other = both & ~same
        pushed = torch.relu(self.space.margin - distance[other])
        return distance[same].mean() + (self.space.push * pushed.mean() if len(pushed) else 0)


@cache
def gradient_reversal() -> Any:
    """The function (x, weight) that is the identity forward and multiplies gradients by -weight backward."""
    import torch

    class Reversal(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor, weight: float) -> torch.Tensor:
            ctx.weight = weight
            return x.view_as(x)

        @staticmethod
        def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
            return -ctx.weight * gradient, None

    return Reversal.apply


def _numbered(views: Views, labels: Labels | None) -> tuple[np.ndarray, Arrays]:
    """The known classes, and each item's number among them; a modality may have no labels at all."""
    given = {m: np.asarray((labels or {}).get(m, np.full(len(view), -1))) for m, view in views.items()}
    classes, numbers = class_numbers(given)
    if len(classes) < 2:
        raise XmerError("ACMR learns from class labels: at least two classes must be known")
    return classes, numbers
