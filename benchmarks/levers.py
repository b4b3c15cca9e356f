"""What pays: the U-net trained briefly in several ways, and scored.

    python benchmarks/levers.py --records DIR --mir1k DIR --stems DIR [--only NAME ...]
        [--initial RUN] [--precision mixed_bfloat16]

Each row is one change to the first row's training: the same chunks, 600
steps, from random weights or those of a run (then at a third of the learning
rate, and of the shipped U-net alone). The score is the SI-SDR on the validation
songs with both stems, and what is let through of instrumental ones.
"""

import argparse
import dataclasses
import functools
import time

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from networks import frequency_dense, unchanged, unet, with_frequency
from timing import PRECISIONS

from vocaltrack import models
from vocaltrack.config import UnetConfig
from vocaltrack.datasets import read_mir1k, read_stems
from vocaltrack.masks import FLOOR_MARGIN_DB, proportion_mask
from vocaltrack.metrics import level_db, si_sdr
from vocaltrack.pipeline import batches, power_weight
from vocaltrack.records import Manifest
from vocaltrack.runs import load_run
from vocaltrack.savedmodel import separate_waveform
from vocaltrack.training import TrainingConfig, compile_model

STEPS = 600


def power_ratio(chunk, features):
    return proportion_mask(chunk["vocals"], chunk["accompaniment"], features)


def amplitude_ratio(chunk, features):
    """Av / (Av + Aa) of the mel amplitudes."""
    share = tf.sigmoid((chunk["vocals"] - chunk["accompaniment"]) * (np.log(10.0) / 20.0))
    return where_sung(share, chunk, features)


def phase_sensitive(chunk, features):
    """Re(V X*) / |X|^2 (Erdogan et al. 2015) of the bands' powers, from 0 to 1."""
    power = {stem: tf.pow(10.0, chunk[stem] / 10.0) for stem in chunk}
    share = (power["mixture"] + power["vocals"] - power["accompaniment"]) / power["mixture"] / 2
    return where_sung(tf.clip_by_value(share, 0.0, 1.0), chunk, features)


