"""What the networks learn: targets and weights of chunks, in `keras.ops`."""

import numpy as np
from keras import ops

from vocaltrack.config import STREAMS, UNETS
from vocaltrack.mel import FLOOR_MARGIN_DB, sounding
from vocaltrack.silence import fill_bands, fill_silence


def binary_mask(vocals_db, accompaniment_db):
    """The clustering target: 1 where the vocals are louder (paper, Fig. 1).

    Args:
        vocals_db: float32 [...], log-mel of the vocals in dB.
        accompaniment_db: the same of the accompaniment.

    Returns:
        float32 [...] of zeros and ones.
    """
    return ops.cast(vocals_db > accompaniment_db, "float32")


def proportion_mask(vocals_db, accompaniment_db, features):
    """The vocals' share of the mel power (paper, Fig. 2): Pv / (Pv + Pa).

    A bin where the vocals lie on the power floor is 0, also where the
    accompaniment is silent too: silence is nobody's.

    Args:
        vocals_db: float32 [...], log-mel of the vocals in dB.
        accompaniment_db: the same of the accompaniment.
        features: `FeatureConfig`, for the floor.

    Returns:
        float32 [...] between 0 and 1.
    """
    share = ops.sigmoid((vocals_db - accompaniment_db) * (np.log(10.0) / 10.0))
    return ops.where(vocals_db > features.floor_db + FLOOR_MARGIN_DB, share, 0.0)


def power_weight(mixture_db, exponent):
    """Weights of the mask loss: the mixture's mel power to an exponent.

    The weights of each chunk have mean 1, so that quiet chunks count as much
    as loud ones. An exponent of 0 weighs all bins alike.

    Args:
        mixture_db: float32 [batch, time, mel] in dB.
        exponent: 0 to 1.

    Returns:
        float32 [batch, time, mel].
    """
    loudest = ops.max(mixture_db, axis=(1, 2), keepdims=True)
    weight = ops.power(10.0, (mixture_db - loudest) * (exponent / 10.0))
    return weight / ops.mean(weight, axis=(1, 2), keepdims=True)


def example(chunks, config, features):
    """What a network learns from. It hears what `silence.as_heard` makes of the mixture, as it
    does when it is served; its masks do not count in frames that `fill_silence` fills.

    Args:
        chunks: dict from each of `STREAMS` to float32 [batch, time, mel] in dB.
        config: `TrainingConfig`.
        features: `FeatureConfig`.

    Returns:
        (log_mel, targets, weights). For the U-nets the targets are the proportion mask
        [batch, time, mel, 1] and the weights [batch, time, mel]. For dc and hdc both are
        dicts by the network's output: targets["embeddings"] is [batch, time, mel, 2], the
        binary mask and 1 where the mixture sounds; of the hdc's, targets["masks"] is
        [batch, time, mel, 2], the share of the vocals and that of the accompaniment.
    """
    mixture, vocals, accompaniment = (chunks[name] for name in STREAMS)
    filled = fill_silence(mixture, features)
    share = proportion_mask(vocals, accompaniment, features)
    weight = power_weight(mixture, config.power_exponent)
    is_heard = ops.all(filled == mixture, axis=2, keepdims=True)
    weight = weight * ops.cast(is_heard, "float32")
    log_mel = fill_bands(filled, features)
    if config.model in UNETS:
        return log_mel, share[..., None], weight
    loudest = ops.max(mixture, axis=(1, 2), keepdims=True)
    sounds = ops.cast(sounding(mixture, loudest, features), "float32")
    binary = binary_mask(vocals, accompaniment)
    targets = {"embeddings": ops.stack([binary, sounds], axis=-1)}
    weights = {"embeddings": ops.ones(ops.shape(binary)[:1])}
    if config.model == "hdc":
        targets["masks"], weights["masks"] = ops.stack([share, 1.0 - share], axis=-1), weight
    return log_mel, targets, weights
