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
    """10 log10 of a power, float32 [...], in dB; cut off at the floor of a `FeatureConfig`."""
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
