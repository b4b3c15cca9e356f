"""Changes to a stem that leave it the same kind of sound: speed, colour, room, echo,
backing voices, roughness, overdrive, dynamics, and how loud the drums are.

A small set of singers and recordings becomes a larger one, so that a network
hears voices and instruments rather than these voices and instruments.
"""

import librosa
import numpy as np
import soxr
from scipy.ndimage import uniform_filter1d
from scipy.signal import fftconvolve

from vocaltrack.formants import ENVELOPE_FFT

SPEED_SEMITONES = 6.0
FORMANT_SEMITONES = 3.0
COLOUR_DB = 8.0
COLOUR_LOWEST_HZ = 60.0
COLOUR_POINTS = 6
REVERBERATION_SECONDS = (0.2, 1.8)
REVERBERATION_DB = (-18.0, -4.0)
ECHO_SECONDS = (0.08, 0.5)
ECHO_DB = (-20.0, -6.0)
ECHOES = 3
BACKING_SEMITONES = (-12, -5, -4, -3, 0, 3, 4, 5, 7, 12)
BACKING_CENTS = 12.0
BACKING_SECONDS = 0.04
BACKING_DB = (-14.0, -2.0)
ROUGHNESS_HZ = (25.0, 160.0)
ROUGHNESS = (0.3, 1.0)
ROUGHNESS_WIDTH_HZ = 8.0
OVERDRIVE_DB = (-9.0, 6.0)
COMPRESSION = (0.2, 0.8)
COMPRESSOR_SECONDS = 0.05
COMPRESSOR_DB = 20.0
DRUMS_DB = (-8.0, 12.0)
DRUMS_FFT = 1024
DRUMS_FRAMES = 17
MOST_DB = 40.0  # by which a thing is made as loud as another, so that noise stays noise


def draw_speed(rng):
    """A factor of speed: pitch, formants and tempo, up to 6 semitones."""
    return _draw_factor(rng, SPEED_SEMITONES)


def draw_formants(rng):
    """A factor of the formants' frequencies, up to 3 semitones: about what lies
    between the vocal tracts of men and children."""
    return _draw_factor(rng, FORMANT_SEMITONES)


def _draw_factor(rng, semitones):
    return 2.0 ** (rng.uniform(-semitones, semitones) / 12.0)


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
    points = np.geomspace(COLOUR_LOWEST_HZ, sample_rate / 2, COLOUR_POINTS)
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
    return (audio + gain(rng.uniform(*REVERBERATION_DB)) * wet).astype(np.float32)


def echo(audio, rng, sample_rate):
    """Repeat a sound three times, each time as much later and softer.

    Args:
        audio: float32 [samples].
        rng: `numpy.random.Generator`.
        sample_rate: Hz.

    Returns:
        float32 [samples]; each repetition is 6 to 20 dB below the one before, and what
        would come after the end is cut off.
    """
    late = int(rng.uniform(*ECHO_SECONDS) * sample_rate)
    softer = gain(rng.uniform(*ECHO_DB))
    repeated = audio.copy()
    for number in range(1, ECHOES + 1):
        repeated[number * late :] += softer**number * audio[: -number * late]
    return repeated


def add_backing(voice, rng, sample_rate):
    """Let a second voice sing along: the same words, doubled or a third to an octave
    away, a little late and out of tune.

    Args:
        voice: float32 [samples].
        rng: `numpy.random.Generator`.
        sample_rate: Hz.

    Returns:
        float32 [samples]; the second voice is 2 to 14 dB below the first.
    """
    semitones = rng.choice(BACKING_SEMITONES) + rng.normal(0.0, BACKING_CENTS / 100.0)
    second = librosa.effects.pitch_shift(
        voice, sr=sample_rate, n_steps=semitones, n_fft=ENVELOPE_FFT, res_type="soxr_mq"
    )
    late = int(rng.integers(BACKING_SECONDS * sample_rate + 1))
    second = np.pad(second, (late, 0))[: len(voice)]
    return voice + as_loud_as(voice, second) * gain(rng.uniform(*BACKING_DB))


