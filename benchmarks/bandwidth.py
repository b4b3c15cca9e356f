"""What is found where the mixture lacks bands, for choices.py."""

import numpy as np
import soxr
from excerpts import RATE, median_and_mean, median_and_worst, row
from scipy.signal import butter, sosfiltfilt

from vocaltrack.augmentation import gain
from vocaltrack.metrics import level_db, si_sdr

TELEPHONE_NOISE_DB = -50  # below the mixture


def bandwidths(separator, pairs, others):
    """What is found in songs, and what comes out of instrumentals relative to the input."""
    band = butter(4, (300, 3400), "bandpass", fs=RATE, output="sos")

    def resampled(rate):
        return lambda stem: soxr.resample(stem, RATE, rate)

    def telephone(stem):
        return sosfiltfilt(band, stem).astype(np.float32)

    print("| bandwidth | SI-SDR median (mean) | instrumentals, median (worst) |\n|---|---|---|")
    for name, rate, limited, noise_db in (
        ("all", RATE, lambda stem: stem, None),
        ("a file of 11,025 Hz", 11025, resampled(11025), None),
        ("a file of 8000 Hz", 8000, resampled(8000), None),
        ("300 to 3400 Hz", RATE, telephone, None),
        ("the same, and noise", RATE, telephone, TELEPHONE_NOISE_DB),
    ):
        scores, levels_out = [], []
        for stems in pairs:
            vocals, accompaniment = (limited(stem) for stem in stems)
            mixture = noisy(vocals + accompaniment, noise_db)
            scores.append(si_sdr(vocals, separator.separate(mixture, rate).vocals))
        for music in others:
            mixture = noisy(limited(music), noise_db)
            found = separator.separate(mixture, rate).vocals
            levels_out.append(level_db(found) - level_db(mixture))
        row(name, median_and_mean(scores), median_and_worst(levels_out))
    print()


def noisy(audio, decibels):
    """Audio with white noise at a level relative to its own, or with none."""
    if decibels is None:
        return audio
    noise = np.random.default_rng(0).standard_normal(len(audio)).astype(np.float32)
    return audio + noise * np.float32(gain(level_db(audio) + decibels))
