"""Train a network on with JAX, on a GPU: each batch is mixed there and heard once.

    python recipes/shipped/train_jax.py --model unet --initial runs/unet-begin \\
        --mir1k DIR --stems DIR --decoded DIR --run runs/unet --seconds 600

The networks, losses and optimizers are the package's, under Keras's JAX backend, which
takes JAX for the machine's GPU (`pip install 'jax[cuda13]'`) and no TensorFlow. The run
that results is like any other, but that best.keras holds the last weights too. It is
written anew after each epoch; the folder of one that was interrupted is to be deleted, for it
begins again. The learning rate falls to zero over the seconds given, for a GPU is lent by the
minute and its speed not known before.
"""

import argparse
import collections
import dataclasses
import functools
import itertools
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"

import jax
import numpy as np
from drawing import Bank, Drawer, draw, load_stems, start_drawing
from mixing_ops import mix, rooms, unpadded_samples
from one_loop import in_one_loop
from timetable import Timetable

from vocaltrack.compiling import losses, optimizer
from vocaltrack.config import (
    PRECISIONS,
    UNETS,
    FeatureConfig,
    TrainingConfig,
    preset,
)
from vocaltrack.datasets import read_mir1k, read_stems
from vocaltrack.errors import UserError, exits_on_user_error
from vocaltrack.jsonfiles import write_json
from vocaltrack.options import COUNT, SEED, number
from vocaltrack.records import Manifest
from vocaltrack.resuming import claimed_run
from vocaltrack.run_files import check_losses, replace_weights, write_log
from vocaltrack.runs import NEWEST, describe_run, refuse_ignored_settings
from vocaltrack.shards import CHUNKS_PER_EXCERPT, decode_song
from vocaltrack.splits import check_splits
from vocaltrack.starting import networks, other_runs
from vocaltrack.targets import example

SHOWN = ("train", "valid")
VALID_BATCHES = 4
DRAWING_PROCESSES = 4
WAITING = 16  # batches drawn ahead
SPAWN = multiprocessing.get_context("spawn")


def read_songs(options, features):
    """dict from "train" and "valid" to the songs, decoded into the folder for it."""
    songs = [*read_mir1k(options.mir1k), *read_stems(options.stems)]
    check_splits(songs)
    songs = sorted((song for song in songs if song.split in SHOWN), key=lambda song: song.key)
    options.decoded.mkdir(parents=True, exist_ok=True)
    decode = functools.partial(
        decode_song, decoded=options.decoded, sample_rate=features.sample_rate
    )
    with ProcessPoolExecutor(mp_context=SPAWN) as pool:
        list(pool.map(decode, songs, chunksize=4))
    return {split: [song for song in songs if song.split == split] for split in SHOWN}


def drawn_batches(config, *place):
    """Draw batches for training in other processes, in order and without end.

    Args:
        config: `TrainingConfig`.
        place: arguments of `start_drawing`.
    """
    excerpts = config.batch_size // CHUNKS_PER_EXCERPT
    with ProcessPoolExecutor(DRAWING_PROCESSES, SPAWN, start_drawing, place) as pool:
        waiting = collections.deque()
        for step in itertools.count():
            waiting.append(pool.submit(draw, (config.seed, step), excerpts))
            if step >= WAITING:
                yield waiting.popleft().result()


def loss_of(config):
    """A function (targets, outputs, weights) -> loss, as Keras has it after `compile`."""
    loss, weights = losses(config)
    if weights is None:
        return loss
    return lambda y, outputs, weight: sum(
        weights[name] * loss[name](y[name], outputs[name], weight[name]) for name in loss
    )


def steps_of(model, adam, config, features):
    """(train_step, validate): jitted, on what `Drawer.draw` returns.

    train_step maps (state, sound, draws) to (state, loss), and validate to the loss alone,
    as at inference; the state is [trainable, other, optimizer's variables], the sound
    [waveforms, noise].
    """
    loss_function = loss_of(config)

    def loss(trainable, others, sound, draws, training):
        x, y, weight = example(mix(*sound, draws, features), config, features)
        outputs, others = model.stateless_call(trainable, others, x, training=training)
        return loss_function(y, outputs, weight), others

    @functools.partial(jax.jit, donate_argnums=0)
    def train_step(state, sound, draws):
        trainable, others, slots = state
        (value, others), gradients = jax.value_and_grad(loss, has_aux=True)(
            trainable, others, sound, draws, True
        )
        trainable, slots = adam.stateless_apply(slots, gradients, trainable)
        return [trainable, others, slots], value

    @jax.jit
    def validate(state, sound, draws):
        return loss(*state[:2], sound, draws, False)[0]

    return train_step, validate