def roughen(audio, rng, sample_rate):
    """Roughen a voice, as growls, screams and creaks are: its loudness flutters 25 to 160
    times a second, unsteadily (its line is 8 Hz wide at half height), by 0.3 to all of
    it. The loudness of the whole stays.

    Args:
        audio: float32 [samples].
        rng: `numpy.random.Generator`.
        sample_rate: Hz.

    Returns:
        float32 [samples].
    """
    hertz, depth = rng.uniform(*ROUGHNESS_HZ), rng.uniform(*ROUGHNESS)
    steps = rng.standard_normal(len(audio)) * np.sqrt(2 * np.pi * ROUGHNESS_WIDTH_HZ / sample_rate)
    phase = 2 * np.pi * hertz / sample_rate * np.arange(len(audio)) + np.cumsum(steps)
    return as_loud_as(audio, audio * (1.0 + depth * np.sin(phase)).astype(np.float32))


def overdrive(audio, rng):
    """Clip softly, as compressors, tape and amplifiers do; the loudness stays.

    Args:
        audio: float32 [samples].
        rng: `numpy.random.Generator`.

    Returns:
        float32 [samples].
    """
    full_scale = rms(audio) * gain(-rng.uniform(*OVERDRIVE_DB))
    return as_loud_as(audio, full_scale * np.tanh(audio / full_scale))


def compress(audio, rng, sample_rate):
    """Even out the dynamics, as compressors do: of each level's distance from the mean one
    a fifth to four fifths are taken away, in dB. The loudness of the whole stays.

    Args:
        audio: float32 [samples].
        rng: `numpy.random.Generator`.
        sample_rate: Hz.

    Returns:
        float32 [samples]; what is more than 20 dB below the mean is raised as much as
        what is 20 dB below it.
    """
    size = int(COMPRESSOR_SECONDS * sample_rate)
    power = uniform_filter1d(np.square(audio, dtype=np.float64), size, mode="nearest")
    level = power / (np.mean(power) + 1e-12)
    taken = rng.uniform(*COMPRESSION)
    gains = np.maximum(level, 10.0 ** (-COMPRESSOR_DB / 10.0)) ** (-taken / 2.0)
    return as_loud_as(audio, (audio * gains).astype(np.float32))


def change_drums(music, rng):
    """Make what is struck up to 12 dB louder or 8 dB softer than what sounds on
    (harmonic-percussive separation by median filters, Fitzgerald 2010); the loudness
    of the whole stays.

    Args:
        music: float32 [samples].
        rng: `numpy.random.Generator`.

    Returns:
        float32 [samples].
    """
    stft = librosa.stft(music, n_fft=DRUMS_FFT, hop_length=DRUMS_FFT // 2)
    lasting, struck = librosa.decompose.hpss(stft, kernel_size=DRUMS_FRAMES)
    changed = librosa.istft(
        lasting + gain(rng.uniform(*DRUMS_DB)) * struck,
        n_fft=DRUMS_FFT,
        hop_length=DRUMS_FFT // 2,
        length=len(music),
    )
    return as_loud_as(music, changed)


def gain(decibels):
    """The factor of amplitudes that decibels stand for."""
    return float(10.0 ** (decibels / 20.0))


def rms(audio):
    """Root mean square of [samples], a little above 0 for silence."""
    return np.float32(np.sqrt(np.mean(np.square(audio, dtype=np.float64)) + 1e-12))


def as_loud_as(reference, audio):
    """Audio at the loudness of a reference, float32 [samples] both; raised or lowered by
    `MOST_DB` at most."""
    least, most = np.float32(gain(-MOST_DB)), np.float32(gain(MOST_DB))
    return audio * np.clip(rms(reference) / rms(audio), least, most)