def where_sung(mask, chunk, features):
    """0 where the vocals lie on the power floor, as in `proportion_mask`."""
    return tf.where(chunk["vocals"] > features.floor_db + FLOOR_MARGIN_DB, mask, 0.0)


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
    """

    training: dict = dataclasses.field(default_factory=dict)
    dropout: float = 0.1
    network: object = None
    loss: object = None
    target: object = power_ratio
    averaged: float = 0.0


WIDE_LOW = (16, 32, 64, 128, 256)
LEVERS = {
    "as shipped": Lever(),
    "another seed": Lever({"seed": 1}),
    "all bins alike (the paper's BCE)": Lever({"power_exponent": 0.0}),
    "mel power to the 0.5": Lever({"power_exponent": 0.5}),
    "mel power itself": Lever({"power_exponent": 1.0}),
    "squared error of the mask, mel power to the 0.5": Lever(
        {"power_exponent": 0.5}, loss=keras.losses.MeanSquaredError
    ),
    "absolute error of the masked amplitude": Lever(
        {"power_exponent": 0.5}, loss=keras.losses.MeanAbsoluteError
    ),
    "target: amplitude ratio": Lever(target=amplitude_ratio),
    "target: phase-sensitive": Lever(target=phase_sensitive),
    "target: phase-sensitive, squared error, mel power to the 0.5": Lever(
        {"power_exponent": 0.5}, loss=keras.losses.MeanSquaredError, target=phase_sensitive
    ),
    "RMSprop, constant rate (the paper's)": Lever({"optimizer": "rmsprop", "decay": "plateau"}),
    "RMSprop, warm-up and cosine": Lever({"optimizer": "rmsprop"}),
    "learning rate 3e-3": Lever({"learning_rate": 3e-3}),
    "learning rate 3e-4": Lever({"learning_rate": 3e-4}),
    "dropout 0.5 (the paper's)": Lever(dropout=0.5),
    "no dropout": Lever(dropout=0.0),
    "weights averaged, 0.99 a step": Lever(averaged=0.99),
    "no batch norm but in the residual layers": Lever(network=lambda x: unet(x, norm=False)),
    "256 filters at the lowest level": Lever(network=lambda x: unet(x, WIDE_LOW)),
    "no residual layers": Lever(network=lambda x: unet(x, down=unchanged, up=unchanged)),
    "the same, and 5x5 kernels up (before 0.3)": Lever(
        network=lambda x: unet(x, down=unchanged, up=unchanged, size_up=5)
    ),
    "dense along frequency at every level": Lever(
        network=lambda x: unet(x, down=frequency_dense, up=frequency_dense)
    ),
    "a channel for the frequency": Lever(network=lambda x: unet(x, before=with_frequency)),
}


def build(lever, mean, std, seed):
    keras.utils.set_random_seed(seed)
    if lever.network is None:
        network = UnetConfig(filters=16, style="strided", dropout=lever.dropout)
        return models.build_unet(network, mean, std)
    inputs, x = models.normalised_input(mean, std)
    x = lever.network(layers.Reshape((*x.shape[1:], 1))(x))
    mask = layers.Activation("sigmoid", dtype="float32", name="mask")(x)
    return keras.Model(inputs, mask, name="unet")


def train(lever, manifest, records, initial, precision):
    """Train; returns the float32 network and chunks a second."""
    settings = {"optimizer": "adam", "decay": "cosine", "epochs": 1, "steps_per_epoch": STEPS}
    if initial:
        settings["learning_rate"] = 3e-4
    config = TrainingConfig("unet", **{**settings, **lever.training})

    def example(chunk):
        target = lever.target(chunk, manifest.features)
        weight = power_weight(chunk["mixture"], config.power_exponent)
        return chunk["mixture"], target[..., tf.newaxis], weight

    mean, std = manifest.mean, manifest.std
    if initial:
        saved, description = load_run(initial)
        mean, std = description["mean"], description["std"]
    else:
        saved = build(lever, mean, std, config.seed)
    keras.config.set_dtype_policy(precision)
    model = build(lever, mean, std, config.seed)
    keras.config.set_dtype_policy("float32")
    model.set_weights(saved.get_weights())
    compile_model(model, config)
    if lever.loss:
        model.compile(model.optimizer, loss=lever.loss())
    if lever.averaged:
        model.optimizer.use_ema, model.optimizer.ema_momentum = True, lever.averaged
    dataset = batches(manifest, records, "train", config.batch_size, config.seed).map(example)
    start = time.perf_counter()
    model.fit(dataset.prefetch(2), steps_per_epoch=STEPS, verbose=0)
    speed = STEPS * config.batch_size / (time.perf_counter() - start)
    if lever.averaged:
        model.optimizer.finalize_variable_values(model.trainable_variables)
    saved.set_weights(model.get_weights())
    return saved, speed


def score(model, features, pairs, instrumentals):
    """(SI-SDR of each song, level of what is let through of each instrumental in dB)."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def vocals_of(mixture):
        predict = functools.partial(models.vocals_mask, model)
        return separate_waveform(mixture[tf.newaxis], predict, features)[0][0]

    songs = [si_sdr(v, vocals_of(v + a).numpy()) for v, a in pairs]
    leaks = [level_db(vocals_of(music).numpy()) - level_db(music) for music in instrumentals]
    return np.array(songs), np.array(leaks)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", required=True)
    parser.add_argument("--mir1k", required=True)
    parser.add_argument("--stems", required=True)
    parser.add_argument("--initial", metavar="RUN", help="of a unet, to start from")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--only", action="append", choices=tuple(LEVERS), help="may be repeated")
    options = parser.parse_args()
    fitting = [n for n, lever in LEVERS.items() if not (options.initial and lever.network)]
    names = options.only or fitting
    if not set(names) <= set(fitting):
        parser.error("--initial holds the shipped U-net; leave out what changes the network")
    songs = read_mir1k(options.mir1k) + read_stems(options.stems)
    songs = [song for song in songs if song.split == "valid"]
    pairs = [
        (song.load("vocals", 16000), song.load("accompaniment", 16000))
        for song in songs
        if len(song.stems) == 2
    ]
    instrumentals = [
        song.load("accompaniment", 16000) for song in songs if song.stems == ("accompaniment",)
    ]
    manifest = Manifest.load(options.records)
    print("| change | SI-SDR median (mean) | against the first | instrumentals | chunks/s |")
    print("|---|---|---|---|---|", flush=True)
    first = None
    for name in names:
        model, speed = train(
            LEVERS[name], manifest, options.records, options.initial, options.precision
        )
        scores, leaks = score(model, manifest.features, pairs, instrumentals)
        first = scores if first is None else first
        gain = scores - first
        error = gain.std(ddof=1) / np.sqrt(len(gain))
        print(
            f"| {name} | {np.median(scores):.2f} ({scores.mean():.2f}) "
            f"| {gain.mean():+.2f} ± {error:.2f} | {np.median(leaks):.1f} ({leaks.max():.1f}) "
            f"| {speed:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
