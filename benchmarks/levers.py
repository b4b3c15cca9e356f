"""What pays: the U-net trained briefly in several ways, and scored.

    python benchmarks/levers.py --records DIR --mir1k DIR --stems DIR --json FILE
        [--only NAME ...] [--initial RUN] [--precision mixed_bfloat16]

Each row is one change to the first row's training: the same chunks, 600
steps, from random weights or those of a run (then at a third of the learning
rate, and of the shipped U-net alone), at the commands' speed with
TF_ENABLE_ONEDNN_OPTS=1 in the environment. The score is the SI-SDR on the validation
songs with both stems, and what is let through of instrumental ones. FILE keeps
them: what it holds already is not trained again.
"""

import argparse
import dataclasses
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from excerpts import RATE, add_datasets, median_and_mean, median_and_worst, validation_songs
from keras import layers
from lever_list import LEVERS

from vocaltrack import models
from vocaltrack.compiling import losses, optimizer
from vocaltrack.config import PRECISIONS, TrainingConfig, UnetConfig
from vocaltrack.errors import UserError, exits_on_user_error
from vocaltrack.export import separate_waveform
from vocaltrack.jsonfiles import read_json, write_json
from vocaltrack.metrics import level_db, si_sdr
from vocaltrack.pipeline import batches
from vocaltrack.records import Manifest
from vocaltrack.runs import load_run
from vocaltrack.silence import as_heard
from vocaltrack.starting import dtype_policy
from vocaltrack.targets import example

STEPS = 600
TRAINED_AS = "0.14.0"  # the version of the package that last changed how networks learn


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
    """The float32 network, trained in the way of a `Lever`."""
    settings = {"optimizer": "adam", "decay": "cosine", "epochs": 1, "steps_per_epoch": STEPS}
    if initial:
        settings["learning_rate"] = 3e-4
    config = TrainingConfig("unet", **{**settings, **lever.training})

    def example_of(chunk):
        log_mel, _, weight = example(chunk, config, manifest.features)
        return log_mel, lever.target(chunk, manifest.features)[..., tf.newaxis], weight

    mean, std = manifest.mean, manifest.std
    if initial:
        saved, description = load_run(initial)
        mean, std = description["mean"], description["std"]
    else:
        saved = build(lever, mean, std, config.seed)
    with dtype_policy(precision):
        model = build(lever, mean, std, config.seed)
    model.set_weights(saved.get_weights())
    chosen = optimizer(config)
    if lever.averaged:
        chosen.use_ema, chosen.ema_momentum = True, lever.averaged
    model.compile(chosen, loss=lever.loss() if lever.loss else losses(config)[0])
    dataset = chunks(lever, manifest, records, config).map(example_of)
    model.fit(dataset.prefetch(2), steps_per_epoch=STEPS, verbose=0)
    saved.set_weights(model.get_weights())
    return saved


def chunks(lever, manifest, records, config):
    """The batches of chunks that a lever learns from."""
    if lever.shards:
        shards = {"train": manifest.shards["train"][: lever.shards]}
        manifest = dataclasses.replace(manifest, shards=shards)
    dataset = batches(manifest, records, "train", config.batch_size, config.seed)
    if not lever.kinds:
        return dataset
    wanted = dataset.unbatch().filter(lambda chunk: tf.reduce_any(chunk["kind"] == lever.kinds))
    return wanted.batch(config.batch_size)


def score(model, features, pairs, instrumentals):
    """(SI-SDR of each song, level of what is let through of each instrumental in dB)."""

    def predict(log_mel):
        return models.vocals_mask(model, as_heard(log_mel, features))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def vocals_of(mixture):
        return separate_waveform(mixture[tf.newaxis], predict, features)[0][0]

    songs = [si_sdr(v, vocals_of(v + a).numpy()) for v, a in pairs]
    leaks = [level_db(vocals_of(music).numpy()) - level_db(music) for music in instrumentals]
    return np.array(songs), np.array(leaks)


def row(name, rows):
    """A line of the table.

    Args:
        name: of the lever.
        rows: dict from a lever's name to its results, the first lever first.
    """
    scores, first = (np.array(rows[n]["SI-SDR"]) for n in (name, next(iter(LEVERS))))
    gain = scores - first
    error = gain.std(ddof=1) / np.sqrt(len(gain))
    leaks = median_and_worst(rows[name]["instrumentals"])
    against = f"{gain.mean():+.2f} ± {error:.2f}"
    return f"| {name} | {median_and_mean(scores)} | {against} | {leaks} |"


def results(path, settings):
    """What a file of results holds; nothing when there is none.

    Raises:
        UserError: it is of other settings.
    """
    if not path.exists():
        return {"settings": settings, "rows": {}}
    report = read_json(path, "the results")
    if report.get("settings") != settings:
        raise UserError(f"{path} is of other settings; name another file")
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", required=True)
    add_datasets(parser)
    parser.add_argument("--json", required=True, type=Path, help="file of the results")
    parser.add_argument("--initial", metavar="RUN", help="of a unet, to start from")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--only", action="append", choices=tuple(LEVERS), help="may be repeated")
    options = parser.parse_args()
    fitting = [
        name
        for name, lever in LEVERS.items()
        if not options.initial or not (lever.network or "learning_rate" in lever.training)
    ]
    names = options.only or fitting
    if not set(names) <= set(fitting):
        parser.error("--initial has a network and a rate of its own; leave out what changes them")
    manifest = Manifest.load(options.records)
    settings = {
        "version": TRAINED_AS,
        "steps": STEPS,
        "precision": options.precision,
        "initial": options.initial,
        "records": {"seed": manifest.seed, **manifest.counts["train"]},
    }
    report = results(options.json, settings)
    songs = validation_songs(options.mir1k, options.stems)
    pairs = [song.load(RATE).values() for song in songs if len(song.stems) == 2]
    instrumentals = [
        song.load(RATE)["accompaniment"] for song in songs if song.stems == ("accompaniment",)
    ]
    print("| change | SI-SDR median (mean) | against the first | instrumentals |")
    print("|---|---|---|---|", flush=True)
    for name in dict.fromkeys([fitting[0], *names]):
        if name not in report["rows"]:
            model = train(
                LEVERS[name], manifest, options.records, options.initial, options.precision
            )
            scores, leaks = score(model, manifest.features, pairs, instrumentals)
            report["rows"][name] = {
                "SI-SDR": scores.astype(float).round(3).tolist(),
                "instrumentals": leaks.astype(float).round(2).tolist(),
            }
            write_json(options.json, report)
        print(row(name, report["rows"]), flush=True)


if __name__ == "__main__":
    with exits_on_user_error():
        main()
