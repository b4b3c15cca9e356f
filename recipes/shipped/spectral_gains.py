"""Gains of the bins of STFTs, in `keras.ops` for whole batches at once: what formants,
compressors, drums and colours change. See `mixing_ops`, which applies them.
"""

import numpy as np
from keras import ops

from vocaltrack import augmentation
from vocaltrack.formants import FORMANT_GAIN_DB

CEPSTRUM = 26  # coefficients of the envelope
COMPRESSOR_FRAMES = 5


def limited(factor):
    """A factor that makes one thing as loud as another, as `augmentation.as_loud_as`."""
    most = augmentation.gain(augmentation.MOST_DB)
    return ops.clip(factor, 1.0 / most, most)


def formant_gain(power, factor):
    """The gain by which formants move, [n, frames, bins]; factor is [n].

    See `formants.shift_formants`.
    """
    bins = power.shape[-1]
    order = np.arange(CEPSTRUM)
    lifter = np.where(order == 0, 1.0, 2.0) * (0.5 + 0.5 * np.cos(np.pi * order / CEPSTRUM))
    angles = np.pi * np.outer(np.arange(bins) / (bins - 1), order)
    ends = np.ones(bins)
    ends[[0, -1]] = 0.5
    analysis = np.cos(angles) * (ends / (bins - 1))[:, None]
    floor = 1e-6 * ops.mean(power, axis=(1, 2), keepdims=True) + 1e-12
    log_amplitude = 0.5 * ops.log(power + floor)
    cepstrum = ops.matmul(log_amplitude, (analysis * lifter).astype(np.float32))
    place = ops.minimum(np.arange(bins, dtype=np.float32) / factor[:, None], bins - 1.0)
    moved = ops.cos((np.pi / (bins - 1)) * order[:, None].astype(np.float32) * place[:, None, :])
    change = ops.matmul(cepstrum, moved - np.cos(angles).T.astype(np.float32))
    largest = FORMANT_GAIN_DB * np.log(10.0) / 20.0
    return ops.exp(ops.clip(change, -largest, largest))


def colour_gain(points, features):
    """The gain of each bin, [..., bins], of `augmentation.colour`; points are in dB."""
    lowest, points_of_curve = augmentation.COLOUR_LOWEST_HZ, augmentation.COLOUR_POINTS
    hertz = np.maximum(np.fft.rfftfreq(features.n_fft, 1 / features.sample_rate), lowest)
    places = np.log2(np.geomspace(lowest, features.sample_rate / 2, points_of_curve))
    unit = np.eye(len(places))
    basis = np.stack([np.interp(np.log2(hertz), places, one) for one in unit])
    return ops.power(10.0, ops.matmul(points, basis.astype(np.float32)) / 20.0)


def moving_mean(x, size, axis):
    """Means over odd `size` neighbours, fewer at the ends; axis is 1 or 2 of three."""
    half = size // 2
    length = x.shape[axis]
    padding = [(0, 0)] * 3
    padding[axis] = (half + 1, half)
    total = ops.cumsum(ops.pad(x, padding), axis=axis)
    high = ops.take(total, np.arange(size, size + length), axis=axis)
    low = ops.take(total, np.arange(length), axis=axis)
    at = np.arange(length)
    count = np.minimum(at + half, length - 1) - np.maximum(at - half, 0) + 1
    shape = [1, 1, 1]
    shape[axis] = length
    return (high - low) / count.reshape(shape).astype(np.float32)


def compressor_gain(power, taken):
    """The gain of each frame, [n, frames, 1], of `augmentation.compress`; taken is [n]."""
    loudness = ops.sum(power, axis=2, keepdims=True)
    level = moving_mean(loudness, COMPRESSOR_FRAMES, 1)
    level = level / (ops.mean(level, axis=1, keepdims=True) + 1e-12)
    least = 10.0 ** (-augmentation.COMPRESSOR_DB / 10.0)
    gains = ops.power(ops.maximum(level, least), -0.5 * taken[:, None, None])
    return gains * _as_loud(loudness, loudness * gains**2)


def _as_loud(power, changed):
    """The factor that gives spectra [n, frames, bins] the loudness that they had."""
    before, after = (ops.sum(p, axis=(1, 2), keepdims=True) for p in (power, changed))
    return limited(ops.sqrt((before + 1e-12) / (after + 1e-12)))


def drums_gain(power, factor, features):
    """The gain that makes what is struck louder, [n, frames, bins]; factor is [n]. The
    loudness of the whole stays.

    See `augmentation.change_drums`; means of roots stand for its medians.
    """
    root = ops.power(power + 1e-12, 0.25)
    per_frame = augmentation.DRUMS_FFT // 2 // features.hop_length
    lasting = moving_mean(root, augmentation.DRUMS_FRAMES * per_frame // 2 * 2 + 1, 1)
    struck = moving_mean(root, augmentation.DRUMS_FRAMES, 2)
    share = 1.0 / (1.0 + ops.power(lasting / struck, 4.0))
    gains = 1.0 + share * (factor[:, None, None] - 1.0)
    return gains * _as_loud(power, power * gains**2)
