"""The training loop that all networks share, on losses whose course is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from xmer_spark.errors import XmerError
from xmer_spark.numerics.networks import (
    Batch,
    Scaling,
    Training,
    batches,
    device_of,
    forward,
    layers_of,
    perceptron,
    seeded,
    split_pairs,
    train_on_pairs,
    usable_pairs,
)

ALIGNED = {("image", "text"): np.repeat(np.arange(40), 2).reshape(-1, 2)}
VIEWS = {"image": np.zeros((40, 2)), "text": np.zeros((40, 3))}


def climbing() -> tuple[torch.nn.Linear, object, object]:
    """One weight that learning raises without end; held-out pairs like it best at 1."""
    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(network.weight)

    def loss(batch: Batch, passed: float) -> torch.Tensor:
        return -network.weight.sum()

    def measure(batch: Batch, passed: float) -> torch.Tensor:
        return ((network.weight - 1) ** 2).sum()

    return network, loss, measure


def test_early_stopping_restores_the_weights_of_the_best_epoch() -> None:
    network, loss, measure = climbing()
    training = Training(epochs=100, batch_size=40, rate=0.1, weight_decay=0, patience=4)
    history = train_on_pairs(network, loss, VIEWS, ALIGNED, training, measure)  # type: ignore[arg-type]
    assert history.best == np.argmin(history.validation)
    assert len(history.losses) == len(history.validation) == history.best + 1 + 4
    assert (network.weight.item() - 1) ** 2 == pytest.approx(min(history.validation))
    assert network.weight.item() == pytest.approx(1, abs=0.06)


def test_without_a_validation_part_the_last_weights_are_kept() -> None:
    network, loss, measure = climbing()
    training = Training(epochs=30, batch_size=40, rate=0.1, weight_decay=0, patience=4, validation=0)
    history = train_on_pairs(network, loss, VIEWS, ALIGNED, training, measure)  # type: ignore[arg-type]
    assert len(history.losses) == 30
    assert network.weight.item() == pytest.approx(3, abs=0.01)


def test_a_loss_that_is_no_number_stops_the_training_with_advice() -> None:
    network = torch.nn.Linear(1, 1)
    with pytest.raises(XmerError, match="lower the learning rate"):
        train_on_pairs(network, lambda b, p: network.weight.sum() * float("nan"), VIEWS, ALIGNED, Training())


def test_connected_items_are_never_on_both_sides_of_the_split() -> None:
    views = {"image": np.zeros((60, 1)), "text": np.zeros((30, 1))}
    pairs = {
        ("image", "text"): np.column_stack([np.arange(60), np.arange(60) // 2]),
        ("image", "image"): np.column_stack([np.arange(0, 60, 4), np.arange(2, 62, 4)]),
    }
    learn, validate = split_pairs(views, pairs, 0.3, seed=1)
    assert sum(len(p) for p in (*learn.values(), *validate.values())) == 75
    assert {len(p[("image", "text")]) for p in (learn, validate)} == {44, 16}

    def texts(part: Batch) -> set[int]:
        return {int(t) // 2 for t in part["image", "text"][:, 1]}

    assert not texts(learn) & texts(validate)


def test_batches_hold_every_pair_once_and_keep_kinds_apart() -> None:
    pairs = {("a", "b"): np.arange(14).reshape(7, 2), ("a", "a"): np.arange(100, 106).reshape(3, 2)}
    parts = list(batches(pairs, 4, np.random.default_rng(0)))
    assert [count for _, count in parts] == [4, 4, 2]
    for kind, rows in pairs.items():
        found = np.vstack([batch[kind] for batch, _ in parts if kind in batch])
        np.testing.assert_array_equal(found[np.argsort(found[:, 0])], rows)


def test_an_item_without_a_pair_is_paired_with_itself() -> None:
    pairs = usable_pairs(VIEWS, {("image", "text"): ALIGNED["image", "text"][:38]})
    assert pairs["image", "image"].tolist() == pairs["text", "text"].tolist() == [[38, 38], [39, 39]]
    with pytest.raises(XmerError, match="there are none"):
        usable_pairs(VIEWS, {}, alone=False)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_numpy_forward_pass_equals_that_of_torch(activation: str) -> None:
    network = perceptron([5, 7, 6, 3], activation, dropout=0.5).eval()
    x = np.random.default_rng(0).standard_normal((11, 5)).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(x)).numpy()
    ours = forward(layers_of(network), x, activation)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_what_is_drawn_under_a_seed_leaves_other_draws_alone() -> None:
    torch.manual_seed(5)
    with seeded(0):
        first = torch.rand(3)
    after = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(3))
    with seeded(0):
        assert torch.equal(first, torch.rand(3))


def test_scaling_keeps_the_proportions_of_columns_unless_told_otherwise() -> None:
    x = np.random.default_rng(0).standard_normal((500, 2)) * [3, 1] + 7
    whole, each = Scaling.fit(x)(x), Scaling.fit(x, columns=True)(x)
    assert whole.mean() == pytest.approx(0, abs=1e-5)
    assert (whole**2).mean() == pytest.approx(1, abs=1e-4)
    assert whole[:, 0].std() / whole[:, 1].std() == pytest.approx(x[:, 0].std() / x[:, 1].std(), rel=1e-4)
    np.testing.assert_allclose(each.std(axis=0), 1, rtol=1e-5)


def test_a_constant_column_does_not_make_scaled_values_infinite() -> None:
    assert np.isfinite(Scaling.fit(np.ones((3, 2)), columns=True)(np.ones((3, 2)))).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epoch": 3}, "unknown epoch; known: epochs"),
        ({"epochs": 0}, "at least 1"),
        ({"validation": 1}, "lies in"),
    ],
)
def test_wrong_training_settings_are_named(settings, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(XmerError, match=message):
        Training.of(settings)


def test_the_users_settings_go_before_the_methods_own() -> None:
    assert Training.of({"epochs": 3}, epochs=9, rate=0.5) == Training(epochs=3, rate=0.5)


def test_an_impossible_device_is_named() -> None:
    assert device_of("cpu").type == "cpu"
    with pytest.raises(XmerError, match="auto, cpu or cuda"):
        device_of("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(XmerError, match="no GPU"):
            device_of("cuda")
