"""The mel bands, which of their bins sound, and a mask on them spread over the bins of an
STFT; numpy alone."""

import functools

import numpy as np

HIGH_HZ = 6000.0  # the bands from here on speak for what the network does not hear
LOWEST_HZ = 20.0  # that is heard; below lie rumble and the offset of a recording, no voice
SILENCE_DB = 50.0
FLOOR_MARGIN_DB = 0.05  # float32 logarithms and float16 records do not hit the floor exactly


def mel_edges(features):
    """Edges of the Slaney mel bands in Hz, float64 [n_mels + 2]: band number
    n rises from edge n to its peak at n + 1 and falls to n + 2.

    The same as `librosa.mel_frequencies`, whose import would take a quarter
    of a second and 60 MB of every separation.
    """
    linear, log_from, log_step = 200.0 / 3.0, 1000.0, np.log(6.4) / 27.0
    corner = log_from / linear
    top = features.sample_rate / 2
    highest = corner + np.log(top / log_from) / log_step if top > log_from else top / linear
    mels = np.linspace(0.0, highest, features.n_mels + 2)
    logarithmic = log_from * np.exp(log_step * (mels - corner))
    return np.where(mels < corner, linear * mels, logarithmic)


def mel_triangles(features, sample_rate, n_fft):
    """The mel bands' triangles over the bins of an STFT, of height 1; the bins that
    `is_inaudible` names are in none.

    Args:
        features: `FeatureConfig`.
        sample_rate: Hz of the STFT's signal.
        n_fft: its frame length.

    Returns:
        float64 [n_mels, 1 + n_fft // 2].
    """
    edges = mel_edges(features)[:, np.newaxis]
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    bins = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    sides = np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre))
    return np.where(is_inaudible(bins), 0.0, np.maximum(0.0, sides))


def is_inaudible(bins):
    """Which bins of an STFT lie below hearing: those below 20 Hz, and the two over which a
    Hann window spreads a constant offset.

    Args:
        bins: float64 [1 + n_fft // 2], their frequencies in Hz.

    Returns:
        bool [1 + n_fft // 2].
    """
    return bins <= max(bins[1], LOWEST_HZ)


@functools.lru_cache(maxsize=8)
def mel_filterbank(features):
    """The Slaney mel matrix of librosa without what `is_inaudible`, float32
    [n_mels, 1 + n_fft // 2]."""
    edges = mel_edges(features)
    areas = 2.0 / (edges[2:] - edges[:-2])
    triangles = mel_triangles(features, features.sample_rate, features.n_fft)
    return (triangles * areas[:, np.newaxis]).astype(np.float32)


def mel_centres(features):
    """Peak frequency of each mel band in Hz, float64 [n_mels]."""
    return mel_edges(features)[1:-1]


@functools.lru_cache(maxsize=8)
def mel_to_bins(features, sample_rate, n_fft):
    """Matrix that spreads a mel mask over the bins of an STFT.

    Each bin takes the mean of the bands whose triangles cover it, weighted
    by the triangles, so that a constant mask stays constant. The few that no
    triangle covers (the highest) take the nearest band; those above the
    network's range the mean of the bands from 6 kHz on. Those below hearing
    take none: rumble and a constant offset are no vocals.

    Args:
        features: `FeatureConfig`.
        sample_rate: Hz of the STFT's signal.
        n_fft: its frame length.

    Returns:
        float32 [n_mels, 1 + n_fft // 2]; each column sums to 1, or to 0 below hearing.
    """
    top = features.sample_rate / 2
    centres = mel_centres(features)
    bins = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    triangles = mel_triangles(features, sample_rate, n_fft)
    for column in np.flatnonzero(triangles.sum(axis=0) <= 1e-6):
        triangles[np.argmin(np.abs(centres - bins[column])), column] = 1.0
    triangles[:, bins > top] = (centres >= min(HIGH_HZ, centres[-1]))[:, np.newaxis]
    weights = triangles / triangles.sum(axis=0)
    return np.where(is_inaudible(bins), 0.0, weights).astype(np.float32)


def sounding(mixture_db, loudest_db, features):
    """Which bins sound: within 50 dB of the loudest and above the floor.

    Args:
        mixture_db: float32 tensor or array [...], log-mel in dB.
        loudest_db: the loudest bin of the chunk or song, in dB.
        features: `FeatureConfig`, for the floor.

    Returns:
        bool [...].
    """
    floor_db = features.floor_db + FLOOR_MARGIN_DB
    return (mixture_db > loudest_db - SILENCE_DB) & (mixture_db > floor_db)
