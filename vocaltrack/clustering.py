"""Masks from embeddings: k-means over the bins of a whole song."""

import warnings

import numpy as np
import tensorflow as tf
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from vocaltrack.chunks import GROUP, song_mask, split_chunks
from vocaltrack.features import mel_centres
from vocaltrack.masks import sounding

LOW_HZ = 200.0
FIT_CHUNKS = 64
FIT_BINS = 100_000
# Above all training songs with vocals, below 95 % of the instrumentals; singers
# whom the network never heard come closer to it: benchmarks/cluster_centres.py
SAME_SOURCE_COSINE = 0.80
HEAD_IS_VOCAL = 0.4


def cluster_mask(log_mel, embed, config, head=None, swap=False, seed=0):
    """The vocals' binary mask of a song by clustering its embeddings.

    Two clusters are fitted to a sample of the bins that sound (within 50 dB
    of the song's loudest), spread over the whole song; then every bin is
    assigned. With a mask head, a cluster is vocal when the head's mean mask
    over it is at least `HEAD_IS_VOCAL`, and the higher one is taken. Without it, the
    cluster that has the larger share of its bins below 200 Hz is the
    accompaniment (after Luo et al. 2017), the larger cluster where both have
    none, and a song whose two centres point nearly the same way (cosine
    above `SAME_SOURCE_COSINE`) is all accompaniment.

    Args:
        log_mel: float32 [frames, n_mels] in dB.
        embed: maps chunks [n, chunk_frames, n_mels] to embeddings
            [n, chunk_frames, n_mels, D].
        config: `FeatureConfig`.
        head: maps chunks to the head's vocal masks, the chunks' shape; None
            for `dc`.
        swap: take the other cluster as the vocals.
        seed: of the k-means.

    Returns:
        float32 [frames, n_mels]; values between 0 and 1 occur where
        overlapping chunks disagree. All zeros for a song without vocals (all
        ones when swapped).
    """
    sample = fitting_sample(log_mel, embed, head, config, seed)
    if sample is None:
        return np.zeros(log_mel.shape, np.float32)
    vectors, head_values, low = sample
    kmeans = fit_clusters(vectors, seed)
    if head is None:
        vocal = _vocal_cluster_by_bass(kmeans, low)
    else:
        vocal = _vocal_cluster_by_head(kmeans, head_values)
    if vocal is None:
        return np.full(log_mel.shape, float(swap), np.float32)
    if swap:
        vocal = 1 - vocal

    @tf.autograph.experimental.do_not_convert
    def assign(chunks):
        vectors = np.asarray(embed(chunks))
        labels = kmeans.predict(vectors.reshape(-1, vectors.shape[-1]))
        return tf.constant((labels == vocal).reshape(vectors.shape[:-1]), tf.float32)

    return np.asarray(song_mask(log_mel, assign, config))


def fitting_sample(log_mel, embed, head, config, seed):
    """Sounding bins from chunks all over the song.

    Returns:
        (embeddings [bins, D], head's masks [bins] or None, whether each bin
        lies below 200 Hz), or None where fewer than two bins sound.
    """
    chunks = np.asarray(split_chunks(log_mel, config, overlap=0.0))
    if len(chunks) > FIT_CHUNKS:
        chunks = chunks[np.linspace(0, len(chunks) - 1, FIT_CHUNKS).astype(int)]
    sounds = sounding(chunks, np.max(log_mel), config)
    if sounds.sum() < 2:
        return None
    groups = [chunks[i : i + GROUP] for i in range(0, len(chunks), GROUP)]
    vectors = np.concatenate([np.asarray(embed(tf.constant(group))) for group in groups])[sounds]
    low = np.broadcast_to(mel_centres(config) < LOW_HZ, sounds.shape)[sounds]
    masks = None
    if head is not None:
        masks = np.concatenate([np.asarray(head(tf.constant(group))) for group in groups])[sounds]
    if len(vectors) > FIT_BINS:
        chosen = np.random.default_rng(seed).choice(len(vectors), FIT_BINS, replace=False)
        vectors, low = vectors[chosen], low[chosen]
        masks = masks if masks is None else masks[chosen]
    return vectors, masks, low


def fit_clusters(vectors, seed=0):
    """scikit-learn's k-means with two clusters on embeddings [bins, D]."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # all embeddings are the same
        return KMeans(2, n_init=4, random_state=seed).fit(vectors)


def centres_cosine(kmeans):
    """Cosine of the angle between the two centres; near 1 for a single source."""
    first, second = (c / np.linalg.norm(c) for c in kmeans.cluster_centers_)
    return float(first @ second)


def _vocal_cluster_by_head(kmeans, head_values):
    counts = np.bincount(kmeans.labels_, minlength=2)
    means = np.bincount(kmeans.labels_, head_values, minlength=2) / np.maximum(counts, 1)
    return int(np.argmax(means)) if max(means) >= HEAD_IS_VOCAL else None


def _vocal_cluster_by_bass(kmeans, low):
    if centres_cosine(kmeans) > SAME_SOURCE_COSINE:
        return None
    counts = np.maximum(np.bincount(kmeans.labels_, minlength=2), 1)
    shares = np.bincount(kmeans.labels_, low, minlength=2) / counts
    return int(np.argmin(counts if shares[0] == shares[1] else shares))
