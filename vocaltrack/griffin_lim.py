"""Phase from magnitudes alone: the paper's way back to audio."""

import librosa
import numpy as np

from vocaltrack.features import mel_filterbank
from vocaltrack.masks import mel_to_linear

ITERATIONS = 32


def griffin_lim(spectrum, samples, config, seed=0):
    """Throw the phase away and estimate another (paper, section III-C).

    Kept for fidelity only: the result's SDR stays near -3 dB even for a
    perfect mask, since its phase has nothing to do with the singer's.

    Args:
        spectrum: complex64 [frames, 1 + n_fft // 2], the masked mixture.
        samples: length of the waveform to return.
        config: `FeatureConfig`.
        seed: of the random phase to start from.

    Returns:
        float32 [samples].
    """
    waveform = librosa.griffinlim(
        np.abs(spectrum).T,
        n_iter=ITERATIONS,
        hop_length=config.hop_length,
        n_fft=config.n_fft,
        length=samples,
        random_state=seed,
    )
    return waveform.astype(np.float32)


def mel_power_to_audio(power, config):
    """Mel power to audio, for listening only.

    Each band's power is spread evenly over the bins of its triangle; the
    paper's code inverts the mel matrix by `pinv`, whose result can be
    negative, since the matrix has not full rank.

    Args:
        power: float32 [frames, n_mels].
        config: `FeatureConfig`.

    Returns:
        float32 [(frames - 1) * hop_length], at most full scale.
    """
    widths = mel_filterbank(config).sum(axis=1)
    linear = (power / np.maximum(widths, 1e-9)) @ mel_to_linear(config)
    audio = griffin_lim(np.sqrt(linear), (len(power) - 1) * config.hop_length, config)
    return audio / max(1.0, np.max(np.abs(audio)))
