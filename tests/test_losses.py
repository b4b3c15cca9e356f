"""The deep clustering loss against its definition with the full affinity matrices."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from vocaltrack.losses import DeepClusteringLoss


def explicit(vocals, weight, vectors, columns):
    """The weighted mean of (VV' - YY')^2 over pairs of bins, one example, float64."""
    labels = vocals[:, np.newaxis] if columns == 1 else np.stack([vocals, 1 - vocals], axis=1)
    difference = vectors @ vectors.T - labels @ labels.T
    return np.sum(np.outer(weight, weight) * difference**2) / np.sum(weight) ** 2


def case(seed=0, batch=2, time=6, mels=8, size=5, sounding=0.7):
    """(vocals [batch, bins], weight [batch, bins], unit vectors [batch, bins, size]), float64."""
    rng = np.random.default_rng(seed)
    vocals, weight = (rng.random((2, batch, time * mels)) < [[[0.4]], [[sounding]]]).astype(float)
    vectors = rng.normal(size=(batch, time * mels, size))
    return vocals, weight, vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def packed(vocals, weight, vectors, mels=8):
    """The tensors that Keras gives to the loss."""
    shape = (len(vocals), -1, mels)
    y_true = np.stack([vocals.reshape(shape), weight.reshape(shape)], axis=-1)
    y_pred = vectors.reshape(*shape, vectors.shape[-1])
    return tf.constant(y_true, tf.float32), tf.constant(y_pred, tf.float32)


def ideal_vectors(vocals, size=5):
    """Two orthogonal unit vectors, none along an axis."""
    basis = np.linalg.qr(np.random.default_rng(1).normal(size=(size, size)))[0][:2]
    return basis[vocals.astype(int)]


@pytest.mark.parametrize("columns", (1, 2))
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_definition(columns, seed):
    vocals, weight, vectors = case(seed)
    losses = DeepClusteringLoss(columns, reduction="none")(*packed(vocals, weight, vectors))
    expected = [explicit(*example, columns) for example in zip(vocals, weight, vectors)]
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    mean = DeepClusteringLoss(columns)(*packed(vocals, weight, vectors))
    assert float(mean) == pytest.approx(np.mean(expected), rel=1e-5)


def test_ideal_embedding_costs_nothing():
    vocals, weight, _ = case()
    perfect = packed(vocals, weight, ideal_vectors(vocals))
    assert float(DeepClusteringLoss()(*perfect)) == pytest.approx(0.0, abs=1e-6)
    # With one column it still pays for each pair of accompaniment bins.
    pairs = [((1 - v) @ w / w.sum()) ** 2 for v, w in zip(vocals, weight)]
    assert float(DeepClusteringLoss(1)(*perfect)) == pytest.approx(np.mean(pairs), rel=1e-4)


@pytest.mark.parametrize("noise", (0.0, 1e-4, 1e-3))
def test_never_negative_near_the_optimum(noise):
    """In float32 the three sums cancel; unscaled, they came out at -1.8e-5."""
    rng = np.random.default_rng(0)
    vocals = (rng.random((20, 128 * 128)) < rng.random((20, 1))).astype(float)
    vectors = ideal_vectors(vocals, 20) + noise * rng.normal(size=(*vocals.shape, 20))
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    y = packed(vocals, np.ones_like(vocals), vectors, mels=128)
    losses = DeepClusteringLoss(reduction="none")(*y).numpy()
    assert losses.min() >= 0.0
    assert losses.max() < 1e-4


def test_the_classes_may_be_swapped():
    vocals, weight, vectors = case()
    loss = DeepClusteringLoss()
    swapped = loss(*packed(1 - vocals, weight, vectors))
    assert float(loss(*packed(vocals, weight, vectors))) == pytest.approx(float(swapped), rel=1e-6)
    one = DeepClusteringLoss(1)
    assert float(one(*packed(vocals, weight, vectors))) != pytest.approx(
        float(one(*packed(1 - vocals, weight, vectors))), rel=1e-2
    )


@pytest.mark.parametrize("columns", (1, 2))
def test_silent_bins_do_not_count(columns):
    vocals, weight, vectors = case()
    silent = weight == 0
    assert silent.any()
    loss = DeepClusteringLoss(columns)
    before = float(loss(*packed(vocals, weight, vectors)))
    vocals[silent] = 1 - vocals[silent]
    vectors[silent] = -vectors[silent][:, ::-1]
    assert float(loss(*packed(vocals, weight, vectors))) == pytest.approx(before, rel=1e-6)


@pytest.mark.parametrize("columns", (1, 2))
def test_the_mean_is_over_pairs_whatever_the_number_of_bins(columns):
    vocals, weight, vectors = case(batch=1)
    loss = DeepClusteringLoss(columns)
    twice = [np.concatenate([part, part], axis=1) for part in (vocals, weight, vectors)]
    assert float(loss(*packed(*twice))) == pytest.approx(
        float(loss(*packed(vocals, weight, vectors))), rel=1e-5
    )


def gradient(loss, y_true, y_pred):
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        value = loss(y_true, y_pred)
    return value, tape.gradient(value, y_pred).numpy()


@pytest.mark.parametrize("columns", (1, 2))
def test_a_silent_chunk_costs_nothing(columns):
    vocals, weight, vectors = case(batch=1)
    value, slope = gradient(DeepClusteringLoss(columns), *packed(vocals, 0 * weight, vectors))
    assert float(value) == 0.0
    np.testing.assert_array_equal(slope, 0.0)


@pytest.mark.parametrize("columns", (1, 2))
def test_gradient_equals_finite_differences(columns):
    vocals, weight, vectors = case(batch=1)
    _, slope = gradient(DeepClusteringLoss(columns), *packed(vocals, weight, vectors))
    slope = slope.reshape(vectors[0].shape)
    np.testing.assert_array_equal(slope[weight[0] == 0], 0.0)
    for seed in range(3):
        direction = np.random.default_rng(seed).normal(size=vectors[0].shape)
        ahead, behind = (
            explicit(vocals[0], weight[0], vectors[0] + step * direction, columns)
            for step in (1e-6, -1e-6)
        )
        assert np.sum(slope * direction) == pytest.approx((ahead - behind) / 2e-6, rel=1e-3)


def test_gradient_is_finite_at_the_optimum():
    vocals, weight, _ = case()
    _, slope = gradient(DeepClusteringLoss(), *packed(vocals, weight, ideal_vectors(vocals)))
    assert np.abs(slope).max() < 1e-6


def test_float32_under_mixed_precision():
    vocals, weight, vectors = case()
    y_true, y_pred = packed(vocals, weight, vectors)
    expected = DeepClusteringLoss()(y_true, y_pred)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        value = DeepClusteringLoss()(y_true, y_pred)
        from_half = DeepClusteringLoss()(y_true, tf.cast(y_pred, tf.float16))
    finally:
        keras.config.set_dtype_policy("float32")
    assert value.dtype == from_half.dtype == tf.float32
    assert float(value) == float(expected)
    assert float(from_half) == pytest.approx(float(expected), rel=1e-3)


def test_one_column_rewards_scattering_the_accompaniment():
    """Defect 7: 0.423 for the ideal clusters against 0.022 for scattered ones."""
    rng = np.random.default_rng(0)
    vocals = (np.arange(4096) < 0.35 * 4096).astype(float)[np.newaxis]
    ideal = np.eye(20)[vocals.astype(int)]
    scattered = rng.normal(size=(1, 4096, 20))
    scattered[..., 1] = 0.0
    scattered /= np.linalg.norm(scattered, axis=-1, keepdims=True)
    scattered[vocals == 1] = np.eye(20)[1]
    costs = {
        (columns, name): float(
            DeepClusteringLoss(columns)(*packed(vocals, np.ones_like(vocals), vectors, mels=64))
        )
        for columns in (1, 2)
        for name, vectors in (("ideal", ideal), ("scattered", scattered))
    }
    assert costs[1, "ideal"] == pytest.approx(0.423, abs=2e-3)
    assert costs[1, "scattered"] == pytest.approx(0.022, abs=2e-3)
    assert costs[2, "ideal"] == pytest.approx(0.0, abs=1e-5)
    assert costs[2, "scattered"] == pytest.approx(0.445, abs=2e-3)


@pytest.mark.parametrize("columns", (1, 2))
def test_config_round_trip(columns):
    loss = DeepClusteringLoss(columns, name="clusters", reduction="sum")
    for twin in (
        DeepClusteringLoss.from_config(loss.get_config()),
        keras.losses.deserialize(keras.losses.serialize(loss)),
    ):
        assert (twin.columns, twin.name, twin.reduction) == (columns, "clusters", "sum")
        assert twin.dtype == "float32"


@pytest.mark.parametrize("columns", (0, 3, "2", None))
def test_refuses_other_columns(columns):
    with pytest.raises(ValueError, match="columns must be 1 or 2"):
        DeepClusteringLoss(columns)
