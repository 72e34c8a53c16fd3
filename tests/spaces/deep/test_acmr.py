"""ACMR: its adversary, its determinism, and what it learns where a linear method cannot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.spaces.known import Wikipedia, doubled_angles, retrieved
from xmer_spark.errors import XmerError
from xmer_spark.numerics.linalg import unit_rows
from xmer_spark.spaces import REGISTRY
from xmer_spark.spaces.deep.acmr import ACMR, _Loss, gradient_reversal
from xmer_spark.spaces.linear.cca import CCA

SHORT = {"epochs": 5, "device": "cpu"}

#: Chosen on a validation part of the training documents.
WIKIPEDIA = {
    "columns": True,
    "hidden": [512, 512],
    "dropout": 0.5,
    "invariance": 0.03,
    "margin": 8.0,
    "training": {"batch_size": 64, "rate": 3e-4, "device": "cpu"},
}


def test_gradient_reversal_is_the_identity_forward_and_turns_gradients_around() -> None:
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = gradient_reversal()(x, 0.3)
    assert torch.equal(y, x)
    (y * torch.tensor([1.0, 10.0])).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, torch.tensor([-0.3, -3.0]))


def test_it_learns_what_linear_cca_cannot() -> None:
    views, y = doubled_angles(600)
    test, y_test = doubled_angles(300, seed=1)
    labels = dict.fromkeys(views, y)
    assert retrieved(CCA(dimensions=2).fit(views, labels), test, y_test) < 0.4
    training = {"epochs": 30, "batch_size": 128, "rate": 1e-2, "device": "cpu"}
    space = ACMR(64, [64], dropout=0.0, training=training).fit(views, labels)
    assert retrieved(space, test, y_test) > 0.9
    space.embedding = "projection"
    assert retrieved(space, test, y_test) > 0.75


def test_projectors_climb_the_loss_that_the_modality_classifier_descends() -> None:
    views, y = doubled_angles(50)
    rows = np.repeat(np.arange(50), 2).reshape(-1, 2)
    space = ACMR(8, [16], discrimination=0, invariance=0, regularisation=0, adversary=0.5)
    network = space._network(views, classes=4).eval()
    x = {m: torch.tensor(view, dtype=torch.float32) for m, view in views.items()}
    loss = _Loss(space, network, x, dict.fromkeys(views, torch.tensor(y)))
    loss({("image", "text"): rows}, 1.0).backward()
    against = {name: weight.grad.clone() for name, weight in network.named_parameters()}

    network.zero_grad()
    projected = torch.cat([torch.tanh(network["projectors"][m](x[m])) for m in views])
    modality = torch.repeat_interleave(torch.arange(2), 50)
    torch.nn.functional.cross_entropy(network["modality"](projected), modality).backward()
    reversal = 2 / (1 + np.exp(-10)) - 1
    for name, weight in network.named_parameters():
        if not name.startswith("label"):
            sign = -0.5 * reversal if name.startswith("projectors") else 1.0
            torch.testing.assert_close(against[name], sign * weight.grad, atol=1e-6, rtol=1e-4)


def test_the_same_seed_gives_identical_weights_and_another_does_not() -> None:
    views, y = doubled_angles(200)
    labels = dict.fromkeys(views, y)

    def weight(seed: int) -> np.ndarray:
        space = ACMR(8, [16], training={**SHORT, "seed": seed}).fit(views, labels)
        return space.projectors_["image"][1]["weight"]

    np.testing.assert_array_equal(weight(3), weight(3))
    assert not np.array_equal(weight(3), weight(4))


@pytest.mark.parametrize("embedding", ["posterior", "projection"])
def test_a_saved_space_transforms_the_same(tmp_path: Path, embedding: str) -> None:
    views, y = doubled_angles(100)
    space = ACMR(8, [16], embedding=embedding, training=SHORT).fit(views, dict.fromkeys(views, y))
    space.save(tmp_path)
    ours, loaded = (s.transform("text", views["text"]) for s in (space, REGISTRY.load(tmp_path)))
    assert ours.dtype == np.float32
    np.testing.assert_array_equal(ours, loaded)
    assert space.transform("text", views["text"][:0]).shape == (0, ours.shape[1])


def test_posteriors_add_up_to_one_and_projections_have_unit_length() -> None:
    views, y = doubled_angles(100)
    space = ACMR(8, [16], training=SHORT).fit(views, dict.fromkeys(views, 10 * y))
    assert space.classes_.tolist() == [0, 10, 20, 30]
    posterior = space.transform("image", views["image"])
    np.testing.assert_allclose(posterior.sum(axis=1), 1, atol=1e-5)
    space.embedding = "projection"
    projection = space.transform("image", views["image"])
    np.testing.assert_allclose(projection, unit_rows(projection), atol=1e-6)


def test_items_of_unknown_class_and_a_third_modality_without_labels_take_part() -> None:
    views, y = doubled_angles(200)
    views["relational"] = views["text"] @ np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]])
    labels = {"image": np.where(np.arange(200) % 2, y, -1), "text": y}
    training = {"epochs": 60, "rate": 1e-2, "device": "cpu"}
    space = ACMR(8, [16], invariance=1.0, margin=1.0, dropout=0.0, training=training).fit(views, labels)
    found = space.transform("relational", views["relational"]).argmax(axis=1)
    assert (found == y).mean() > 0.7
    assert len(space.losses_) == len(space.validation_losses_)


def test_missing_labels_are_named() -> None:
    views, y = doubled_angles(20)
    with pytest.raises(XmerError, match="learns from class labels"):
        ACMR().fit(views)
    with pytest.raises(XmerError, match="at least two classes"):
        ACMR().fit(views, dict.fromkeys(views, np.full(20, -1)))
    with pytest.raises(XmerError, match="embedding is"):
        ACMR(embedding="cosine").fit(views, dict.fromkeys(views, y))


def test_wikipedia_is_ranked_as_well_as_promised(wikipedia: Wikipedia) -> None:
    rooted = wikipedia.rooted()
    space = ACMR(**WIKIPEDIA).fit(rooted.train, rooted.labels)  # type: ignore[arg-type]
    assert rooted.retrieved(space) > 0.28
