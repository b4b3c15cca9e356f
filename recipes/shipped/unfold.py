"""A run to train on from, made of a shipped SavedModel.

    python recipes/shipped/unfold.py saved_models/unet --records records --run runs/unet-begin

A SavedModel of a U-net holds no batch normalisation any more (`serving.served_unet`).
Here each gets the mean and the variance that its input has in the records, and
kernels that were made smaller than new ones get the size of these, which leaves the
network what it was, and training can go on. An hdc gets a
mask head of its own again: the smallest one that does the same on its projection,
which inside a uhnet begins at random, since there nothing asks for the embeddings.
"""

import argparse
import collections
import dataclasses
import re
from pathlib import Path

from vocaltrack.tensorflow_loading import load_keras

load_keras()
import numpy as np
import tensorflow as tf
from keras import Model, layers

from vocaltrack.augmentation import rms
from vocaltrack.config import TrainingConfig, preset
from vocaltrack.errors import UserError, exits_on_user_error
from vocaltrack.models import MASK_HEAD, build_clustering, build_unet
from vocaltrack.pipeline import batches
from vocaltrack.records import Manifest
from vocaltrack.resuming import claimed_run
from vocaltrack.run_files import replace_weights
from vocaltrack.runs import describe_run
from vocaltrack.savedmodel import load
from vocaltrack.silence import as_heard
from vocaltrack.unet import NORM

BATCHES = 16
PIECE = 32  # chunks, whose outputs of all layers take 0.3 GB


def served_weights(served):
    """(weights, mean, std): the variables of a `ServedModel` as a dict from name
    to a list of arrays, and its input normalisation."""
    function = served.root.signatures["masks"]
    weights = {}
    for variable in function.variables:
        weights.setdefault(variable.name.split(":")[0], []).append(variable.numpy())
    constants = [t.numpy().ravel() for t in function.captured_inputs if t.dtype == tf.float32]
    mean, variance = constants[:2]  # a uhnet repeats those of its hdc
    return weights, mean, np.sqrt(variance)


def smallness(kernel, new):
    """By what factor a new kernel is larger; 1 if it is not, or if the kernel is all zeros."""
    return max(1.0, rms(new) / rms(kernel)) if kernel.any() else 1.0


def unfold(model, weights, chunks):
    """Give a U-net the weights of a served one, and its norms their statistics.

    Args:
        model: `keras.Model` of `build_unet`, new.
        weights: what `served_weights` returns.
        chunks: float32 [n, time, mel], log-mel in dB to take statistics from.

    Raises:
        KeyError, ValueError: the two are of different sizes.
    """
    norms = {layer.name for layer in model.layers if isinstance(layer, layers.BatchNormalization)}
    outputs, sizes = {}, {}
    for layer in model.layers:
        name = layer.name
        if not hasattr(layer, "kernel"):
            continue
        (kernel,), bias = weights[f"{name}/kernel"], weights.get(f"{name}/bias", [])
        if name + NORM in norms:
            # Before a norm the size is free, and small kernels learn too fast.
            size = sizes[name] = smallness(kernel, layer.kernel.numpy())
            layer.kernel.assign(size * kernel)
            norm = model.get_layer(name + NORM)
            one = np.ones_like(bias[0])
            norm.set_weights([one * (1 + norm.epsilon) ** 0.5 / size, bias[0], 0 * one, one])
            outputs[name] = layer.output
        else:
            layer.set_weights([kernel, *bias])
    for name, (mean, variance) in moments(Model(model.inputs, outputs), chunks).items():
        norm = model.get_layer(name + NORM)
        scale = np.sqrt(variance + norm.epsilon) / sizes[name]
        norm.set_weights([scale, norm.beta + mean / sizes[name], mean, variance])


def moments(network, chunks):
    """Mean and variance of each channel of a network's outputs, by their names; a few chunks
    at a time, whose outputs fit into memory."""
    counts, sums, squares = (collections.defaultdict(float) for _ in range(3))
    for start in range(0, len(chunks), PIECE):
        for name, values in network.predict_on_batch(chunks[start : start + PIECE]).items():
            flat = values.reshape(-1, values.shape[-1]).astype(np.float64)
            counts[name] += len(flat)
            sums[name] += flat.sum(0)
            squares[name] += np.square(flat).sum(0)
    means = {name: total / counts[name] for name, total in sums.items()}
    return {name: (mean, squares[name] / counts[name] - mean**2) for name, mean in means.items()}


def role(path):
    """A weight's path without the layer that Keras may or may not put before a GRU, and
    the number by which it tells GRUs of a process apart."""
    return re.sub(r".*?(forward|backward)_gru\w*(?=/)", r"\1", path)


def unfold_clustering(model, weights):
    """Give an hdc the weights of a served one, or of that inside a served uhnet.

    Args:
        model: `keras.Model` of `build_clustering` with the mask head, new.
        weights: what `served_weights` returns.

    Raises:
        ValueError: the two are of different sizes.
    """
    served = {}
    for name, values in weights.items():  # in the order of the layers, as the model's are
        served.setdefault(role(name), []).extend(values)
    head = model.get_layer(MASK_HEAD)
    for weight in model.weights:
        if role(weight.path) in served and not weight.path.startswith(head.path):
            weight.assign(served[role(weight.path)].pop(0))
    first, offset = model.get_layer("projection").get_weights()
    kernel = np.linalg.pinv(first) @ weights[f"{MASK_HEAD}/kernel"][0]
    head.set_weights([kernel, weights[f"{MASK_HEAD}/bias"][0] - offset @ kernel])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("saved_model", help="folder, such as saved_models/unet")
    parser.add_argument("--records", required=True, help="what prepare_data.py wrote")
    parser.add_argument("--run", required=True, type=Path, help="folder to make")
    options = parser.parse_args()
    served = load(options.saved_model)
    name = served.name
    if name == "dc":
        raise UserError("unfold the hdc, which is a dc with masks")
    if not served.heard:
        raise UserError(f"{options.saved_model} does not say which songs it heard; export it anew")
    manifest = Manifest.load(options.records)
    served.features.check_same(manifest.features, options.saved_model, "the records")
    weights, mean, std = served_weights(served)
    clustering, network = preset("compact", dropout=0.1)
    mean, std = mean.tolist(), std.tolist()
    hdc = None
    try:
        if name != "hdc":
            filters = weights["down0/kernel"][0].shape[-1]
            network = dataclasses.replace(network, filters=filters)
        if name != "unet":
            hdc = build_clustering(clustering, mean, std, mask_head=True)
            unfold_clustering(hdc, weights)
        if name == "hdc":
            network, model = clustering, hdc
        else:
            model = build_unet(network, mean, std, hdc)
            stream = batches(manifest, options.records, "train", seed=0).take(BATCHES)
            chunks = [as_heard(batch["mixture"], manifest.features).numpy() for batch in stream]
            unfold(model, weights, np.concatenate(chunks))
    except tf.errors.DataLossError as error:
        raise UserError(f"{options.records} is corrupt; prepare the records again") from error
    except (KeyError, ValueError) as error:
        raise UserError(
            f"{options.saved_model} is not of the compact preset's size, filters apart"
        ) from error
    shipped = dataclasses.replace(manifest, songs={"train": list(served.heard)})
    description = describe_run(TrainingConfig(name), network, shipped, mean, std, {})
    description["validated"] = list(served.validated)
    with claimed_run(options.run, description):
        replace_weights(options.run, "best.keras", model.save, model.weights)
    print(f"{options.run}: {name} of {options.saved_model}")


if __name__ == "__main__":
    with exits_on_user_error():
        main()
