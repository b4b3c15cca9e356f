"""A run of a U-net with twice the filters that does what another run's does.

    python recipes/shipped/widen.py runs/unet-begin --run runs/wide-begin

Each filter is there twice (Chen et al. 2016, Net2Net). A layer that hears the two weighs each
by half of its weight of before, one with a random part more and the other with as much less,
so that the two learn apart.
"""

import argparse
import dataclasses
from pathlib import Path

from vocaltrack.tensorflow_loading import load_keras

load_keras()
import numpy as np
from keras import layers

from vocaltrack.config import UNETS, UnetConfig
from vocaltrack.errors import UserError, exits_on_user_error
from vocaltrack.models import build_unet
from vocaltrack.run_files import make_run
from vocaltrack.runs import load_run, origin

JOINED = ("up2", "up1", "up0", "logits_frequency")  # hear as many channels from above as across
SEED = 0  # of the random parts
APART = 0.5  # their size, relative to a kernel's deviation


def widen(narrow, wide):
    """Give a U-net the function of one with half its filters.

    Args:
        narrow: `keras.Model` of `build_unet`, strided.
        wide: the same with twice the filters; changed in place.

    Raises:
        ValueError: the two are of other sizes.
    """
    rng = np.random.default_rng(SEED)
    for layer in wide.layers:
        if not layer.weights:  # and a name that Keras numbers
            continue
        weights = narrow.get_layer(layer.name).get_weights()
        if isinstance(layer, layers.BatchNormalization):
            groups = bands(layer.name) if is_over_bands(layer) else 1
            weights = [twice(weight.reshape(groups, -1), 1).ravel() for weight in weights]
        elif isinstance(layer, layers.Dense):
            weights = [widened_dense(layer.name, weights[0], rng)]
        elif hasattr(layer, "kernel"):
            kernel, *bias = weights
            weights = [widened_convolution(layer, kernel, rng), *bias]
        layer.set_weights(weights)


def is_over_bands(norm):
    """Whether a batch normalisation is of a dense layer's outputs of all bands and channels."""
    return norm.name.endswith("_b2_norm")


def bands(name):
    """The bands of the level that a residual layer lies in, such as low4_b1."""
    return 128 >> int(name[3])


def widened_dense(name, kernel, rng):
    """The kernel of a dense layer from all bands and channels or to them."""
    if name.endswith("1"):
        channels = halved(kernel.reshape(bands(name), -1, kernel.shape[1]), 1, rng)
        return twice(channels.reshape(-1, kernel.shape[1]), 1)
    channels = twice(kernel.reshape(kernel.shape[0], bands(name), -1), 2)
    return halved(channels.reshape(kernel.shape[0], -1), 0, rng)


def widened_convolution(layer, kernel, rng):
    """The kernel of a convolution of a wider network."""
    inputs, outputs = (3, 2) if isinstance(layer, layers.Conv2DTranspose) else (2, 3)
    if layer.kernel.shape[outputs] != kernel.shape[outputs]:
        kernel = twice(kernel, outputs)
    if layer.kernel.shape[inputs] == kernel.shape[inputs]:  # the network's input
        return kernel
    sources = np.split(kernel, 2 if layer.name in JOINED else 1, axis=inputs)
    return np.concatenate([halved(source, inputs, rng) for source in sources], axis=inputs)


def twice(weights, axis):
    return np.concatenate([weights, weights], axis=axis)


def halved(kernel, axis, rng):
    """A kernel for inputs that are there twice."""
    apart = rng.normal(0.0, APART * kernel.std(), kernel.shape)
    return np.concatenate([kernel / 2 + apart, kernel / 2 - apart], axis=axis)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("narrow", help="run of a unet or uhnet, whose best weights are taken")
    parser.add_argument("--run", required=True, type=Path, help="folder to make")
    options = parser.parse_args()
    if options.run.exists():
        raise UserError(f"{options.run} is there already; give another folder")
    narrow, description = load_run(options.narrow, wanted=UNETS)
    network = UnetConfig(**description["network"])
    if network.style != "strided":
        raise UserError(f"{options.narrow} is no strided U-net, which alone is widened here")
    network = dataclasses.replace(network, filters=2 * network.filters)
    hdc = narrow.get_layer("hdc") if narrow.name == "uhnet" else None
    wide = build_unet(network, description["mean"], description["std"], hdc)
    widen(narrow, wide)
    description = {
        **description,
        "network": dataclasses.asdict(network),
        "started_from": {"initial": origin(options.narrow)},
    }
    make_run(options.run, wide, description)
    print(f"{options.run}: {wide.name} with twice the filters of {options.narrow}")


if __name__ == "__main__":
    with exits_on_user_error():
        main()
