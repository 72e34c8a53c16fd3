"""Texts as a recurrent network sees them that was trained on the task itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from xmer_spark.features.network import NetworkExtractor
from xmer_spark.features.text.tokens import WordExtractor, counts
from xmer_spark.numerics.networks import Training, seeded, train
from xmer_spark.numerics.views import one_hot

if TYPE_CHECKING:
    import torch

#: Rows of the embedding: first the padding, then all unknown words, then the vocabulary.
_PADDING, _UNKNOWN, _FIRST = 0, 1, 2


class BiLSTM(NetworkExtractor, WordExtractor):
    """Maximum over time of a bidirectional LSTM's outputs (Conneau et al. 2017): 2 x ``hidden`` values.

    Word embeddings and LSTM are trained from scratch under a linear classifier of the training items'
    classes; items without a class do not take part. Where fewer than two classes are known the network
    learns to tell a text's own words, as an autoencoder of the bag of words; the paper trains on natural
    language inference. Of a text the first ``tokens`` words count. Vectors of the items it was trained
    on are further apart by class than those of new items.

    ``weights_`` are the network's parameters without the classifier, ``classes_`` what it told apart.
    """

    name = "bilstm"
    version = 2
    supervised: ClassVar[bool] = True

    vocabulary_: list[str]
    classes_: list[str]
    weights_: dict[str, np.ndarray]

    def __init__(
        self,
        hidden: int = 128,
        embedding: int = 100,
        vocabulary: int = 20_000,
        tokens: int = 256,
        epochs: int = 10,
        dropout: float = 0.5,
        rate: float = 1e-3,
        seed: int = 0,
    ) -> None:
        self.hidden = hidden
        self.embedding = embedding
        self.vocabulary = vocabulary
        self.tokens = tokens
        self.epochs = epochs
        self.dropout = dropout
        self.rate = rate
        self.seed = seed

    def _fit(self, batch: Sequence[str], labels: Sequence[str | None] | None) -> None:
        texts = [self.prepare(text) for text in batch]
        known = [i for i, label in enumerate(labels or []) if label is not None]
        self.classes_ = sorted({str(labels[i]) for i in known}) if labels else []
        if labels and len(self.classes_) > 1:
            texts = [texts[i] for i in known]
            numbers = np.array([self.classes_.index(str(labels[i])) for i in known])
            targets = one_hot(numbers, len(self.classes_))
        self.vocabulary_ = self.vocabulary_of(texts, self.vocabulary)
        if len(self.classes_) < 2:
            self.classes_ = []
            targets = _shares(counts(texts, self.vocabulary_))
        with seeded(self.seed):
            self._train(self._ids(texts), targets)
        self._loaded_on = None  # a network of other weights

    def _extract(self, prepared: Sequence[list[str]]) -> np.ndarray:
        network, ids = self.network(), self._ids(prepared)
        # Texts of as many words go together: what the network adds up at a word hangs on how many there are.
        lengths = [len(row) for row in ids]
        return self.in_batches(ids, lambda rows, length: _encode(network, rows, self.device), lengths)

    def _train(self, ids: list[list[int]], targets: Any) -> None:
        """Minimise the cross entropy between targets (n, c), shares that sum to one, and predictions."""
        import torch
        from torch import nn

        encoder = self._encoder()
        head = nn.Sequential(nn.Dropout(self.dropout), nn.Linear(2 * self.hidden, targets.shape[1]))
        random = np.random.default_rng(self.seed)

        def loss(rows: np.ndarray, passed: float) -> torch.Tensor:
            wanted = torch.as_tensor(_dense(targets, rows), dtype=torch.float32)
            logits = head(_encode(encoder, [ids[i] for i in rows], "cpu"))
            return nn.functional.cross_entropy(logits, wanted)

        def batches() -> Iterator[tuple[np.ndarray, int]]:
            return ((rows, len(rows)) for rows in _batches([len(row) for row in ids], 32, random))

        training = Training(epochs=self.epochs, rate=self.rate, weight_decay=0.0, clip=5.0)
        train(nn.ModuleList([encoder, head]), loss, batches, training)
        self.weights_ = {name: value.detach().numpy() for name, value in encoder.state_dict().items()}

    def _ids(self, texts: Sequence[list[str]]) -> list[list[int]]:
        """Rows of the embedding; a text without a word counts as one unknown word."""
        row = {word: i for i, word in enumerate(self.fitted("vocabulary_"), _FIRST)}
        return [[row.get(w, _UNKNOWN) for w in text[: self.tokens]] or [_UNKNOWN] for text in texts]

    def _encoder(self) -> Any:
        from torch import nn

        words = len(self.vocabulary_) + _FIRST
        return nn.ModuleDict(
            {
                "embedding": nn.Embedding(words, self.embedding, padding_idx=_PADDING),
                "lstm": nn.LSTM(self.embedding, self.hidden, batch_first=True, bidirectional=True),
            }
        )

    def _load(self) -> Any:
        """The network with the fitted weights."""
        import torch

        weights = self.fitted("weights_")
        network = self._encoder()
        network.load_state_dict({name: torch.as_tensor(value) for name, value in weights.items()})
        return network.eval().to(self.device)


def _encode(network: Any, ids: list[list[int]], device: str) -> Any:
    """Rows of the embedding of n texts -> (n, 2 hidden): outputs at padded places do not count."""
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

    padded = pad_sequence([torch.tensor(row) for row in ids], batch_first=True, padding_value=_PADDING)
    lengths = torch.tensor([len(row) for row in ids])
    vectors = network["embedding"](padded.to(device))
    packed = pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
    outputs, _ = pad_packed_sequence(network["lstm"](packed)[0], batch_first=True, padding_value=-torch.inf)
    return outputs.amax(dim=1)


def _batches(lengths: Sequence[int], size: int, random: np.random.Generator) -> Iterator[np.ndarray]:
    """Batches in random order of texts of about equal length, for a batch is padded to its longest."""
    order = np.lexsort((random.random(len(lengths)), np.asarray(lengths)))
    bounds = [*range(0, len(order), size), len(order)]
    batches = [order[start:end] for start, end in pairwise(bounds)]
    for i in random.permutation(len(batches)):
        yield batches[i]


def _shares(matrix: Any) -> Any:
    """Sparse counts (n, words) -> each word's share of its text; rows without a word stay zero."""
    from scipy.sparse import diags_array

    return (diags_array(1 / np.maximum(matrix.sum(axis=1), 1)) @ matrix).tocsr()


def _dense(targets: Any, rows: np.ndarray) -> np.ndarray:
    chosen = targets[rows]
    return chosen if isinstance(chosen, np.ndarray) else chosen.toarray()
