"""The space that pretrained encoders share already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.numerics.linalg import unit_rows
from xmer_spark.numerics.networks import (
    Batch,
    Loss,
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
from xmer_spark.numerics.views import Labels, Pairs, Views
from xmer_spark.spaces.base import Space

if TYPE_CHECKING:
    import torch

_ADAPTERS = (None, "linear", "rotation", "residual")


class Pretrained(Space):
    """Passes on, at unit length, what encoders of one common space give, such as CLIP (Radford et al. 2021).

    Vectors of all modalities must have one width. ``adapter`` fits the space to the data at hand, from pairs:

    - None: as they come; nothing is learnt.
    - "linear": a map into the space of the first modality, which stays as it is; for every other one
      ``min_W |X W - Y|^2 + ridge n |W - I|^2`` over its n pairs with the first, rows at unit length: with few
      pairs, or a large ridge, it stays near the identity.
    - "rotation": the same with W orthogonal, ``W = U V^T`` from the singular vectors of ``X^T Y + ridge n I``
      (Schoenemann 1966).
    - "residual": ``share A_m(x) + (1 - share) x``, with a network ``A(x) = relu(relu(x W_1) W_2)`` per
      modality and a bottleneck of ``width / reduction``: the adapter of Gao et al. (2021), "CLIP-Adapter".
      There it is trained to classify images by prompts; here to tell a batch's pairs apart, by the symmetric
      cross-entropy of CLIP at ``temperature``, with biases, and on every modality.
    """

    def __init__(
        self,
        adapter: str | None = None,
        ridge: float = 0.01,
        share: float = 0.2,
        reduction: int = 4,
        temperature: float = 0.05,
        training: Mapping[str, Any] | None = None,
    ) -> None:
        self.adapter = adapter
        self.ridge = ridge
        self.share = share
        self.reduction = reduction
        self.temperature = temperature
        self.training = training

    @property
    def learns(self) -> bool:
        return self.adapter is not None

    def _fit(self, views: Views, labels: Labels | None, pairs: Pairs | None) -> None:
        if self.adapter not in _ADAPTERS:
            known = ", ".join(str(a) for a in _ADAPTERS[1:])
            raise XmerError(f"pretrained: adapter is left out or one of {known}, not {self.adapter!r}")
        widths = {m: view.shape[1] for m, view in views.items()}
        if len(set(widths.values())) > 1:
            raise XmerError(
                f"pretrained: vectors of one common space have one width, not {widths}; use encoders that "
                "were trained together, or a space that is learnt, such as cca"
            )
        self.width_ = next(iter(widths.values()))
        self.maps_: dict[str, np.ndarray] = {}
        self.adapters_: dict[str, list[dict[str, np.ndarray]]] = {}
        if self.adapter is not None:
            units = {m: unit_rows(view.astype(np.float32)) for m, view in views.items()}
            found = usable_pairs(views, pairs, alone=False)
            if self.adapter == "residual":
                self._fit_residual(units, found)
            else:
                self._fit_maps(units, found)

    def _transform(self, modality: str, x: np.ndarray) -> np.ndarray:
        if x.shape[1] != self.width_:
            raise XmerError(
                f"pretrained: {modality} has {x.shape[1]} columns, the common space {self.width_}"
            )
        x = unit_rows(x)
        if modality in self.maps_:
            x = unit_rows(x @ self.maps_[modality])
        if modality in self.adapters_:
            x = self._adapt(modality, x)
        return x

    def _fit_maps(self, units: Views, pairs: Pairs) -> None:
        anchor, *others = units
        for modality in others:
            rows = [p for (a, b), p in pairs.items() if (a, b) == (anchor, modality)]
            rows += [p[:, ::-1] for (a, b), p in pairs.items() if (a, b) == (modality, anchor)]
            if not rows:
                raise XmerError(f"pretrained: no pairs of {anchor} and {modality} to learn an adapter from")
            index = np.vstack(rows)
            y, x = units[anchor][index[:, 0]].astype(float), units[modality][index[:, 1]].astype(float)
            held = self.ridge * len(index) * np.eye(self.width_)
            if self.adapter == "linear":
                fitted = np.linalg.solve(x.T @ x + held + 1e-9 * np.eye(self.width_), x.T @ y + held)
            else:
                u, _, vt = np.linalg.svd(x.T @ y + held)
                fitted = u @ vt
            self.maps_[modality] = fitted.astype(np.float32)

    def _fit_residual(self, units: Views, pairs: Pairs) -> None:
        from torch import nn

        training = Training.of(self.training)
        bottleneck = max(self.width_ // self.reduction, 1)
        with seeded(training.seed):
            network = nn.ModuleDict(
                {m: perceptron([self.width_, bottleneck, self.width_], "relu") for m in units}
            )
            device = device_of(training.device)
            network.to(device)
            loss = self._contrast(network, tensors(units, device))
            history = train_on_pairs(network, loss, units, pairs, training)
        self.adapters_ = {m: layers_of(network[m]) for m in units}
        self.losses_ = np.array(history.losses)
        self.validation_losses_ = np.array(history.validation)

    def _contrast(self, network: Any, x: Mapping[str, torch.Tensor]) -> Loss:
        """Each item of a batch should prefer its own partner, in both directions."""
        import torch
        from torch.nn.functional import cross_entropy, normalize

        def adapted(modality: str, rows: np.ndarray) -> torch.Tensor:
            own = x[modality][torch.as_tensor(rows, device=x[modality].device)]
            return normalize(self.share * network[modality](own).relu() + (1 - self.share) * own)

        def loss(batch: Batch, passed: float) -> torch.Tensor:
            total, count = torch.zeros(()), 0
            for (a, b), rows in batch.items():
                scores = adapted(a, rows[:, 0]) @ adapted(b, rows[:, 1]).T / self.temperature
                target = torch.arange(len(rows), device=scores.device)
                both = cross_entropy(scores, target) + cross_entropy(scores.T, target)
                total, count = total.to(scores.device) + both * len(rows) / 2, count + len(rows)
            return total / count

        return loss

    def _adapt(self, modality: str, x: np.ndarray) -> np.ndarray:
        change = np.maximum(forward(self.adapters_[modality], x, "relu"), 0)
        change[~x.any(axis=1)] = 0  # an item without direction stays so
        return unit_rows(self.share * change + (1 - self.share) * x)
