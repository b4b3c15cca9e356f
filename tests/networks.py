"""Small networks of each kind, and what they answer."""

import dataclasses
import functools

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from vocaltrack.config import ClusteringConfig, UnetConfig
from vocaltrack.models import build_clustering, build_unet

MEAN = np.linspace(-20.0, -50.0, 128)
STD = np.linspace(10.0, 20.0, 128)
TINY_CLUSTERING = ClusteringConfig(units=4, layers=1, embedding_size=3, dropout=0.5)
TINY_UNET = {style: UnetConfig(filters=2, style=style) for style in ("double", "strided")}
STYLES = tuple(TINY_UNET)


def log_mel(batch=2, seed=0):
    values = np.random.default_rng(seed).normal(MEAN, STD, (batch, 128, 128))
    return values.astype(np.float32)


def clustering(mask_head=True, seed=0):
    keras.utils.set_random_seed(seed)
    return build_clustering(TINY_CLUSTERING, MEAN, STD, mask_head)


def unet(style="strided", hdc=None, seed=0, **hybrid):
    """A U-net, or a UH-net over `hdc`, whose statistics and biases are not the initial ones."""
    keras.utils.set_random_seed(seed)
    config = dataclasses.replace(TINY_UNET[style], **hybrid)
    model = build_unet(config, MEAN, STD, hdc)
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return model


@functools.cache
def built(name):
    """One network of each kind for all the tests that change nothing in it."""
    if name in ("dc", "hdc"):
        return clustering(name == "hdc")
    return unet(hdc=built("hdc") if name == "uhnet" else None)


@functools.cache
def traced(model):
    return tf.function(model)


def outputs(model, training=False):
    """The outputs for `log_mel()` by name, as arrays."""
    result = traced(model)(log_mel(), training=training)
    result = result if isinstance(result, dict) else {"mask": result}
    return {name: value.numpy() for name, value in result.items()}


def assert_same_outputs(first, second):
    expected, found = outputs(first), outputs(second)
    assert expected.keys() == found.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-6)


def trained_a_step(model):
    model.compile(keras.optimizers.Adam(0.01), loss="binary_crossentropy")
    target = (np.random.default_rng(1).random((2, 128, 128, 1)) > 0.5).astype(np.float32)
    model.train_on_batch(log_mel(), target)
    return model
