"""What networks hear in place of silent frames and empty bands, in `keras.ops`."""

import math

import numpy as np
from keras import ops

from vocaltrack.mel import FLOOR_MARGIN_DB, sounding

QUIET_DB = 30.0  # above the floor; a band holds a tone of -74 dB of full scale there
FALL_DB = 32.0  # from the lowest band to the highest, as the mean of the training data's music
EMPTY_DB = (28.0, 48.0)  # below the level expected, where emptiness begins and is complete


def fill_silence(log_mel, features):
    """Chunks whose silent frames are the mean of their others.

    A frame is silent when none of its bands sounds, see `mel.sounding`, nor lies more than
    `QUIET_DB` above the floor: soft music beside a loud hit is none.

    Recordings are seldom silent. Silence before a song, in it, and what its last chunk is
    filled up with behind it made the masks of the music beside it worse, up to twice the
    error; the mean of that music does not.

    Args:
        log_mel: float32 [batch, time, mel] in dB.
        features: `FeatureConfig`.

    Returns:
        float32 [batch, time, mel]; a chunk that is all silence stays so.
    """
    peaks = ops.max(log_mel, axis=2, keepdims=True)
    audible = sounding(peaks, ops.max(peaks, axis=1, keepdims=True), features)
    audible = ops.cast(audible | (peaks > features.floor_db + QUIET_DB), log_mel.dtype)
    frames = ops.sum(audible, axis=1, keepdims=True)
    mean = ops.sum(log_mel * audible, axis=1, keepdims=True) / ops.maximum(frames, 1.0)
    return ops.where((audible > 0.0) | (frames == 0.0), log_mel, mean)


def fill_bands(log_mel, features):
    """Chunks whose empty bands hold the noise that is expected there.

    In each frame a band is expected to have the mean power of all bands, but for the slope
    that music has (`FALL_DB`). A band is empty for a whole chunk, the more so the further its
    highest level there lies below the highest that is expected of it, which may be of another
    frame: not at all up to the first limit of `EMPTY_DB`, wholly from the second on. A band
    that stays at the floor is empty wholly.

    Few of the recordings that the networks learnt from lack bands, as those from a telephone
    and at low sample rates do. Networks that heard such bands unfilled took the voice for
    music.

    Args:
        log_mel: float32 [batch, time, mel] in dB.
        features: `FeatureConfig`.

    Returns:
        float32 [batch, time, mel]: in empty bands the power of each bin and of the noise, in
        those that are empty in part between this and the bin's own, in dB; frames that are
        all silent stay so.
    """
    per_db = math.log(10.0) / 10.0  # of the natural logarithm of a power
    slope = (FALL_DB / features.n_mels * np.arange(features.n_mels)).astype(np.float32)
    floor = features.floor_db + FLOOR_MARGIN_DB
    level = ops.where(log_mel > floor, log_mel + slope, features.floor_db - 100.0)
    power = ops.logsumexp(per_db * level, axis=2, keepdims=True) - math.log(features.n_mels)
    expected = power / per_db - slope
    filled = ops.logaddexp(per_db * log_mel, per_db * expected) / per_db
    highest = ops.max(log_mel, axis=1, keepdims=True)
    lacking = ops.max(expected, axis=1, keepdims=True) - highest
    begin, wholly = EMPTY_DB
    emptiness = ops.clip((lacking - begin) / (wholly - begin), 0.0, 1.0)
    emptiness = ops.where(highest > floor, emptiness, 1.0)
    return log_mel + emptiness * (filled - log_mel)


def as_heard(log_mel, features):
    """What the networks hear of log-mel chunks, in training as when they are served.

    Args:
        log_mel: float32 [batch, time, mel] in dB.
        features: `FeatureConfig`.

    Returns:
        float32 [batch, time, mel].
    """
    return fill_bands(fill_silence(log_mel, features), features)
