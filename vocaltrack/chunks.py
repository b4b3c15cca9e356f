"""A song's frames as overlapping chunks for a network, and back."""

import numpy as np
import tensorflow as tf

from vocaltrack.config import OVERLAP

GROUP = 16


def chunk_step(features, overlap=OVERLAP):
    """Frames between the starts of neighbouring chunks, of which each covers the share
    `overlap` of the next; at least 1."""
    return max(1, round(features.chunk_frames * (1.0 - overlap)))


def split_chunks(frames, features, overlap=OVERLAP):
    """Cut frames into chunks. The last begins so early that it ends with the song; a song
    that is shorter than a chunk is filled up with silence.

    Args:
        frames: float32 [frames, n_mels], log-mel in dB, at least one frame.
        features: `FeatureConfig`.
        overlap: share of a chunk that its neighbour covers too.

    Returns:
        float32 [chunks, chunk_frames, n_mels].
    """
    size, step = features.chunk_frames, chunk_step(features, overlap)
    total = tf.shape(frames)[0]
    missing = tf.maximum(0, size - total)
    padded = tf.pad(frames, [[0, missing], [0, 0]], constant_values=features.floor_db)
    # Those that end before the song's last frame does.
    others = tf.signal.frame(padded[: total - 1], size, step, axis=0)
    return tf.concat([others, padded[tf.newaxis, -size:]], axis=0)


def cross_fade(features):
    """The weights of a chunk's frames where it overlaps with others, float32
    [chunk_frames, 1]: a triangle, so that its edges, where the network lacks context,
    count least."""
    size = features.chunk_frames
    ramp = 1.0 - np.abs((np.arange(size) + 0.5) * 2.0 / size - 1.0)
    return ramp[:, np.newaxis].astype(np.float32)


def join_chunks(chunks, frames, features, overlap=OVERLAP):
    """Cross-fade chunks back into frames; the inverse of `split_chunks`.

    Overlapping chunks are averaged with the weights of `cross_fade`.

    Args:
        chunks: float32 [chunks, chunk_frames, n_mels].
        frames: number of frames to return.
        features: `FeatureConfig`.
        overlap: as given to `split_chunks`.

    Returns:
        float32 [frames, n_mels].
    """
    ramp = tf.constant(cross_fade(features))
    step, count = chunk_step(features, overlap), tf.shape(chunks)[0]
    early = (count - 1) * step - tf.maximum(0, frames - features.chunk_frames)
    in_place = tf.roll(chunks[-1:], -early, axis=1)  # what it turns round lies beyond the end
    chunks = tf.concat([chunks[:-1], in_place], axis=0)

    def add(values):
        return tf.signal.overlap_and_add(tf.transpose(values, [2, 0, 1]), step)[:, :frames]

    weight = add(tf.repeat(ramp[tf.newaxis], count, axis=0))
    return tf.transpose(add(chunks * ramp) / weight)


def map_in_groups(function, chunks, group=GROUP):
    """Apply a network to many chunks, a few at a time, in bounded memory.

    Args:
        function: maps float32 [group, time, mel] to a tensor with the same
            first dimension.
        chunks: float32 [chunks, time, mel], at least one.
        group: chunks a call; every call gets exactly so many.

    Returns:
        the results for all chunks, [chunks, ...].
    """
    count = tf.shape(chunks)[0]
    missing = -count % group
    padded = tf.pad(chunks, [[0, missing], [0, 0], [0, 0]])
    grouped = tf.reshape(padded, [-1, group, chunks.shape[1], chunks.shape[2]])
    # There is nothing for AutoGraph to translate, and it warns on Python 3.13.
    function = tf.autograph.experimental.do_not_convert(function)
    results = tf.map_fn(function, grouped, parallel_iterations=1, fn_output_signature=tf.float32)
    return tf.reshape(results, tf.concat([[-1], tf.shape(results)[2:]], 0))[:count]


def song_mask(log_mel, predict, features, overlap=OVERLAP):
    """A network's mask of a whole song.

    Args:
        log_mel: float32 [frames, n_mels] in dB, any number of frames.
        predict: maps chunks [n, chunk_frames, n_mels] to masks of that shape.
        features: `FeatureConfig`.
        overlap: share of a chunk that its neighbour covers too.

    Returns:
        float32 [frames, n_mels] between 0 and 1.
    """
    chunks = split_chunks(log_mel, features, overlap)
    masks = map_in_groups(predict, chunks)
    masks = tf.ensure_shape(masks, [None, features.chunk_frames, features.n_mels])
    return join_chunks(masks, tf.shape(log_mel)[0], features, overlap)
