"""Chunking loses nothing and changes nothing that a network says frame by frame."""

import numpy as np
import pytest
import tensorflow as tf

from vocaltrack.chunks import (
    GROUP,
    chunk_step,
    join_chunks,
    map_in_groups,
    song_mask,
    split_chunks,
)
from vocaltrack.config import FeatureConfig

CONFIG = FeatureConfig()
OVERLAPS = (0.0, 0.25, 0.5, 0.75)
LENGTHS = (1, 2, 63, 64, 65, 127, 128, 129, 192, 193, 256, 300, 513, 1000)


def frames(count, seed=0):
    values = np.random.default_rng(seed).uniform(-70.0, 40.0, (count, CONFIG.n_mels))
    return tf.constant(values, tf.float32)


@pytest.mark.parametrize(("overlap", "step"), ((0.0, 128), (0.25, 96), (0.5, 64), (0.75, 32)))
def test_chunk_step(overlap, step):
    assert chunk_step(CONFIG, overlap) == step


@pytest.mark.parametrize("overlap", OVERLAPS)
@pytest.mark.parametrize("count", LENGTHS)
def test_join_undoes_split(count, overlap):
    original = frames(count)
    chunks = split_chunks(original, CONFIG, overlap)
    joined = join_chunks(chunks, count, CONFIG, overlap)
    step = chunk_step(CONFIG, overlap)
    assert chunks.shape == (1 + max(0, int(np.ceil((count - 128) / step))), 128, 128)
    assert joined.shape == original.shape
    np.testing.assert_allclose(joined, original, atol=1e-4)


def test_the_last_chunk_ends_with_the_song():
    original = frames(200).numpy()
    chunks = split_chunks(original, CONFIG, 0.5).numpy()
    assert chunks.shape == (3, 128, 128)
    np.testing.assert_array_equal(chunks[0], original[:128])
    np.testing.assert_array_equal(chunks[1], original[64:192])
    np.testing.assert_array_equal(chunks[2], original[72:])


def test_a_song_shorter_than_a_chunk_is_followed_by_silence():
    original = frames(72).numpy()
    (chunk,) = split_chunks(original, CONFIG, 0.5).numpy()
    np.testing.assert_array_equal(chunk[:72], original)
    np.testing.assert_allclose(chunk[72:], -70.0, atol=1e-4)


@pytest.mark.parametrize("count", (150, 192))  # the last chunk begins before its place, or in it
def test_join_fades_from_one_chunk_to_the_next(count):
    chunks = tf.stack([tf.zeros([128, 128]), tf.ones([128, 128])])
    joined = join_chunks(chunks, count, CONFIG, 0.5).numpy()[:, 0]
    np.testing.assert_array_equal(joined[:64], 0.0)
    np.testing.assert_allclose(joined[64:128], (np.arange(64) + 0.5) / 64, atol=1e-6)
    np.testing.assert_array_equal(joined[128:], 1.0)


@pytest.mark.parametrize("count", (1, 3, 4, 5, 8, 11))
def test_map_in_groups_equals_one_call(count):
    sizes = []

    def network(chunks):
        sizes.append(int(chunks.shape[0]))
        return tf.reduce_mean(chunks, axis=-1) * 2.0

    chunks = tf.random.stateless_uniform([count, 128, 128], [count, 0])
    results = map_in_groups(network, chunks, group=4)
    assert set(sizes) == {4} and len(sizes) == -(-count // 4)
    np.testing.assert_allclose(results, tf.reduce_mean(chunks, axis=-1) * 2.0, atol=1e-6)


def test_map_in_groups_may_add_a_dimension():
    chunks = tf.random.stateless_uniform([5, 128, 128], [1, 2])
    results = map_in_groups(lambda group: tf.stack([group, -group], axis=-1), chunks, group=2)
    np.testing.assert_array_equal(results, tf.stack([chunks, -chunks], axis=-1))


@pytest.mark.parametrize("overlap", OVERLAPS)
@pytest.mark.parametrize("count", (1, 127, 128, 129, 700, 1200))
def test_chunked_equals_unchunked(count, overlap):
    log_mel = frames(count)
    mask = song_mask(log_mel, lambda chunks: tf.sigmoid(chunks / 20.0), CONFIG, overlap)
    np.testing.assert_allclose(mask, tf.sigmoid(log_mel / 20.0), atol=1e-6)


@pytest.mark.parametrize("count", (1, 100, 1111))
def test_a_constant_mask_stays_constant(count):
    mask = song_mask(frames(count), lambda chunks: tf.fill(tf.shape(chunks), 0.7), CONFIG)
    assert mask.shape == (count, 128)
    np.testing.assert_allclose(mask, 0.7, atol=1e-6)


def test_song_mask_traces_with_an_unknown_length():
    sizes = []

    def predict(chunks):
        sizes.append(chunks.shape[0])
        return tf.sigmoid(chunks / 20.0)

    @tf.function(input_signature=[tf.TensorSpec([None, CONFIG.n_mels], tf.float32)])
    def traced(log_mel):
        return song_mask(log_mel, predict, CONFIG)

    for count in (1, 128, 129, 1500):
        log_mel = frames(count, seed=count)
        np.testing.assert_allclose(traced(log_mel), tf.sigmoid(log_mel / 20.0), atol=1e-6)
    assert sizes == [GROUP]


def test_song_mask_refuses_a_network_of_another_shape():
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        song_mask(frames(10), lambda chunks: chunks[:, :64], CONFIG)
