"""Train a network on with JAX, on a GPU: each batch is mixed there and heard once.

    python recipes/shipped/train_jax.py --model unet --initial runs/unet-begin \\
        --mir1k DIR --stems DIR --decoded DIR --run runs/unet --epochs 20

The networks, losses and optimizers are the package's, under Keras's JAX backend, which
takes `pip install jax` for the machine's GPU, and no TensorFlow. The run that results
is like any other, but that best.keras holds the last weights too. It is written anew
after each epoch; what was interrupted begins again.
"""

import argparse
import collections
import functools
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"

import jax  # noqa: E402
import numpy as np  # noqa: E402
from drawing import Bank, Drawer, draw, load_stems, start_drawing  # noqa: E402
from mixing_ops import excerpt_samples, mix, rooms  # noqa: E402

from vocaltrack.compiling import compile_model, losses  # noqa: E402
from vocaltrack.config import MODEL_NAMES, FeatureConfig, TrainingConfig, preset  # noqa: E402
from vocaltrack.datasets import read_mir1k, read_stems  # noqa: E402
from vocaltrack.errors import exits_on_user_error  # noqa: E402
from vocaltrack.records import Manifest  # noqa: E402
from vocaltrack.runs import claim_run, describe_run, write_log  # noqa: E402
from vocaltrack.shards import CHUNKS_PER_EXCERPT, decode_song  # noqa: E402
from vocaltrack.splits import check_splits  # noqa: E402
from vocaltrack.starting import builder, dtype_policy, other_runs  # noqa: E402
from vocaltrack.targets import example  # noqa: E402

SHOWN = ("train", "valid")
VALID_BATCHES = 4
DRAWING_PROCESSES = 4
WAITING = 16  # batches drawn ahead
SPAWN = multiprocessing.get_context("spawn")


def read_songs(options, features):
    """dict from "train" and "valid" to the songs, decoded into the folder for it."""
    songs = [*read_mir1k(options.mir1k), *read_stems(options.stems)]
    check_splits(songs)
    songs = sorted(songs, key=lambda song: song.key)
    options.decoded.mkdir(parents=True, exist_ok=True)
    decode = functools.partial(
        decode_song, decoded=options.decoded, sample_rate=features.sample_rate
    )
    with ProcessPoolExecutor(mp_context=SPAWN) as pool:
        list(pool.map(decode, songs, chunksize=4))
    return {split: [song for song in songs if song.split == split] for split in SHOWN}


def drawn_batches(songs, decoded, samples, excerpts, seed, steps):
    """Draw batches for training in other processes, in order."""
    start = (start_drawing, (songs, decoded, samples))
    with ProcessPoolExecutor(DRAWING_PROCESSES, SPAWN, *start) as pool:
        waiting = collections.deque()
        for step in range(steps + WAITING):
            if step < steps:
                waiting.append(pool.submit(draw, (seed, step), excerpts))
            if step >= WAITING:
                yield waiting.popleft().result()


def loss_of(config):
    """A function (targets, outputs, weights) -> loss, as Keras has it after `compile`."""
    loss, weights = losses(config)
    if weights is None:
        return loss
    return lambda y, outputs, weight: sum(
        weights[name] * loss[name](y[name], outputs[name], weight.get(name)) for name in loss
    )


def steps_of(model, config, features):
    """(train, validate): jitted steps on what `Drawer.draw` returns.

    train maps (state, sound, draws) to (state, loss) and validate to the loss of the
    vocals' masks (of the embeddings for dc); the state is [trainable, other,
    optimizer's variables], the sound [waveforms, noise].
    """
    adam = model.optimizer
    adam.build(model.trainable_variables)
    loss_function = loss_of(config)

    def loss(trainable, others, sound, draws, training):
        x, y, weight = example(mix(*sound, draws, features), config, features)
        outputs, others = model.stateless_call(trainable, others, x, training=training)
        return loss_function(y, outputs, weight), others

    @functools.partial(jax.jit, donate_argnums=0)
    def train(state, sound, draws):
        trainable, others, optimizer = state
        (value, others), gradients = jax.value_and_grad(loss, has_aux=True)(
            trainable, others, sound, draws, True
        )
        trainable, optimizer = adam.stateless_apply(optimizer, gradients, trainable)
        return [trainable, others, optimizer], value

    @jax.jit
    def validate(state, sound, draws):
        return loss(*state[:2], sound, draws, False)[0]

    return train, validate


