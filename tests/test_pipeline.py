"""From shards to batches: what is in them, their order, and the targets."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from vocaltrack.config import FeatureConfig
from vocaltrack.errors import UserError
from vocaltrack.pipeline import (
    batches,
    clustering_examples,
    mask_examples,
    power_weight,
)
from vocaltrack.records import STREAMS, Manifest, encode_chunk

FEATURES = FeatureConfig(n_fft=256, hop_length=64, n_mels=4, chunk_frames=8)
SHARDS = {"train": (10, 6), "valid": (7,)}
FLOOR_DB = 10 * np.log10(FEATURES.power_floor)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """(manifest, folder); the chunk of number k holds k, k + 0.25 and k + 0.5."""
    folder, shards = tmp_path_factory.mktemp("records"), {}
    for split, sizes in SHARDS.items():
        number = 0
        for size in sizes:
            path = folder / f"{split}-{number}.tfrecord"
            with tf.io.TFRecordWriter(str(path)) as writer:
                for _ in range(size):
                    streams = [np.full((8, 4), number + shift) for shift in (0, 0.25, 0.5)]
                    writer.write(encode_chunk(streams, "true"))
                    number += 1
            entry = {"file": path.name, "records": size, "bytes": path.stat().st_size}
            shards.setdefault(split, []).append(entry)
    return Manifest(FEATURES, (0.0,) * 4, (1.0,) * 4, shards, {}, {}, 0), folder


def numbers(dataset, count=-1):
    return np.concatenate([batch["mixture"][:, 0, 0] for batch in dataset.take(count)])


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


def test_batches_in_order(records):
    dataset = batches(*records, "train", batch_size=4)
    assert dataset.cardinality() == 4
    for index, batch in enumerate(dataset):
        expected = np.arange(4 * index, 4 * index + 4, dtype=np.float32)
        for name, shift in zip(STREAMS, (0, 0.25, 0.5)):
            assert batch[name].dtype == tf.float32
            full = np.broadcast_to(expected[:, None, None] + shift, (4, 8, 4))
            np.testing.assert_array_equal(batch[name], full)
    np.testing.assert_array_equal(numbers(dataset), np.arange(16))
    np.testing.assert_array_equal(numbers(dataset), np.arange(16))


def test_the_last_batch_may_be_smaller(records):
    dataset = batches(*records, "valid", batch_size=3)
    assert dataset.cardinality() == 3
    np.testing.assert_array_equal(numbers(dataset), np.arange(7))
    assert batches(*records, "valid", batch_size=99).cardinality() == 1


def test_missing_split(records):
    with pytest.raises(UserError, match="holds no test records"):
        batches(*records, "test")


def test_a_seed_shuffles_and_repeats(records):
    first = numbers(batches(*records, "train", batch_size=4, seed=1), 80)
    assert len(first) == 320
    assert not np.array_equal(first[:16], np.arange(16))
    np.testing.assert_array_equal(
        numbers(batches(*records, "train", batch_size=4, seed=1), 80), first
    )
    other = numbers(batches(*records, "train", batch_size=4, seed=2), 80)
    assert not np.array_equal(other, first)
    assert not np.array_equal(first[:160], first[160:])
    counts = Counter(first)
    assert set(counts) == set(range(16))
    # 20 passes; the shuffling lets a chunk run a few passes ahead or behind.
    assert min(counts.values()) >= 15 and max(counts.values()) <= 25


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


def test_mask_examples():
    chunk = chunks()
    (example,) = mask_examples(tf.data.Dataset.from_tensors(chunk), FEATURES, 0.25)
    log_mel, target, weight = example
    np.testing.assert_array_equal(log_mel, chunk["mixture"])
    assert target.shape == (3, 8, 4, 1)
    np.testing.assert_allclose(target[..., 0], shares(chunk), atol=1e-6)
    assert not target[:, :2].numpy().any()  # vocals on the floor, the music too or not
    np.testing.assert_allclose(target[:, 2, :, 0], 1.0, atol=0.1)  # music on the floor
    np.testing.assert_allclose(weight, weights(chunk, 0.25), rtol=1e-4)


@pytest.mark.parametrize("with_masks", [False, True])
def test_clustering_examples(with_masks):
    chunk = chunks()
    dataset = tf.data.Dataset.from_tensors(chunk)
    (example,) = clustering_examples(dataset, FEATURES, 0.25, with_masks)
    log_mel, targets, weight = example
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
