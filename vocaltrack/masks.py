"""Masks on the mel bands as gains on the complex STFT."""

import functools

import numpy as np
import tensorflow as tf

from vocaltrack.mel import is_inaudible, mel_centres, mel_triangles

HIGH_HZ = 6000.0  # the bands from here on speak for what the network does not hear


@functools.lru_cache(maxsize=8)
def mel_to_bins(config, sample_rate, n_fft):
    """Matrix that spreads a mel mask over the bins of an STFT.

    Each bin takes the mean of the bands whose triangles cover it, weighted
    by the triangles, so that a constant mask stays constant. The few that no
    triangle covers (the highest) take the nearest band; those above the
    network's range the mean of the bands from 6 kHz on. Those below hearing
    take none: rumble and a constant offset are no vocals.

    Args:
        config: `FeatureConfig`.
        sample_rate: Hz of the STFT's signal.
        n_fft: its frame length.

    Returns:
        float32 [n_mels, 1 + n_fft // 2]; each column sums to 1, or to 0 below hearing.
    """
    top = config.sample_rate / 2
    centres = mel_centres(config)
    bins = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    triangles = mel_triangles(config, sample_rate, n_fft)
    for column in np.flatnonzero(triangles.sum(axis=0) <= 1e-6):
        triangles[np.argmin(np.abs(centres - bins[column])), column] = 1.0
    triangles[:, bins > top] = (centres >= min(HIGH_HZ, centres[-1]))[:, np.newaxis]
    weights = triangles / triangles.sum(axis=0)
    return np.where(is_inaudible(bins), 0.0, weights).astype(np.float32)


def apply_mask(spectrum, mel_mask, config):
    """Use a mel mask as a gain on a complex mixture STFT.

    Args:
        spectrum: complex64 [..., frames, 1 + n_fft // 2].
        mel_mask: float32 [..., frames, n_mels].
        config: `FeatureConfig`.

    Returns:
        complex64, the shape of `spectrum`.
    """
    to_bins = mel_to_bins(config, config.sample_rate, config.n_fft)
    gain = tf.matmul(mel_mask, tf.constant(to_bins))
    return spectrum * tf.cast(gain, spectrum.dtype)
