"""Training: networks, losses, optimizers and callbacks put together."""

import shutil
from pathlib import Path

import keras
import tensorflow as tf

from vocaltrack.callbacks import Plateau, RunKeeper, Stopping, epochs_without_gain
from vocaltrack.compiling import compile_model
from vocaltrack.errors import UserError, one_line, say
from vocaltrack.pipeline import batches, unreadable_shards
from vocaltrack.previews import MaskPreviews
from vocaltrack.records import Manifest
from vocaltrack.resuming import claimed_run, goes_on_from_itself, refuse_other_folders
from vocaltrack.runs import TENSORBOARD, describe_run, refuse_ignored_settings
from vocaltrack.starting import networks, other_runs
from vocaltrack.targets import example

FAILURES = (
    tf.errors.DataLossError,
    tf.errors.NotFoundError,
    tf.errors.ResourceExhaustedError,
)


def train(config, network, records, run, clustering_run=None, initial_run=None, verbose="auto"):
    """Train a network, or go on with a run that was interrupted.

    Args:
        config: `TrainingConfig`.
        network: `ClusteringConfig` or `UnetConfig`.
        records: folder of the records.
        run: folder of the run; made when absent.
        clustering_run: run of the `hdc` whose masks a uhnet takes; None for others,
            and for that of the uhnet that it starts from.
        initial_run: run whose best weights and input normalisation this one
            starts from. A run that goes on needs neither of both.
        verbose: of `keras.Model.fit`.

    Returns:
        the `keras.callbacks.History` of this call.

    Raises:
        UserError: the records or the runs do not fit together, the run's folder
            holds a run with other settings, another process trains it, or disk or
            memory are full.
    """
    run = Path(run)
    refuse_other_folders(run)
    refuse_ignored_settings(config, network, clustering_run)
    manifest = Manifest.load(records)
    goes_on = not (initial_run or clustering_run) and goes_on_from_itself(run)
    others = other_runs(config.model, manifest, run if goes_on else initial_run, clustering_run)
    mean, std, model, saved = networks(config, network, manifest, others)
    compile_model(model, config)
    valid = examples(config, manifest, records, "valid", None)
    started_from = {} if goes_on else others
    description = describe_run(config, network, manifest, mean, std, started_from)
    with claimed_run(run, description) as is_new:
        keeper = RunKeeper(run, saved)
        done = keeper.restore(model, config.steps_per_epoch)
        has_stopped = epochs_without_gain(keeper.losses()) >= config.patience
        if done:
            rest = "no more to come" if has_stopped or done >= config.epochs else "going on"
            say(f"{run}: {done} of {config.epochs} epochs are done, {rest}")
        try:
            if others["initial"] and not done:
                begun = model.evaluate(valid, verbose=0, return_dict=True)["loss"]
                say(f"{run}: the weights that it starts from have a val_loss of {begun:.4f}")
            previews = MaskPreviews(run / TENSORBOARD, manifest, records)
            history = model.fit(
                examples(config, manifest, records, "train", config.seed + done),
                validation_data=valid,
                initial_epoch=done,
                epochs=done if has_stopped else config.epochs,
                steps_per_epoch=config.steps_per_epoch,
                callbacks=_callbacks(config, keeper, previews),
                shuffle=False,
                verbose=verbose,
            )
        except FAILURES as error:
            if is_new and not keeper.rows:
                shutil.rmtree(run)
            if isinstance(error, tf.errors.ResourceExhaustedError):
                raise UserError(
                    f"{run}: {one_line(error)}; make room, on the disk or in memory (a smaller "
                    "--batch-size), and train again"
                ) from error
            damaged = ", ".join(unreadable_shards(manifest, records)) or records
            raise UserError(
                f"{damaged} is corrupt or gone; delete it if it is there, and run vocaltrack "
                "prepare again to restore it"
            ) from error
        if len(keeper.rows) < config.epochs:
            say(
                f"{run}: stopped after {len(keeper.rows)} of {config.epochs} epochs, of which the "
                f"last {config.patience} had no better validation loss; --patience waits longer"
            )
        return history


def examples(config, manifest, records, split, seed):
    """The examples that a network learns from or is validated on.

    Args:
        config: `TrainingConfig`.
        manifest: `Manifest` of the records.
        records: folder of the records.
        split: "train" or "valid".
        seed: of the shuffling; None for one pass in order.

    Returns:
        `tf.data.Dataset` of (log_mel, targets, weights), for `keras.Model.fit` with
        shuffle=False; with a seed it has no end.
    """
    chunks = batches(manifest, records, split, config.batch_size, seed)
    dataset = chunks.map(
        lambda chunk: example(chunk, config, manifest.features),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    return dataset.prefetch(2)


def _callbacks(config, keeper, previews):
    # TensorBoard is told an epoch's learning rate before the plateau lowers it, and what is kept
    # has the rate that the next begins with.
    plateau = [Plateau(keeper.losses())] if config.decay == "plateau" else []
    return [
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.TensorBoard(keeper.run / TENSORBOARD),
        *plateau,
        keeper,
        Stopping(config.patience, keeper.losses()),
        previews,
    ]
