"""What the networks learn: targets and weights of chunks, in `keras.ops`."""

import numpy as np
from keras import ops

from vocaltrack.mel import FLOOR_MARGIN_DB, sounding
from vocaltrack.silence import fill_silence


def binary_mask(vocals_db, accompaniment_db):
    """The clustering target: 1 where the vocals are louder (paper, Fig. 1).

    Args:
        vocals_db: float32 [...], log-mel of the vocals in dB.
        accompaniment_db: the same of the accompaniment.

    Returns:
        float32 [...] of zeros and ones.
    """
    return ops.cast(vocals_db > accompaniment_db, "float32")


def proportion_mask(vocals_db, accompaniment_db, config):
    """The vocals' share of the mel power (paper, Fig. 2): Pv / (Pv + Pa).

    A bin where the vocals lie on the power floor is 0, also where the
    accompaniment is silent too: silence is nobody's.

    Args:
        vocals_db: float32 [...], log-mel of the vocals in dB.
        accompaniment_db: the same of the accompaniment.
        config: `FeatureConfig`, for the floor.

    Returns:
        float32 [...] between 0 and 1.
    """
    share = ops.sigmoid((vocals_db - accompaniment_db) * (np.log(10.0) / 10.0))
    return ops.where(vocals_db > config.floor_db + FLOOR_MARGIN_DB, share, 0.0)


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


def mask_example(chunks, config, exponent):
    """An example for a network with a mask output (unet, uhnet).

    Args:
        chunks: dict from "mixture", "vocals" and "accompaniment" to float32
            [batch, time, mel] in dB.
        config: `FeatureConfig`.
        exponent: of the mask loss's weights, see `power_weight`.

    Returns:
        (log_mel, target mask, weight), float32 [batch, time, mel], the target with a
        last axis of 1.
    """
    target = proportion_mask(chunks["vocals"], chunks["accompaniment"], config)
    weight = power_weight(chunks["mixture"], exponent)
    return chunks["mixture"], target[..., None], weight


def clustering_example(chunks, config, exponent, with_masks):
    """An example for the clustering networks (dc, hdc).

    Args:
        chunks, config, exponent: as for `mask_example`.
        with_masks: whether the network has the mask head.

    Returns:
        (log_mel, targets, weights); targets["embeddings"] is float32
        [batch, time, mel, 2]: the binary mask, and 1 where the mixture sounds;
        targets["masks"] and weights["masks"] are as in `mask_example`.
    """
    binary = binary_mask(chunks["vocals"], chunks["accompaniment"])
    loudest = ops.max(chunks["mixture"], axis=(1, 2), keepdims=True)
    weight = ops.cast(sounding(chunks["mixture"], loudest, config), "float32")
    targets = {"embeddings": ops.stack([binary, weight], axis=-1)}
    weights = {"embeddings": ops.ones(ops.shape(binary)[:1])}
    if with_masks:
        share = proportion_mask(chunks["vocals"], chunks["accompaniment"], config)
        targets["masks"] = ops.stack([share, 1.0 - share], axis=-1)
        weights["masks"] = power_weight(chunks["mixture"], exponent)
    return chunks["mixture"], targets, weights


def example(chunks, training, config):
    """The example for the network of a `TrainingConfig`; see those above. The network hears
    what `fill_silence` makes of the mixture, as it does when it is served; what it makes of
    the frames that are filled does not count."""
    exponent, name = training.power_exponent, training.model
    filled = fill_silence(chunks["mixture"], config)
    heard = ops.cast(filled == chunks["mixture"], "float32")
    if name in ("unet", "uhnet"):
        _, target, weight = mask_example(chunks, config, exponent)
        return filled, target, weight * heard
    _, targets, weights = clustering_example(chunks, config, exponent, name == "hdc")
    if name == "hdc":
        weights["masks"] = weights["masks"] * heard
    return filled, targets, weights
