"""The features as librosa has them, for comparison."""

import librosa
import numpy as np


def audible_bins(sample_rate, n_fft):
    """bool [1 + n_fft // 2]: the bins above 20 Hz, and above the two over which an offset is
    spread."""
    return librosa.fft_frequencies(sr=sample_rate, n_fft=n_fft) > max(20.0, sample_rate / n_fft)


def librosa_mel_power(audio, config):
    """float32 [frames, n_mels]: librosa's, but for the bins below hearing, which no
    Slaney band takes here."""
    audible = audible_bins(config.sample_rate, config.n_fft)
    bands = librosa.filters.mel(sr=config.sample_rate, n_fft=config.n_fft, n_mels=config.n_mels)
    spectrum = librosa.stft(
        audio, n_fft=config.n_fft, hop_length=config.hop_length, pad_mode="constant"
    )
    return (bands * audible @ np.abs(spectrum) ** 2).T


def librosa_log_mel(audio, config):
    """float32 [frames, n_mels] in dB."""
    power = librosa_mel_power(audio, config)
    return librosa.power_to_db(power, ref=1.0, amin=config.power_floor, top_db=None)
