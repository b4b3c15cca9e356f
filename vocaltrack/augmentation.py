"""Changes to a stem that leave it the same kind of sound: speed, colour, room.

A small set of singers and recordings becomes a larger one, so that a network
hears voices and instruments rather than these voices and instruments.
"""

import numpy as np
import soxr
from scipy.signal import fftconvolve

SPEED_SEMITONES = 3.0
COLOUR_DB = 8.0
COLOUR_POINTS = 6
REVERBERATION_SECONDS = (0.2, 1.8)
REVERBERATION_DB = (-18.0, -4.0)


def draw_speed(rng):
    """A factor of speed: pitch, formants and tempo, up to 3 semitones."""
    return 2.0 ** (rng.uniform(-SPEED_SEMITONES, SPEED_SEMITONES) / 12.0)


def change_speed(audio, factor, samples):
    """Play faster (factor above 1) or slower, as a tape does.

    Args:
        audio: float32 [at least `source_samples(factor, samples)`].
        factor: of the speed.
        samples: length wanted.

    Returns:
        float32 [samples].
    """
    # soxr takes any two rates; their quotient is what counts.
    return soxr.resample(audio, 1e4 * factor, 1e4, quality="MQ")[:samples]


def source_samples(factor, samples):
    """How much audio `change_speed` needs for `samples` samples."""
    return int(np.ceil(samples * factor)) + 16


def colour(audio, rng, sample_rate):
    """Filter with a smooth random curve of up to 8 dB either way, as other
    microphones, rooms and equalisers would; the phase stays.

    Args:
        audio: float32 [samples].
        rng: `numpy.random.Generator`.
        sample_rate: Hz.

    Returns:
        float32 [samples].
    """
    spectrum = np.fft.rfft(audio)
    hertz = np.linspace(0.0, sample_rate / 2, len(spectrum))
    points = np.geomspace(60.0, sample_rate / 2, COLOUR_POINTS)
    decibels = rng.uniform(-COLOUR_DB, COLOUR_DB, COLOUR_POINTS)
    curve = np.interp(np.log2(np.maximum(hertz, points[0])), np.log2(points), decibels)
    return np.fft.irfft(spectrum * 10.0 ** (curve / 20.0), len(audio)).astype(np.float32)


def reverberate(audio, rng, sample_rate):
    """Add the reverberation of a room: exponentially decaying noise.

    Args:
        audio: float32 [samples], dry.
        rng: `numpy.random.Generator`.
        sample_rate: Hz.

    Returns:
        float32 [samples]; the reverberation is 4 to 18 dB below the dry
        sound, and what rings on after the end is cut off.
    """
    seconds = rng.uniform(*REVERBERATION_SECONDS)
    time = np.arange(int(seconds * sample_rate)) / sample_rate
    room = rng.standard_normal(len(time)) * 10.0 ** (-3.0 * time / seconds)
    wet = fftconvolve(audio, room / np.sqrt(np.sum(room**2)))[: len(audio)]
    gain = 10.0 ** (rng.uniform(*REVERBERATION_DB) / 20.0)
    return (audio + gain * wet).astype(np.float32)
