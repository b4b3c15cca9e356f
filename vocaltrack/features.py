"""Audio to STFT to log-mel, and back: the one implementation for preparing,
training, serving and evaluating.

All functions are pure TensorFlow and can be traced into a SavedModel. The
definitions are librosa's (centred frames, zero padding, periodic Hann window,
Slaney mel bands), and the tests compare against librosa.
"""

import functools

import numpy as np
import tensorflow as tf


def mel_edges(config):
    """Edges of the Slaney mel bands in Hz, float64 [n_mels + 2]: band number
    n rises from edge n to its peak at n + 1 and falls to n + 2.

    The same as `librosa.mel_frequencies`, whose import would take a quarter
    of a second and 60 MB of every separation.
    """
    linear, log_from, log_step = 200.0 / 3.0, 1000.0, np.log(6.4) / 27.0
    corner = log_from / linear
    top = config.sample_rate / 2
    highest = corner + np.log(top / log_from) / log_step if top > log_from else top / linear
    mels = np.linspace(0.0, highest, config.n_mels + 2)
    logarithmic = log_from * np.exp(log_step * (mels - corner))
    return np.where(mels < corner, linear * mels, logarithmic)


def mel_triangles(config, sample_rate, n_fft):
    """The mel bands' triangles over the bins of an STFT, of height 1.

    Args:
        config: `FeatureConfig`.
        sample_rate: Hz of the STFT's signal.
        n_fft: its frame length.

    Returns:
        float64 [n_mels, 1 + n_fft // 2].
    """
    edges = mel_edges(config)[:, np.newaxis]
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    bins = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    return np.maximum(
        0.0, np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre))
    )


@functools.lru_cache(maxsize=8)
def mel_filterbank(config):
    """The Slaney mel matrix of librosa, float32 [n_mels, 1 + n_fft // 2]."""
    edges = mel_edges(config)
    areas = 2.0 / (edges[2:] - edges[:-2])
    triangles = mel_triangles(config, config.sample_rate, config.n_fft)
    return (triangles * areas[:, np.newaxis]).astype(np.float32)


def stft(waveform, config):
    """Short-time Fourier transform with centred frames.

    Args:
        waveform: float32 [..., samples], at least one sample.
        config: `FeatureConfig`.

    Returns:
        complex64 [..., 1 + samples // hop_length, 1 + n_fft // 2].
    """
    half = config.n_fft // 2
    edges = [[0, 0]] * (len(waveform.shape) - 1) + [[half, half]]
    return tf.signal.stft(
        tf.pad(waveform, edges), config.n_fft, config.hop_length, window_fn=tf.signal.hann_window
    )


def inverse_stft(spectrum, samples, config):
    """Inverse of `stft`, exact for an unchanged spectrum at every sample.

    The sum of the overlapping squared windows is divided out sample by
    sample, so the edges, where fewer frames overlap, are right too.

    Args:
        spectrum: complex64 [..., frames, bins].
        samples: length of the waveform to return.
        config: `FeatureConfig`.

    Returns:
        float32 [..., samples].
    """
    window = tf.signal.hann_window(config.n_fft)
    frames = tf.signal.irfft(spectrum, [config.n_fft]) * window
    summed = tf.signal.overlap_and_add(frames, config.hop_length)
    squares = tf.repeat(tf.square(window)[tf.newaxis], tf.shape(spectrum)[-2], axis=0)
    weight = tf.signal.overlap_and_add(squares, config.hop_length)
    half = config.n_fft // 2
    waveform = tf.math.divide_no_nan(summed, tf.where(weight > 1e-8, weight, 0.0))
    return waveform[..., half : half + samples]


def mel_power(spectrum, config):
    """Mel power of an STFT.

    Args:
        spectrum: complex64 [..., frames, bins].
        config: `FeatureConfig`.

    Returns:
        float32 [..., frames, n_mels].
    """
    power = tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))
    return tf.matmul(power, tf.constant(mel_filterbank(config).T))


def power_to_db(power, config):
    """10 log10 of a power, cut off at the configured floor, in dB."""
    return 10.0 / np.log(10.0) * tf.math.log(tf.maximum(power, config.power_floor))


def log_mel(spectrum, config):
    """Log-mel of an STFT in dB; shapes as `mel_power`."""
    return power_to_db(mel_power(spectrum, config), config)


def waveform_to_log_mel(waveform, config):
    """Log-mel of a waveform.

    Args:
        waveform: float32 [..., samples] at `config.sample_rate`.
        config: `FeatureConfig`.

    Returns:
        float32 [..., 1 + samples // hop_length, n_mels] in dB.
    """
    return log_mel(stft(waveform, config), config)


def mel_centres(config):
    """Peak frequency of each mel band in Hz, float64 [n_mels]."""
    return mel_edges(config)[1:-1]
