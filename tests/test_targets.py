"""What the networks learn: masks, and the weights of their bins."""

import numpy as np
import pytest

from vocaltrack.config import STREAMS, FeatureConfig, TrainingConfig
from vocaltrack.silence import fill_bands, fill_silence
from vocaltrack.targets import example, power_weight

FEATURES = FeatureConfig(n_fft=256, hop_length=64, n_mels=4, chunk_frames=8)
FLOOR_DB = 10 * np.log10(FEATURES.power_floor)


def chunks(seed=0, batch=3):
    """Chunks in dB with some bins on the floor in either stem or both, and no empty bands:
    they fall as music does."""
    rng = np.random.default_rng(seed)
    levels = rng.uniform(-36, 20, (2, batch, 8, 4)) - 8.0 * np.arange(4)
    vocals, accompaniment = levels.astype(np.float32)
    vocals[:, :2] = FLOOR_DB
    vocals[:, 0, 1] += 0.04  # where float16 may have put it
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


def filled(chunk):
    """What the networks hear, in training as when they are served: silence is the mean of
    the other frames."""
    log_mel = np.asarray(fill_silence(chunk["mixture"], FEATURES))
    changed = np.abs(log_mel - chunk["mixture"])
    assert changed[:, 1].min() > 10 and not changed[:, 2:].any()  # frame 1 is silent
    return log_mel


def mask_weights(chunk):
    """What is made of filled frames does not count."""
    return np.where(filled(chunk) == chunk["mixture"], weights(chunk, 0.25), 0.0)


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


@pytest.mark.parametrize("model", ["unet", "uhnet"])
def test_the_u_nets_learn_the_proportion_mask(model):
    chunk = chunks()
    log_mel, target, weight = example(chunk, TrainingConfig(model), FEATURES)
    np.testing.assert_array_equal(log_mel, filled(chunk))
    assert target.shape == (3, 8, 4, 1)
    np.testing.assert_allclose(target[..., 0], shares(chunk), atol=1e-6)
    assert not target[:, :2].numpy().any()  # vocals on the floor, the music too or not
    np.testing.assert_allclose(target[:, 2, :, 0], 1.0, atol=0.1)  # music on the floor
    np.testing.assert_allclose(weight, mask_weights(chunk), rtol=1e-4)


@pytest.mark.parametrize("model", ["dc", "hdc", "unet", "uhnet"])
def test_the_networks_hear_noise_in_an_empty_band_and_learn_it_as_it_is(model):
    chunk = chunks()
    for stream in chunk.values():
        stream[..., 3] = FLOOR_DB
    log_mel, target, weight = example(chunk, TrainingConfig(model), FEATURES)
    expected = fill_bands(fill_silence(chunk["mixture"], FEATURES), FEATURES)
    np.testing.assert_array_equal(log_mel, expected)
    assert np.all(log_mel[..., 3] > FLOOR_DB + 20)
    if model == "dc":
        return
    if model == "hdc":
        target, weight = target["masks"], weight["masks"]
    assert not np.any(target[..., 3, 0])
    counts = fill_silence(chunk["mixture"], FEATURES) == chunk["mixture"]
    counts = counts.numpy().all(axis=2, keepdims=True)  # a filled frame's empty bands do not either
    power = np.where(counts, power_weight(chunk["mixture"], 0.25), 0.0)
    np.testing.assert_allclose(weight, power, rtol=1e-5)


@pytest.mark.parametrize("model", ["dc", "hdc"])
def test_the_clustering_networks_learn_the_binary_mask_and_the_hdc_both_shares(model):
    chunk = chunks()
    log_mel, targets, weight = example(chunk, TrainingConfig(model), FEATURES)
    np.testing.assert_array_equal(log_mel, filled(chunk))
    binary = chunk["vocals"] > chunk["accompaniment"]
    assert not binary[:, :2].any()
    loud = chunk["mixture"] > chunk["mixture"].max(axis=(1, 2), keepdims=True) - 50
    assert 0 < loud.sum() < loud.size and not loud[:, 1].any()
    np.testing.assert_array_equal(targets["embeddings"], np.stack([binary, loud], axis=-1))
    np.testing.assert_array_equal(weight["embeddings"], np.ones(3))
    if model == "dc":
        assert set(targets) == set(weight) == {"embeddings"}
        return
    assert set(targets) == set(weight) == {"embeddings", "masks"}
    share = shares(chunk)
    np.testing.assert_allclose(targets["masks"], np.stack([share, 1 - share], -1), atol=1e-6)
    np.testing.assert_allclose(weight["masks"], mask_weights(chunk), rtol=1e-4)