def variables_of(model):
    return model.trainable_variables, model.non_trainable_variables, model.optimizer.variables


def train(model, saved, config, features, songs, options):
    """Train a compiled network and write the run after each epoch.

    Args:
        model: compiled `keras.Model`.
        saved: the same in float32, whose weights are replaced and saved.
        config: `TrainingConfig`.
        features: `FeatureConfig`.
        songs: dict from split to list of `Song`, decoded.
        options: of the command line.
    """
    samples = excerpt_samples(features)
    excerpts = config.batch_size // CHUNKS_PER_EXCERPT
    banks = {split: Bank(load_stems(songs[split], options.decoded)) for split in songs}
    sounds = {split: [bank.waveforms(), rooms(features)] for split, bank in banks.items()}
    sounds = jax.device_put(sounds)
    still = Drawer(banks["valid"], samples, augment=False)
    fixed = [still.draw((config.seed, number), excerpts) for number in range(VALID_BATCHES)]
    train_step, validate_step = steps_of(model, config, features)
    state = jax.device_put([[v.value for v in part] for part in variables_of(model)])

    def validation():
        return float(np.mean([validate_step(state, sounds["valid"], draws) for draws in fixed]))

    print(f"before: val_loss {validation():.4f}", flush=True)
    steps = config.epochs * config.steps_per_epoch
    drawn = drawn_batches(songs["train"], options.decoded, samples, excerpts, config.seed, steps)
    rows, losses_seen, start = [], [], time.perf_counter()
    for number, draws in enumerate(drawn, start=1):
        state, loss = train_step(state, sounds["train"], draws)
        losses_seen.append(loss)
        if number % config.steps_per_epoch:
            continue
        row = {
            "epoch": number // config.steps_per_epoch - 1,
            "loss": float(np.mean(jax.device_get(losses_seen))),
            "val_loss": validation(),
            "learning_rate": float(model.optimizer._learning_rate(number)),
        }
        rows.append(row)
        speed = len(losses_seen) * config.batch_size / (time.perf_counter() - start)
        print(*(f"{name} {value:.4g}" for name, value in row.items()), f"{speed:.0f} chunks/s")
        for variables, values in zip(variables_of(model)[:2], state):
            for variable, value in zip(variables, values):
                variable.assign(value)
        saved.set_weights(model.get_weights())
        saved.save(options.run / "best.keras")
        saved.save_weights(options.run / "newest.weights.h5")
        write_log(options.run, rows)
        losses_seen, start = [], time.perf_counter()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("--mir1k", "--stems", "--initial"):
        parser.add_argument(name, required=True)
    parser.add_argument("--decoded", required=True, type=Path, help="for the decoded stems")
    parser.add_argument("--run", required=True, type=Path)
    parser.add_argument("--model", required=True, choices=MODEL_NAMES)
    parser.add_argument("--clustering", help="run of the hdc whose masks the uhnet takes")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--steps-per-epoch", type=int, default=150)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    config = TrainingConfig(
        options.model,
        optimizer="adam",
        learning_rate=options.learning_rate,
        decay="cosine",
        batch_size=options.batch_size,
        epochs=options.epochs,
        steps_per_epoch=options.steps_per_epoch,
        embedding_weight=0.25,
        precision=options.precision,
        seed=options.seed,
    )
    features = FeatureConfig()
    network = preset("compact", dropout=0.0)[config.model in ("unet", "uhnet")]
    songs = read_songs(options, features)
    keys = {split: [song.key for song in songs[split]] for split in songs}
    manifest = Manifest(features, (), (), {}, keys, {}, config.seed)
    others = other_runs(config.model, manifest, options.initial, options.clustering)
    mean, std, build = builder(config, network, manifest, others)
    saved = build()
    with dtype_policy(config.precision):
        model = build()
    compile_model(model, config)
    started_from = {name: other and other[:2] for name, other in others.items()}
    claim_run(options.run, describe_run(config, network, manifest, mean, std, started_from))
    train(model, saved, config, features, songs, options)


if __name__ == "__main__":
    with exits_on_user_error():
        main()
