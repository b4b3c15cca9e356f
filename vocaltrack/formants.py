"""Another singer of the same notes: a voice whose formants have moved."""

import librosa
import numpy as np

FORMANT_GAIN_DB = 20.0
ENVELOPE_FFT = 1024
PREDICTORS = 20
SMOOTHING_HZ = 80.0


def shift_formants(audio, factor, sample_rate):
    """Move a voice's formants and leave its pitch: another singer.

    The spectral envelope is stretched along the frequency by gains of at most
    20 dB; the phase stays.

    Args:
        audio: float32 [samples].
        factor: of the formants' frequencies.
        sample_rate: Hz.

    Returns:
        float32 [samples].
    """
    stft = librosa.stft(audio, n_fft=ENVELOPE_FFT)
    envelope = _envelope(np.abs(stft), sample_rate)
    place = np.minimum(np.arange(len(envelope)) / factor, len(envelope) - 1.0)
    below = np.minimum(place.astype(int), len(envelope) - 2)
    share = (place - below)[:, np.newaxis]
    moved = (1.0 - share) * envelope[below] + share * envelope[below + 1]
    largest = FORMANT_GAIN_DB * np.log(10.0) / 20.0
    gain = np.exp(np.clip(moved - envelope, -largest, largest))
    return librosa.istft(stft * gain.astype(np.float32), n_fft=ENVELOPE_FFT, length=len(audio))


def _envelope(amplitude, sample_rate):
    """Log amplitude without the harmonics, but for a constant of each frame:
    linear prediction, smoothed. [bins, frames] each."""
    correlation = np.fft.irfft(np.square(amplitude, dtype=np.float64), axis=0)
    lag = np.arange(PREDICTORS + 1)
    window = np.exp(-0.5 * np.square(2.0 * np.pi * SMOOTHING_HZ * lag / sample_rate))
    correlation = correlation[: PREDICTORS + 1].T * window
    correlation[:, 0] = correlation[:, 0] * (1.0 + 1e-5) + 1e-9
    toeplitz = correlation[:, np.abs(lag[1:, np.newaxis] - lag[1:])]
    predictors = np.linalg.solve(toeplitz, correlation[:, 1:, np.newaxis])[..., 0]
    inverse = np.concatenate([np.ones_like(predictors[:, :1]), -predictors], axis=1)
    return -np.log(np.abs(np.fft.rfft(inverse, 2 * len(amplitude) - 2))).T
