"""Audio to STFT to log-mel, and back: the one implementation for preparing,
training, serving and evaluating.

All functions are pure TensorFlow and can be traced into a SavedModel. The
definitions are librosa's (centred frames, zero padding, periodic Hann window,
Slaney mel bands), but that no band takes what lies below hearing
(`mel.is_inaudible`); the tests compare against librosa.
"""

import numpy as np
import tensorflow as tf

from vocaltrack.mel import mel_filterbank, mel_to_bins


def stft(waveform, features):
    """Short-time Fourier transform with centred frames.

    Args:
        waveform: float32 [..., samples], at least one sample.
        features: `FeatureConfig`.

    Returns:
        complex64 [..., 1 + samples // hop_length, 1 + n_fft // 2].
    """
    half = features.n_fft // 2
    edges = [[0, 0]] * (len(waveform.shape) - 1) + [[half, half]]
    padded = tf.pad(waveform, edges)
    return tf.signal.stft(
        padded, features.n_fft, features.hop_length, window_fn=tf.signal.hann_window
    )


def inverse_stft(spectrum, samples, features):
    """Inverse of `stft`, exact for an unchanged spectrum at every sample.

    The sum of the overlapping squared windows is divided out sample by
    sample, so the edges, where fewer frames overlap, are right too.

    Args:
        spectrum: complex64 [..., frames, bins].
        samples: length of the waveform to return.
        features: `FeatureConfig`.

    Returns:
        float32 [..., samples].
    """
    window = tf.signal.hann_window(features.n_fft)
    frames = tf.signal.irfft(spectrum, [features.n_fft]) * window
    summed = tf.signal.overlap_and_add(frames, features.hop_length)
    squares = tf.repeat(tf.square(window)[tf.newaxis], tf.shape(spectrum)[-2], axis=0)
    weight = tf.signal.overlap_and_add(squares, features.hop_length)
    half = features.n_fft // 2
    waveform = tf.math.divide_no_nan(summed, tf.where(weight > 1e-8, weight, 0.0))
    return waveform[..., half : half + samples]


def mel_power(spectrum, features):
    """Mel power of an STFT.

    Args:
        spectrum: complex64 [..., frames, bins].
        features: `FeatureConfig`.

    Returns:
        float32 [..., frames, n_mels].
    """
    power = tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))
    return tf.matmul(power, tf.constant(mel_filterbank(features).T))


def power_to_db(power, features):
    """10 log10 of a power, float32 [...], in dB; cut off at the floor of a `FeatureConfig`."""
    return 10.0 / np.log(10.0) * tf.math.log(tf.maximum(power, features.power_floor))


def log_mel(spectrum, features):
    """Log-mel of an STFT in dB; shapes as `mel_power`."""
    return power_to_db(mel_power(spectrum, features), features)


def waveform_to_log_mel(waveform, features):
    """Log-mel of a waveform.

    Args:
        waveform: float32 [..., samples] at `features.sample_rate`.
        features: `FeatureConfig`.

    Returns:
        float32 [..., 1 + samples // hop_length, n_mels] in dB.
    """
    return log_mel(stft(waveform, features), features)


def apply_mask(spectrum, mel_mask, features):
    """Use a mel mask as a gain on a complex mixture STFT.

    Args:
        spectrum: complex64 [..., frames, 1 + n_fft // 2].
        mel_mask: float32 [..., frames, n_mels].
        features: `FeatureConfig`.

    Returns:
        complex64, the shape of `spectrum`.
    """
    to_bins = mel_to_bins(features, features.sample_rate, features.n_fft)
    gain = tf.matmul(mel_mask, tf.constant(to_bins))
    return spectrum * tf.cast(gain, spectrum.dtype)
