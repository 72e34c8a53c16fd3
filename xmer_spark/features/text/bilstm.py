"""Texts as a recurrent network sees them that was trained on the task itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.features.base import one_thread
from xmer_spark.features.text.tokens import WordExtractor, counts

#: Rows of the embedding: first the padding, then all unknown words, then the vocabulary.
_PADDING, _UNKNOWN, _FIRST = 0, 1, 2


class BiLSTM(WordExtractor):
    """Maximum over time of a bidirectional LSTM's outputs (Conneau et al. 2017): 2 x ``hidden`` values.

    Word embeddings and LSTM are trained from scratch under a linear classifier of the training items'
    classes; items without a class do not take part. Where fewer than two classes are known the network
    learns to tell a text's own words, as an autoencoder of the bag of words; the paper trains on natural
    language inference. Of a text the first ``tokens`` words count. Vectors of the items it was trained
    on are further apart by class than those of new items.

    ``weights_`` are the network's parameters without the classifier, ``classes_`` what it told apart.
    """

    name = "bilstm"
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

    def fit(self, batch: Sequence[str], labels: Sequence[str | None] | None = None) -> Self:
        import torch

        texts = [self.prepare(text) for text in batch]
        known = [i for i, label in enumerate(labels or []) if label is not None]
        self.classes_ = sorted({str(labels[i]) for i in known}) if labels else []
        if labels and len(self.classes_) > 1:
            texts = [texts[i] for i in known]
            targets = _one_hot([self.classes_.index(str(labels[i])) for i in known], len(self.classes_))
        self.vocabulary_ = self.vocabulary_of(texts, self.vocabulary)
        if len(self.classes_) < 2:
            self.classes_ = []
            targets = _shares(counts(texts, self.vocabulary_))
        threads = torch.get_num_threads()
        with one_thread(), torch.random.fork_rng(devices=[]):
            torch.set_num_threads(1)
            torch.manual_seed(self.seed)
            self._train(self._ids(texts), targets)
            torch.set_num_threads(threads)
        return self

    def extract_prepared(self, prepared: Sequence[list[str]]) -> np.ndarray:
        import torch

        network = self._loaded()
        ids = self._ids(prepared)
        vectors = np.empty((len(ids), 2 * self.hidden), dtype=np.float32)
        order = np.argsort([len(row) for row in ids], kind="stable")
        with torch.inference_mode():
            for start in range(0, len(order), self.batch_size):
                rows = order[start : start + self.batch_size]
                vectors[rows] = _encode(network, [ids[i] for i in rows], self.device).cpu().numpy()
        return vectors

    def _train(self, ids: list[list[int]], targets: Any) -> None:
        """Minimise the cross entropy between targets (n, c), shares that sum to one, and predictions."""
        import torch

        network = self._network()
        head = torch.nn.Sequential(
            torch.nn.Dropout(self.dropout), torch.nn.Linear(2 * self.hidden, targets.shape[1])
        )
        optimiser = torch.optim.Adam([*network.parameters(), *head.parameters()], lr=self.rate)
        order = np.random.default_rng(self.seed)
        for _ in range(self.epochs):
            for rows in _batches([len(row) for row in ids], 32, order):
                logits = head(_encode(network, [ids[i] for i in rows], "cpu"))
                wanted = torch.as_tensor(_dense(targets, rows), dtype=torch.float32)
                loss = torch.nn.functional.cross_entropy(logits, wanted)
                optimiser.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
                optimiser.step()
            if not torch.isfinite(loss):
                raise XmerError("features.bilstm: training diverged; lower the parameter rate")
        self.weights_ = {name: value.detach().numpy() for name, value in network.state_dict().items()}

    def _ids(self, texts: Sequence[list[str]]) -> list[list[int]]:
        """Rows of the embedding; a text without a word counts as one unknown word."""
        row = {word: i for i, word in enumerate(self.fitted("vocabulary_"), _FIRST)}
        return [[row.get(w, _UNKNOWN) for w in text[: self.tokens]] or [_UNKNOWN] for text in texts]

    def _network(self) -> Any:
        import torch

        return torch.nn.ModuleDict(
            {
                "embedding": torch.nn.Embedding(
                    len(self.vocabulary_) + _FIRST, self.embedding, padding_idx=_PADDING
                ),
                "lstm": torch.nn.LSTM(self.embedding, self.hidden, batch_first=True, bidirectional=True),
            }
        )

    def _loaded(self) -> Any:
        """The network with the fitted weights on the device, built when either has changed."""
        import torch

        wanted = (id(self.fitted("weights_")), self.device)
        if getattr(self, "_built_for", None) != wanted:
            network = self._network()
            network.load_state_dict({name: torch.as_tensor(v) for name, v in self.weights_.items()})
            self._built, self._built_for = network.eval().to(self.device), wanted
        torch.set_num_threads(self.threads)
        return self._built


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


def _one_hot(classes: Sequence[int], number: int) -> np.ndarray:
    return np.eye(number)[list(classes)]


def _shares(matrix: Any) -> Any:
    """Sparse counts (n, words) -> each word's share of its text; rows without a word stay zero."""
    from scipy.sparse import diags_array

    return (diags_array(1 / np.maximum(matrix.sum(axis=1), 1)) @ matrix).tocsr()


def _dense(targets: Any, rows: np.ndarray) -> np.ndarray:
    chosen = targets[rows]
    return chosen if isinstance(chosen, np.ndarray) else chosen.toarray()