def train(model, saved, config, features, songs, description, options):
    """Train a network and write the run after each epoch.

    Args:
        model: `keras.Model`.
        saved: the same in float32, whose weights are replaced and saved.
        config: `TrainingConfig`.
        features: `FeatureConfig`.
        songs: dict from split to list of `Song`, decoded.
        description, options: of the run, of the command line.

    Raises:
        UserError: the loss is not a number any more.
    """
    cut = (unpadded_samples(features), features.sample_rate)
    banks = {split: Bank(load_stems(songs[split], options.decoded)) for split in songs}
    still = Drawer(banks["valid"], *cut, augment=False)
    excerpts = config.batch_size // CHUNKS_PER_EXCERPT
    fixed = [still.draw((config.seed, number), excerpts) for number in range(VALID_BATCHES)]
    noise = jax.device_put(rooms(features))
    sounds = {split: [jax.device_put(banks[split].waveforms()), noise] for split in banks}
    adam = optimizer(dataclasses.replace(config, decay="plateau"))  # its rate is set below
    adam.build(model.trainable_variables)
    train_step, validate = steps_of(model, adam, config, features)
    variables = (model.trainable_variables, model.non_trainable_variables, adam.variables)
    state = jax.device_put([[variable.value for variable in part] for part in variables])
    rate_place = [v.path.endswith("learning_rate") for v in adam.variables].index(True)
    rows, passed = [], []
    table = Timetable(options.seconds, config.steps_per_epoch)
    drawn = drawn_batches(config, songs["train"], options.decoded, *cut)
    for step, draws in enumerate(drawn):
        rate = table.rate(config.learning_rate, step)
        state[2][rate_place] = np.float32(rate)
        state, loss = train_step(state, sounds["train"], draws)
        table.step()
        passed.append(loss)
        if len(passed) < config.steps_per_epoch:
            continue
        losses_now = {
            "loss": float(np.mean(jax.device_get(passed))),
            "val_loss": float(np.mean([validate(state, sounds["valid"], d) for d in fixed])),
        }
        check_losses(len(rows), losses_now)
        rows.append({"epoch": len(rows), **losses_now, "learning_rate": rate})
        speed = len(passed) * config.batch_size / (table.clock() - table.begun)
        print(*(f"{name} {value:.4g}" for name, value in rows[-1].items()), f"{speed:.0f} chunks/s")
        for part, values in zip(variables[:2], state):
            for variable, value in zip(part, values):
                variable.assign(value)
        saved.set_weights(model.get_weights())
        write_run(options.run, saved, rows, description)
        passed = []
        if not table.epoch():
            break


def write_run(run, saved, rows, description):
    """Write the network, the log, and how many epochs there were."""
    replace_weights(run, "best.keras", saved.save, saved.weights)
    replace_weights(run, NEWEST, saved.save_weights, saved.weights)
    write_log(run, rows)
    training = {**description["training"], "epochs": len(rows)}
    write_json(run / "run.json", {**description, "training": training})


def settings(options):
    """The `TrainingConfig` of the command line.

    Raises:
        UserError: an option does not fit.
    """
    if options.batch_size % CHUNKS_PER_EXCERPT:
        raise UserError(f"--batch-size must be a multiple of {CHUNKS_PER_EXCERPT}")
    return TrainingConfig(
        options.model,
        optimizer="adam",
        learning_rate=options.learning_rate,
        decay="cosine",
        batch_size=options.batch_size,
        epochs=0,  # so far
        steps_per_epoch=options.steps_per_epoch,
        embedding_weight=0.25,
        precision=options.precision,
        seed=options.seed,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True, choices=("hdc", "unet", "uhnet"))
    parser.add_argument("--mir1k", required=True, help="folder of MIR-1K")
    parser.add_argument("--stems", required=True, help="folder of plain stems")
    parser.add_argument(
        "--decoded",
        required=True,
        type=Path,
        help="for the decoded stems; delete it when recordings change",
    )
    parser.add_argument("--initial", required=True, help="run to start from; a U-net is as wide")
    parser.add_argument("--clustering", help="run of the hdc whose masks the uhnet takes")
    parser.add_argument("--run", required=True, type=Path)
    parser.add_argument("--seconds", type=COUNT, default=600, help="to train")
    parser.add_argument("--steps-per-epoch", type=COUNT, default=150)
    parser.add_argument("--batch-size", type=COUNT, default=256)
    parser.add_argument("--learning-rate", type=number(float, 1e-9, 1.0), default=1e-3)
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--seed", type=SEED, default=0)
    options = parser.parse_args()
    config = settings(options)
    features = FeatureConfig()
    clustering, unet = preset("compact", dropout=0.0)
    network = unet if config.model in UNETS else clustering
    refuse_ignored_settings(config, network, options.clustering)
    songs = read_songs(options, features)
    keys = {split: [song.key for song in songs[split]] for split in songs}
    manifest = Manifest(features, (), (), {}, keys, {}, config.seed)
    others = other_runs(config.model, manifest, options.initial, options.clustering)
    if config.model in UNETS:
        filters = others["initial"].description["network"]["filters"]
        network = dataclasses.replace(network, filters=filters)
    mean, std, model, saved = networks(config, network, manifest, others)
    model = in_one_loop(model)
    description = describe_run(config, network, manifest, mean, std, others)
    with claimed_run(options.run, description):
        train(model, saved, config, features, songs, description, options)


if __name__ == "__main__":
    with exits_on_user_error():
        main()
