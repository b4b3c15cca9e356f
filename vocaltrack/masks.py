"""Masks on the mel bands: training targets, and gains on the complex STFT."""

import functools

import numpy as np
import tensorflow as tf

from vocaltrack.features import mel_centres, mel_triangles

SILENCE_DB = 50.0
HIGH_HZ = 6000.0  # the bands from here on speak for what the network does not hear
FLOOR_MARGIN_DB = 0.05  # float32 logarithms and float16 records do not hit the floor exactly


def binary_mask(vocals_db, accompaniment_db):
    """The clustering target: 1 where the vocals are louder (paper, Fig. 1).

    Args:
        vocals_db: float32 [...], log-mel of the vocals in dB.
        accompaniment_db: the same of the accompaniment.

    Returns:
        float32 [...] of zeros and ones.
    """
    return tf.cast(vocals_db > accompaniment_db, tf.float32)


def proportion_mask(vocals_db, accompaniment_db, config):
    """The vocals' share of the mel power (paper, Fig. 2): Pv / (Pv + Pa).

    A bin where the vocals lie on the power floor is 0, also where the
    accompaniment is silent too: silence is nobody's.

    Args:
        vocals_db: float32 [...], log-mel of the vocals in dB.
        accompaniment_db: the same of the accompaniment.
        config: `FeatureConfig`, for the floor.

    Returns:
        float32 [...] between 0 and 1.
    """
    share = tf.sigmoid((vocals_db - accompaniment_db) * (np.log(10.0) / 10.0))
    return tf.where(vocals_db > config.floor_db + FLOOR_MARGIN_DB, share, 0.0)


def sounding(mixture_db, loudest_db, config):
    """Which bins sound: within 50 dB of the loudest and above the floor.

    Args:
        mixture_db: float32 tensor or array [...], log-mel in dB.
        loudest_db: the loudest bin of the chunk or song, in dB.
        config: `FeatureConfig`, for the floor.

    Returns:
        bool [...].
    """
    return (mixture_db > loudest_db - SILENCE_DB) & (mixture_db > config.floor_db + FLOOR_MARGIN_DB)


@functools.lru_cache(maxsize=8)
def mel_to_bins(config, sample_rate, n_fft):
    """Matrix that spreads a mel mask over the bins of an STFT.

    Each bin takes the mean of the bands whose triangles cover it, weighted
    by the triangles, so that a constant mask stays constant. The few that no
    triangle covers (0 Hz, the highest) take the nearest band; those above
    the network's range the mean of the bands from 6 kHz on.

    Args:
        config: `FeatureConfig`.
        sample_rate: Hz of the STFT's signal.
        n_fft: its frame length.

    Returns:
        float32 [n_mels, 1 + n_fft // 2]; each column sums to 1.
    """
    top = config.sample_rate / 2
    centres = mel_centres(config)
    bins = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    triangles = mel_triangles(config, sample_rate, n_fft)
    for column in np.flatnonzero(triangles.sum(axis=0) <= 1e-6):
        triangles[np.argmin(np.abs(centres - bins[column])), column] = 1.0
    triangles[:, bins > top] = (centres >= min(HIGH_HZ, centres[-1]))[:, np.newaxis]
    return (triangles / triangles.sum(axis=0)).astype(np.float32)


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
