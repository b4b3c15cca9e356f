"""What the networks learn: masks, and the weights of their bins."""

import numpy as np
import pytest

from vocaltrack.config import FeatureConfig, TrainingConfig
from vocaltrack.records import STREAMS
from vocaltrack.silence import fill_silence
from vocaltrack.targets import clustering_example, example, mask_example, power_weight

FEATURES = FeatureConfig(n_fft=256, hop_length=64, n_mels=4, chunk_frames=8)
FLOOR_DB = 10 * np.log10(FEATURES.power_floor)


def chunks(seed=0, batch=3):
    """Chunks in dB with some bins on the floor in either stem or both."""
    rng = np.random.default_rng(seed)
    vocals, accompaniment = rng.uniform(-60, 20, (2, batch, 8, 4)).astype(np.float32)
    vocals[:, :2] = FLOOR_DB
    accompaniment[:, 1:3] = FLOOR_DB
    mixture = 10 * np.log10(10 ** (vocals / 10) + 10 ** (accompaniment / 10))
    return dict(zip(STREAMS, (mixture.astype(np.float32), vocals, accompaniment)))


def shares(chunk):
    power = {name: 10 ** (chunk[name].astype(np.float64) / 10) for name in STREAMS[1:]}
    share = power["vocals"] / (power["vocals"] + power["accompaniment"])
    return np.where(chunk["vocals"] > FLOOR_DB + 0.05, share, 0.0)


def weights(chunk, exponent):
    raised = (10 ** (chunk["mixture"].astype(np.float64) / 10)) ** exponent
    return raised / raised.mean(axis=(1, 2), keepdims=True)


@pytest.mark.parametrize("exponent", [0.25, 0.5, 1.0])
def test_power_weight(exponent):
    chunk = chunks()
    result = power_weight(chunk["mixture"], exponent).numpy()
    np.testing.assert_allclose(result.mean(axis=(1, 2)), 1.0, rtol=1e-5)
    np.testing.assert_allclose(result, weights(chunk, exponent), rtol=1e-4)
    ratio = result[0, 3, 0] / result[0, 3, 1]
    difference = chunk["mixture"][0, 3, 0] - chunk["mixture"][0, 3, 1]
    assert 10 * np.log10(ratio) == pytest.approx(exponent * difference, rel=1e-3)
    # Quiet chunks count as much as loud ones.
    np.testing.assert_allclose(power_weight(chunk["mixture"] - 30, exponent), result, rtol=1e-4)


def test_power_weight_of_exponent_0_is_1():
    np.testing.assert_array_equal(power_weight(chunks()["mixture"], 0.0), np.ones((3, 8, 4)))


def test_mask_example():
    chunk = chunks()
    log_mel, target, weight = mask_example(chunk, FEATURES, 0.25)
    np.testing.assert_array_equal(log_mel, chunk["mixture"])
    assert target.shape == (3, 8, 4, 1)
    np.testing.assert_allclose(target[..., 0], shares(chunk), atol=1e-6)
    assert not target[:, :2].numpy().any()  # vocals on the floor, the music too or not
    np.testing.assert_allclose(target[:, 2, :, 0], 1.0, atol=0.1)  # music on the floor
    np.testing.assert_allclose(weight, weights(chunk, 0.25), rtol=1e-4)


@pytest.mark.parametrize("with_masks", [False, True])
def test_clustering_example(with_masks):
    chunk = chunks()
    log_mel, targets, weight = clustering_example(chunk, FEATURES, 0.25, with_masks)
    np.testing.assert_array_equal(log_mel, chunk["mixture"])
    binary = chunk["vocals"] > chunk["accompaniment"]
    assert not binary[:, :2].any()
    loud = chunk["mixture"] > chunk["mixture"].max(axis=(1, 2), keepdims=True) - 50
    assert 0 < loud.sum() < loud.size
    np.testing.assert_array_equal(targets["embeddings"], np.stack([binary, loud], axis=-1))
    np.testing.assert_array_equal(weight["embeddings"], np.ones(3))
    if not with_masks:
        assert set(targets) == set(weight) == {"embeddings"}
        return
    assert set(targets) == set(weight) == {"embeddings", "masks"}
    share = shares(chunk)
    np.testing.assert_allclose(targets["masks"], np.stack([share, 1 - share], -1), atol=1e-6)
    np.testing.assert_allclose(weight["masks"], weights(chunk, 0.25), rtol=1e-4)


@pytest.mark.parametrize("model", ["dc", "hdc", "unet", "uhnet"])
def test_networks_hear_in_training_what_they_hear_when_served(model):
    """Silence is the mean of the other frames, and what is made of it does not count."""
    chunk, training = chunks(), TrainingConfig(model)
    log_mel, target, weight = example(chunk, training, FEATURES)
    filled = np.asarray(fill_silence(chunk["mixture"], FEATURES))
    assert np.abs(filled - chunk["mixture"])[:, 1].min() > 10  # where both are on the floor
    np.testing.assert_array_equal(log_mel, filled)
    exponent = training.power_exponent
    if model in ("unet", "uhnet"):
        _, *expected = mask_example(chunk, FEATURES, exponent)
        whole, target, weight = {"masks": expected}, {"masks": target}, {"masks": weight}
    else:
        _, *expected = clustering_example(chunk, FEATURES, exponent, model == "hdc")
        whole = {name: [part[name] for part in expected] for name in expected[0]}
    assert set(whole) == set(target) == set(weight)
    for name, (targets, weights_of_all) in whole.items():
        np.testing.assert_array_equal(target[name], targets)
        if name == "masks":
            weights_of_all = np.where(filled == chunk["mixture"], weights_of_all, 0.0)
        np.testing.assert_array_equal(weight[name], weights_of_all)
    if "embeddings" in target:
        assert not np.any(target["embeddings"][:, 1, :, 1])
