"""Functional builders of the four networks (paper, section IV).

All take `log_mel`, float32 [batch, 128, 128] (time, mel) in dB, and hold
their own input normalisation.
"""

import keras
import numpy as np
from keras import layers, ops

from vocaltrack.config import CHUNK_FRAMES
from vocaltrack.unet import double_unet, strided_unet

POOLINGS = 4
MASK_HEAD = "mask_head"


def build_clustering(config, mean, std, mask_head=False):
    """The Bi-GRU embedding network: `dc`, or `hdc` with the mask head.

    Args:
        config: `ClusteringConfig`.
        mean, std: input normalisation, one value per mel band, in dB.
        mask_head: add the softmax head of the hybrid (paper, Fig. 3).

    Returns:
        `keras.Model` from log_mel to a dict with "embeddings", float32
        [batch, time, mel, D] of unit length, and with the head also "masks",
        float32 [batch, time, mel, 2]: vocals, accompaniment, summing to 1.
    """
    mels = len(mean)
    inputs, x = normalised_input(mean, std)
    for number in range(config.layers):
        gru = layers.GRU(config.units, return_sequences=True)
        x = layers.Bidirectional(gru, name=f"bi_gru_{number + 1}")(x)
        x = layers.Dropout(config.dropout)(x)
    projection = layers.Dense(mels * config.embedding_size, name="projection")(x)
    vectors = layers.Activation("tanh")(projection)
    vectors = layers.Reshape((CHUNK_FRAMES, mels, config.embedding_size))(vectors)
    outputs = {"embeddings": layers.UnitNormalization(name="embeddings", dtype="float32")(vectors)}
    if mask_head:
        head = layers.Dropout(config.dropout)(projection)
        head = layers.Dense(mels * 2, name=MASK_HEAD)(head)
        head = layers.Reshape((CHUNK_FRAMES, mels, 2))(head)
        outputs["masks"] = layers.Softmax(name="masks", dtype="float32")(head)
    return keras.Model(inputs, outputs, name="hdc" if mask_head else "dc")


def build_unet(config, mean, std, clustering=None):
    """The U-net, or the hybrid UH-net over a frozen clustering network.

    Args:
        config: `UnetConfig`.
        mean, std: input normalisation, one value per mel band, in dB.
        clustering: a trained `hdc`; its two softmax masks become the second
            and third input channel (paper, Fig. 5). The UH-net holds a copy
            of it: frozen, and without dropout, unless the config says otherwise.

    Returns:
        `keras.Model` from log_mel to the vocals' proportion mask, float32
        [batch, time, mel, 1].

    Raises:
        ValueError: the number of mel bands is not a multiple of 16, which
            four poolings need, or the clustering network has no mask head.
    """
    if len(mean) % 2**POOLINGS:
        raise ValueError(f"{len(mean)} mel bands; four poolings need a multiple of {2**POOLINGS}")
    inputs, x = normalised_input(mean, std)
    x = layers.Reshape((CHUNK_FRAMES, len(mean), 1))(x)
    if clustering is not None:
        if "masks" not in clustering.output:
            raise ValueError("the UH-net needs a clustering network with a mask head (hdc)")
        clustering = _copy(clustering, config.clustering_dropout, config.fine_tuned)
        x = layers.Concatenate(name="log_mel_and_masks")([x, clustering(inputs)["masks"]])
    x = {"double": double_unet, "strided": strided_unet}[config.style](x, config)
    name = "unet" if clustering is None else "uhnet"
    return keras.Model(
        inputs, layers.Activation("sigmoid", dtype="float32", name="mask")(x), name=name
    )


def _copy(model, dropout, trainable):
    """A network with the same weights, but another dropout, that learns or does not."""

    def copied(layer):
        config = layer.get_config()
        if isinstance(layer, layers.Dropout):
            config["rate"] = dropout
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=copied)
    copy.set_weights(model.get_weights())
    for part in (copy, *copy.layers):  # Keras does not pass it on to the layers of a clone
        part.trainable = trainable
    return copy


def vocals_mask(model, log_mel):
    """The vocals' mask of a network with a mask output.

    Args:
        model: an `hdc`, `unet` or `uhnet`.
        log_mel: [batch, time, mel] in dB.

    Returns:
        float32 [batch, time, mel] between 0 and 1.
    """
    outputs = model(log_mel, training=False)
    return (outputs["masks"] if isinstance(outputs, dict) else outputs)[..., 0]


def normalised_input(mean, std):
    """The networks' input, and the same with mean 0 and deviation 1.

    Args:
        mean, std: input normalisation, one value per mel band, in dB.

    Returns:
        (inputs, normalised): `KerasTensor` [batch, time, mel] each.
    """
    inputs = keras.Input((CHUNK_FRAMES, len(mean)), name="log_mel")
    normalise = layers.Normalization(
        axis=-1,
        mean=list(mean),
        variance=[value**2 for value in std],
        name="normalise",
        dtype="float32",  # decibels need more digits than bfloat16 has
    )
    return inputs, normalise(inputs)


def copy_weights(source, target):
    """Start a network from a trained one with the same layer names.

    A convolution that has more input channels in the target keeps the
    source's kernel for the first ones and starts at 0 for the others, so
    that a UH-net starts out as the U-net that it was made from. The hdc inside a
    UH-net stays as it is, and so does an hdc's mask head when the source is a dc.

    Args:
        source: trained `keras.Model`.
        target: `keras.Model` whose weights are replaced.

    Raises:
        ValueError: the networks differ in another way.
    """
    trained, fresh = _own_layers(source), _own_layers(target)
    if MASK_HEAD not in trained:
        fresh.pop(MASK_HEAD, None)
    odd = trained.keys() ^ fresh.keys()
    if odd:
        raise ValueError(f"only one of the networks has the layers {', '.join(sorted(odd))}")
    for name in trained:
        for mine, theirs in zip(fresh[name].weights, trained[name].weights, strict=True):
            value = ops.convert_to_numpy(theirs)
            if value.ndim == 4 and mine.shape[2] > value.shape[2]:
                channels = (0, mine.shape[2] - value.shape[2])
                value = np.pad(value, [(0, 0), (0, 0), channels, (0, 0)])
            mine.assign(value)


def _own_layers(model):
    """The layers that have weights, by name, without those of a network inside."""
    return {
        layer.name: layer
        for layer in model.layers
        if layer.weights and not isinstance(layer, keras.Model)
    }
