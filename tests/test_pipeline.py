"""From shards to batches: what is in them, their order, and the targets."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from vocaltrack import pipeline
from vocaltrack.config import STREAMS, FeatureConfig
from vocaltrack.errors import UserError
from vocaltrack.pipeline import batches
from vocaltrack.records import Manifest, encode_chunk

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
    with pytest.raises(UserError, match="holds no records of the split test"):
        batches(*records, "test")


def test_chunks_of_several_shards_are_mixed_also_where_none_are_shuffled(records, monkeypatch):
    monkeypatch.setattr(pipeline, "SHUFFLE_CHUNKS", 1)
    begun_with = set()
    for seed in range(8):
        first = numbers(batches(*records, "train", batch_size=4, seed=seed), 1)
        assert np.sum(first < SHARDS["train"][0]) == 2
        begun_with.add(first[0])
    assert begun_with == {0, SHARDS["train"][0]}  # either shard comes first


def test_chunks_come_from_as_far_as_4096_further_on(tmp_path):
    path = tmp_path / "train.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for number in range(5000):
            writer.write(encode_chunk(np.full((3, 8, 4), number), "true"))
    shards = {"train": [{"file": path.name, "records": 5000, "bytes": path.stat().st_size}]}
    manifest = Manifest(FEATURES, (0.0,) * 4, (1.0,) * 4, shards, {}, {}, 0)
    first = numbers(batches(manifest, tmp_path, "train", batch_size=64, seed=0), 3)
    assert 3800 < first.max() < 4096 + 192
    assert np.mean(first[:64]) == pytest.approx(2048, rel=0.25)


def test_a_seed_shuffles_and_repeats(records):
    first = numbers(batches(*records, "train", batch_size=4, seed=1), 80)
    assert len(first) == 320
    assert not np.array_equal(first[:16], np.arange(16))
    inside = first[first < SHARDS["train"][0]]  # of one shard
    assert np.mean(np.diff(inside) % SHARDS["train"][0] == 1) < 0.5
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
