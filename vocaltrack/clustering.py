"""Masks from embeddings: k-means over the bins of a whole song."""

import threading
import warnings

import numpy as np
import tensorflow as tf

from vocaltrack.chunks import GROUP
from vocaltrack.mel import mel_centres, sounding

LOW_HZ = 200.0
FIT_CHUNKS = 64
FIT_BINS = 100_000
SEED = 0  # of the sample and of the k-means
# Above all training songs with vocals, below more than three quarters of the
# instrumentals (benchmarks/cluster_centres.py); unheard singers come closer to it.
SAME_SOURCE_COSINE = 0.80
HEAD_IS_VOCAL = 0.4
_WARNINGS = threading.Lock()  # their filters are the whole process's


class SongSample:
    """Chunks from all over a song, however long, and its loudest bin.

    Args:
        features: `FeatureConfig`.
    """

    def __init__(self, features):
        self.features = features
        self.chunks, self.stride, self.count = [], 1, 0
        self.loudest = -np.inf

    def push(self, chunks):
        """Add the chunks that follow: float32 [n, chunk_frames, n_mels] in dB."""
        for chunk in chunks:
            self.loudest = max(self.loudest, chunk.max())
            if self.count % self.stride == 0:
                self.chunks.append(chunk.copy())  # a view would keep all the others alive
            if len(self.chunks) == 2 * FIT_CHUNKS:
                self.chunks, self.stride = self.chunks[::2], 2 * self.stride
            self.count += 1

    def sounding(self):
        """(chunks [n, chunk_frames, n_mels], which bins sound [the same])."""
        chosen = self.chunks
        if len(chosen) > FIT_CHUNKS:
            chosen = [chosen[i] for i in np.linspace(0, len(chosen) - 1, FIT_CHUNKS).astype(int)]
        chunks = np.stack(chosen)
        return chunks, sounding(chunks, self.loudest, self.features)


def vocal_side(sample, embed, features, head=None, swap=False):
    """Cluster a song's embeddings, and tell which cluster is the vocals.

    Two clusters are fitted to a sample of the bins that sound (within 50 dB
    of the song's loudest). With a mask head, a cluster is vocal when the
    head's mean mask over it is at least `HEAD_IS_VOCAL`, and the higher one
    is taken. Without it, the cluster that has the larger share of its bins
    below 200 Hz is the accompaniment (after Luo et al. 2017), the larger
    cluster where both have none, and a song whose two centres point nearly
    the same way (cosine above `SAME_SOURCE_COSINE`) is all accompaniment.

    Args:
        sample: `SongSample` of the whole song.
        embed: maps chunks [n, chunk_frames, n_mels] to embeddings
            [n, chunk_frames, n_mels, D].
        features: `FeatureConfig`.
        head: maps chunks to the head's vocal masks, the chunks' shape; None
            for `dc`.
        swap: take the other cluster as the vocals.

    Returns:
        (direction, threshold): float32 [D] (or [1]) and []; an embedding v is vocal
        where v @ direction > threshold, which is to say that the vocal
        cluster's centre is the nearer one. Nothing is vocal in a song without
        vocals (everything when swapped).
    """
    fitting = fitting_sample(sample, embed, head, features)
    if fitting is None:
        return _all_or_nothing(swap)
    vectors, head_values, low = fitting
    kmeans = fit_clusters(vectors)
    if head is None:
        vocal = _vocal_cluster_by_bass(kmeans, low)
    else:
        vocal = _vocal_cluster_by_head(kmeans, head_values)
    if vocal is None:
        return _all_or_nothing(swap)
    if np.ptp(kmeans.labels_) == 0:  # all embeddings are the same, and so are the centres
        return _all_or_nothing(not swap)
    if swap:
        vocal = 1 - vocal
    ours, other = kmeans.cluster_centers_[vocal], kmeans.cluster_centers_[1 - vocal]
    return (ours - other).astype(np.float32), np.float32((ours @ ours - other @ other) / 2)


def _all_or_nothing(vocal):
    return np.zeros(1, np.float32), np.float32(-1.0 if vocal else 1.0)


def binary_masks(embeddings, direction, threshold):
    """Which bins are vocal, see `vocal_side`; float32 [...] of 0 and 1."""
    return tf.cast(tf.reduce_sum(embeddings * direction, -1) > threshold, tf.float32)


def fitting_sample(sample, embed, head, features):
    """Sounding bins from chunks all over the song.

    Returns:
        (embeddings [bins, D], head's masks [bins] or None, whether each bin
        lies below 200 Hz), or None where fewer than two bins sound.
    """
    chunks, sounds = sample.sounding()
    if sounds.sum() < 2:
        return None
    share = min(1.0, FIT_BINS / sounds.sum())
    chosen = sounds & (np.random.default_rng(SEED).random(sounds.shape) < share)
    groups = [slice(i, i + GROUP) for i in range(0, len(chunks), GROUP)]

    def of_chosen(network):
        return np.concatenate(
            [np.asarray(network(tf.constant(chunks[g])))[chosen[g]] for g in groups]
        )

    low = np.broadcast_to(mel_centres(features) < LOW_HZ, sounds.shape)[chosen]
    return of_chosen(embed), None if head is None else of_chosen(head), low


def fit_clusters(vectors):
    """scikit-learn's k-means with two clusters, fitted to embeddings.

    Args:
        vectors: float32 [bins, D], at least two.

    Returns:
        `sklearn.cluster.KMeans`.
    """
    # Only clusters need it, and it takes a quarter of a second to load.
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # all embeddings are the same
        return KMeans(2, n_init=4, random_state=SEED).fit(vectors)


def centres_cosine(kmeans):
    """Cosine of the angle between the two centres of what `fit_clusters` returns; near 1 for
    a single source."""
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
