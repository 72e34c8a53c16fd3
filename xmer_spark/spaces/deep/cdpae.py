"""Comprehensive distance-preserving autoencoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.numerics.linalg import unit_rows
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
from xmer_spark.numerics.rows import in_blocks
from xmer_spark.numerics.views import Labels, Pairs, Views
from xmer_spark.spaces.base import Space

if TYPE_CHECKING:
    import torch

_SIMILARITIES = ("cosine", "neighbours", "classes")


class CDPAE(Space):
    """Autoencoders that keep the distances within and between modalities (Zhan et al. 2018).

    Zhan, Yu, Yu, Zhang, Tao and Tian, "Comprehensive Distance-Preserving Autoencoders for Cross-Modal
    Retrieval", ACM Multimedia. A denoising
    autoencoder per modality, encoder F and decoder G, on inputs Z(x) of which a share ``noise`` is set to
    zero. With C the cosine distance and ``D(x, y) = C(F(Z(x)), F(Z(y)))``, the loss over two pairs i and j
    is ``L_pair + preservation (L_heter + L_homo) + reconstruction L_recon``:

    - ``L_pair = D(a_i, b_i) + D(a_j, b_j)``;
    - ``L_heter = |D(a_i, b_j) - d| + |D(a_j, b_i) - d|``, ``d = sqrt(C(a_i, a_j) C(b_i, b_j))`` on inputs;
    - ``L_homo = |D(a_i, a_j) - d| + |D(b_i, b_j) - d|``;
    - ``L_recon``, the sum of ``|x - G(F(Z(x)))|``.

    ``similarity`` says what the inner product of two transformed items is:

    - "cosine", of their encodings;
    - "neighbours", the paper's last step, the probability that both are of one class if each is of the class
      of its k nearest training items in its modality: ``sum_ij P(p_i|x) P(p_i = q_j) P(q_j|y)`` with
      ``P(p_i|x)`` proportional to, and ``P(p_i = q_j)`` equal to, ``1 - D/2``. As ``1 - D/2`` is the inner
      product of ``(1, u) / sqrt 2`` over unit encodings u, a row is the mean of these over the neighbours;
    - "classes", the same with ``P(p_i = q_j)`` read off labels, 1 or 0: the paper is unsupervised and has
      no such step. A row is the share of each class among the k nearest items whose class is known.

    Where this differs: all pairs of a mini-batch are i and j in turn; each component is zeroed with
    probability ``noise``, not a fixed number; L_recon is divided by the length that inputs have on
    average; in "neighbours", ``P(p_i = q_j)`` is not set to 1 where p_i and q_j are a pair, which
    training nearly brings about; at most ``references`` training items, drawn by the seed, are kept as
    neighbours; networks see inputs centred and scaled, of which d takes no notice.
    """

    def __init__(
        self,
        dimensions: int = 64,
        hidden: Sequence[int] = (256,),
        preservation: float = 3.0,
        reconstruction: float = 0.1,
        noise: float = 0.2,
        activation: str = "relu",
        columns: bool = False,
        similarity: str = "neighbours",
        neighbours: int = 50,
        references: int = 20_000,
        training: Mapping[str, Any] | None = None,
    ) -> None:
        self.dimensions = dimensions
        self.hidden = hidden
        self.preservation = preservation
        self.reconstruction = reconstruction
        self.noise = noise
        self.activation = activation
        self.columns = columns
        self.similarity = similarity
        self.neighbours = neighbours
        self.references = references
        self.training = training

    def _fit(self, views: Views, labels: Labels | None, pairs: Pairs | None) -> None:
        if self.similarity not in _SIMILARITIES:
            raise XmerError(
                f"CDPAE: similarity is one of {', '.join(_SIMILARITIES)}, not {self.similarity!r}"
            )
        training = Training.of(self.training)
        pairs = usable_pairs(views, pairs)
        scalings = {m: Scaling.fit(view, columns=self.columns) for m, view in views.items()}
        self.means_ = {m: scaling.mean for m, scaling in scalings.items()}
        self.scales_ = {m: scaling.scale for m, scaling in scalings.items()}
        with seeded(training.seed):
            network = self._network(views)
            device = device_of(training.device)
            network.to(device)
            x = tensors({m: scalings[m](view) for m, view in views.items()}, device)
            # Distances between inputs are those of the features as given, as in the paper.
            loss = _Loss(self, network, x, tensors(views, device))
            history = train_on_pairs(network, loss, views, pairs, training)
        self.encoders_ = {m: layers_of(network["encoders"][m]) for m in views}
        self.losses_ = np.array(history.losses)
        self.validation_losses_ = np.array(history.validation)
        if self.similarity != "cosine":
            self._keep_references(views, labels, np.random.default_rng(training.seed))

    def _transform(self, modality: str, x: np.ndarray) -> np.ndarray:
        return (self._encode if self.similarity == "cosine" else self._neighbourhood)(modality, x)

    def _encode(self, modality: str, x: np.ndarray) -> np.ndarray:
        scaled = Scaling(self.means_[modality], self.scales_[modality])(x)
        return unit_rows(forward(self.encoders_[modality], scaled, self.activation))

    def _keep_references(self, views: Views, labels: Labels | None, random: np.random.Generator) -> None:
        """The training items among which neighbours are sought, and what each says about its class."""
        by_class = self.similarity == "classes"
        known = {m: np.flatnonzero((labels or {}).get(m, np.full(len(v), -1)) >= 0) for m, v in views.items()}
        if by_class and not all(map(len, known.values())):
            raise XmerError('CDPAE: similarity = "classes" needs labelled items of every modality')
        self.references_: dict[str, np.ndarray] = {}
        self.evidence_: dict[str, np.ndarray] = {}
        classes = (
            np.unique(np.concatenate([labels[m][known[m]] for m in views])) if by_class and labels else None
        )
        for m, view in views.items():
            rows = known[m] if by_class else np.arange(len(view))
            rows = np.sort(random.permutation(rows)[: self.references])
            self.references_[m] = unit = in_blocks(partial(self._encode, m), view[rows])
            if labels is not None and classes is not None:
                self.evidence_[m] = (labels[m][rows, None] == classes).astype(np.float32)
            else:
                ones = np.ones((len(unit), 1), np.float32)
                self.evidence_[m] = np.hstack([ones, unit]) / np.float32(2**0.5)

    def _neighbourhood(self, modality: str, x: np.ndarray) -> np.ndarray:
        references, evidence = self.references_[modality], self.evidence_[modality]
        cosine = self._encode(modality, x) @ references.T
        k = min(self.neighbours, len(references))
        nearest = np.argpartition(-cosine, k - 1, axis=1)[:, :k]
        # 1 - D/2 of the paper, with D = 1 - cosine; a zero row is as near to all.
        weight = (1 + np.take_along_axis(cosine, nearest, axis=1)) / 2
        weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
        return np.einsum("nk,nkd->nd", weight, evidence[nearest])

    def _network(self, views: Views) -> Any:
        from torch import nn

        widths = {m: [view.shape[1], *self.hidden, self.dimensions] for m, view in views.items()}
        return nn.ModuleDict(
            {
                "encoders": nn.ModuleDict({m: perceptron(w, self.activation) for m, w in widths.items()}),
                "decoders": nn.ModuleDict(
                    {m: perceptron(w[::-1], self.activation) for m, w in widths.items()}
                ),
            }
        )


class _Loss:
    """The joint loss on the pairs of a mini-batch, a mean over its things and their combinations."""

    def __init__(
        self, space: CDPAE, network: Any, x: Mapping[str, torch.Tensor], raw: Mapping[str, torch.Tensor]
    ) -> None:
        self.space, self.network, self.x, self.raw = space, network, x, raw

    def __call__(self, batch: Batch, passed: float) -> torch.Tensor:
        count = sum(len(rows) for rows in batch.values())
        parts = [self._of_kind(a, b, rows) * (len(rows) / count) for (a, b), rows in batch.items()]
        return sum(parts[1:], start=parts[0])

    def _of_kind(self, a: str, b: str, rows: np.ndarray) -> torch.Tensor:
        import torch

        left, right = (torch.as_tensor(rows[:, i], device=self.x[m].device) for i, m in enumerate((a, b)))
        f, recon_f = self._encode(a, left)
        g, recon_g = self._encode(b, right)
        across, within_f, within_g = _cosine_distance(f, g), _cosine_distance(f, f), _cosine_distance(g, g)
        loss = 2 * across.diagonal().mean() + self.space.reconstruction * (recon_f + recon_g)
        other = ~torch.eye(len(rows), dtype=torch.bool, device=f.device)
        if other.any():
            own_a, own_b = (_cosine_distance(v, v) for v in (self.raw[a][left], self.raw[b][right]))
            target = torch.sqrt(own_a * own_b)
            errors = 2 * (across - target).abs() + (within_f - target).abs() + (within_g - target).abs()
            loss = loss + self.space.preservation * errors[other].mean()
        return loss

    def _encode(self, modality: str, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encodings of noisy inputs, and how far their reconstructions are from the clean ones."""
        import torch

        clean = self.x[modality][rows]
        encoder = self.network["encoders"][modality]
        noisy = clean * (torch.rand_like(clean) >= self.space.noise) if encoder.training else clean
        encoded = encoder(noisy)
        distance = torch.linalg.norm(clean - self.network["decoders"][modality](encoded), dim=1)
        return encoded, distance.mean() / clean.shape[1] ** 0.5


def _cosine_distance(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(n, d) and (m, d) -> (n, m) of 1 - cosine, at least 0."""
    from torch.nn.functional import normalize

    return (1 - normalize(x) @ normalize(y).T).clamp(min=0)
