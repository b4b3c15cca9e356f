"""The levers of levers.py: ways to train the U-net, each one change to the first."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from networks import frequency_dense, unchanged, unet

from vocaltrack.mel import FLOOR_MARGIN_DB
from vocaltrack.targets import proportion_mask


def power_ratio(chunk, features):
    return proportion_mask(chunk["vocals"], chunk["accompaniment"], features)


def amplitude_ratio(chunk, features):
    """Av / (Av + Aa) of the mel amplitudes."""
    share = tf.sigmoid((chunk["vocals"] - chunk["accompaniment"]) * (np.log(10.0) / 20.0))
    is_sung = chunk["vocals"] > features.floor_db + FLOOR_MARGIN_DB  # as in `proportion_mask`
    return tf.where(is_sung, share, 0.0)


@dataclasses.dataclass(frozen=True)
class Lever:
    """One way to train.

    Attributes:
        training: what differs in `TrainingConfig`.
        dropout: of the network.
        network: builds the logits from the normalised input; None for the
            shipped U-net.
        loss: replaces the binary cross-entropy.
        target: maps (chunk of the records, features) to the mask to learn.
        averaged: weights of an exponential average instead of the last ones.
        kinds: of mixtures to learn from; None for all.
        shards: of the records to learn from, again and again; None for all.
    """

    training: dict = dataclasses.field(default_factory=dict)
    dropout: float = 0.1
    network: object = None
    loss: object = None
    target: object = power_ratio
    averaged: float = 0.0
    kinds: tuple[str, ...] | None = None
    shards: int | None = None


WIDE_LOW = (16, 32, 64, 128, 256)
LEVERS = {
    "no change": Lever(),
    "another seed": Lever({"seed": 1}),
    "no amalgamations": Lever(kinds=("true", "instrumental")),
    "no true mixtures": Lever(kinds=("amalgamation", "instrumental")),
    "no instrumentals alone": Lever(kinds=("true", "amalgamation")),
    "the same 6,000 chunks, three times": Lever(shards=3),
    "all bins alike (the paper's BCE)": Lever({"power_exponent": 0.0}),
    "mel power to the 0.5": Lever({"power_exponent": 0.5}),
    "absolute error of the masked amplitude": Lever(
        {"power_exponent": 0.5}, loss=keras.losses.MeanAbsoluteError
    ),
    "target: amplitude ratio": Lever(target=amplitude_ratio),
    "RMSprop, constant rate (the paper's)": Lever({"optimizer": "rmsprop", "decay": "plateau"}),
    "learning rate 3e-3": Lever({"learning_rate": 3e-3}),
    "learning rate 3e-4": Lever({"learning_rate": 3e-4}),
    "dropout 0.5 (the paper's)": Lever(dropout=0.5),
    "weights averaged, 0.99 a step": Lever(averaged=0.99),
    "256 filters at the lowest level": Lever(network=lambda x: unet(x, WIDE_LOW)),
    "no residual layers": Lever(network=lambda x: unet(x, down=unchanged, up=unchanged)),
    "dense along frequency at levels 1 to 4, no residual layers": Lever(
        network=lambda x: unet(x, down=frequency_dense, up=frequency_dense)
    ),
    "no batch norm but in the residual layers": Lever(network=lambda x: unet(x, norm=False)),
    "separable convolutions": Lever(network=lambda x: unet(x, convolution=layers.SeparableConv2D)),
}
