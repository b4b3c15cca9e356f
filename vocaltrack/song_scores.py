"""What a model makes of one song with true stems, scored beside the mixture and the oracle."""

import numpy as np
import tensorflow as tf

from vocaltrack.audio import resample
from vocaltrack.features import apply_mask, inverse_stft, stft, waveform_to_log_mel
from vocaltrack.gains import GainStream
from vocaltrack.metrics import (
    bss_eval,
    intersection_over_union,
    level_db,
    mask_psnr,
    pixel_accuracy,
    si_sdr,
)
from vocaltrack.targets import proportion_mask


def score_song(vocals, accompaniment, separators, features):
    """Scores of the mixture, the oracle and each separator on one song as the networks
    hear it.

    Args:
        vocals, accompaniment: float32 [samples], the true stems at the features' rate.
        separators: dict from a label to a `Separator`.
        features: `FeatureConfig` of the separators.

    Returns:
        dict from system to dict from the names in `metrics.METRICS` to a number. The
        mask metrics compare mel masks; for the mixture, a mask of ones.
    """
    estimates, masks = separate_stems(vocals, accompaniment, separators, features)
    scores = _score_sounds(vocals, accompaniment, estimates, features.sample_rate)
    target = masks["oracle"]
    for label, score in scores.items():
        score["PSNR"] = mask_psnr(target, masks[label])
        score["accuracy"] = pixel_accuracy(target, masks[label])
        score["IoU"] = intersection_over_union(target, masks[label])
    return scores


def score_native(vocals, accompaniment, separators, features, sample_rate):
    """The same at a song's own rate and channels, as the tables on MUSDB18 have it.

    Args:
        vocals, accompaniment: float32 [samples, channels], the true stems.
        separators: dict from a label to a `Separator`.
        features: `FeatureConfig` of the separators.
        sample_rate: Hz of the stems.

    Returns:
        dict from system to dict from the names in `metrics.SOUND_METRICS` to a number.
    """
    mixture = vocals + accompaniment
    stems = [
        resample(stem.mean(axis=1), sample_rate, features.sample_rate)
        for stem in (vocals, accompaniment)
    ]
    gains = GainStream(mixture.shape[1], sample_rate, features)
    oracle = gains.push(mixture, oracle_mask(*stems, features), last=True)
    estimates = {"mixture": mixture, "oracle": oracle}
    for label, separator in separators.items():
        estimates[label] = separator.separate(mixture, sample_rate).vocals
    return _score_sounds(vocals, accompaniment, estimates, sample_rate, all_frames=True)


def _score_sounds(vocals, accompaniment, estimates, sample_rate, all_frames=False):
    mixture = vocals + accompaniment
    before = si_sdr(vocals.ravel(), mixture.ravel())
    scores = {}
    for label, estimate in estimates.items():
        rest = mixture if label == "mixture" else mixture - estimate
        stems = [vocals, accompaniment], [estimate, rest]
        score = bss_eval(*stems, sample_rate, all_frames)
        score["SI-SDR"] = si_sdr(vocals.ravel(), estimate.ravel())
        score["SI-SDRi"] = score["SI-SDR"] - before
        scores[label] = score
    return scores


def separate_stems(vocals, accompaniment, separators, features):
    """What the mixture, the oracle and each separator make of two stems' sum.

    Args:
        vocals, accompaniment: float32 [samples], the true stems.
        separators: dict from a label to a `Separator`.
        features: `FeatureConfig` of the separators.

    Returns:
        (estimates, masks): dicts from system to the estimated vocals
        [samples], and to its mel mask [frames, n_mels].
    """
    mixture = vocals + accompaniment
    target = oracle_mask(vocals, accompaniment, features)
    masks = {"mixture": np.ones_like(target), "oracle": target}
    estimates = {"mixture": mixture, "oracle": oracle_vocals(mixture, target, features)}
    for label, separator in separators.items():
        separation = separator.separate(mixture, features.sample_rate)
        estimates[label], masks[label] = separation.vocals, separation.mask
    return estimates, masks


def oracle_mask(vocals, accompaniment, features):
    """The proportion mask of the true stems.

    Args:
        vocals, accompaniment: float32 [samples].
        features: `FeatureConfig`.

    Returns:
        float32 [frames, n_mels].
    """
    stems = [waveform_to_log_mel(tf.constant(stem), features) for stem in (vocals, accompaniment)]
    return proportion_mask(*stems, features).numpy()


def oracle_vocals(mixture, mask, features):
    """What a mel mask [frames, n_mels] lets through of a mixture [samples]."""
    spectrum = stft(tf.constant(mixture), features)
    return inverse_stft(apply_mask(spectrum, mask, features), len(mixture), features).numpy()


def leakage(accompaniment, separators, sample_rate):
    """Level of the vocals found in instrumental music.

    Args:
        accompaniment: float32 [samples] or [samples, channels].
        separators: dict from a label to a `Separator`.
        sample_rate: Hz.

    Returns:
        dict from label to dB relative to the music.
    """
    before = level_db(accompaniment)
    return {
        label: level_db(separator.separate(accompaniment, sample_rate).vocals) - before
        for label, separator in separators.items()
    }
