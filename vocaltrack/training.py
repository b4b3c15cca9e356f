"""Training: networks, losses, optimizers and callbacks put together."""

import contextlib
import shutil
from pathlib import Path

import keras
import tensorflow as tf

from vocaltrack.callbacks import Plateau, RunKeeper, Stopping, epochs_without_gain
from vocaltrack.errors import UserError
from vocaltrack.locks import alone_in
from vocaltrack.losses import DeepClusteringLoss
from vocaltrack.models import build_clustering, build_unet, copy_weights
from vocaltrack.pipeline import batches, clustering_examples, corrupt_shards, mask_examples
from vocaltrack.previews import MaskPreviews
from vocaltrack.records import Manifest
from vocaltrack.runs import claim_run, describe_run, load_other_run

WARMUP_STEPS = 200
GRADIENT_NORM = 5.0


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
            starts from.
        verbose: of `keras.Model.fit`.

    Returns:
        the `keras.callbacks.History` of this call.

    Raises:
        UserError: the records or the runs do not fit together, the run's folder
            holds a run with other settings, or another process trains it.
    """
    run = Path(run)
    if config.model != "uhnet":
        _refuse_hybrid_settings(config.model, network, clustering_run)
    manifest = Manifest.load(records)
    others = _others(config.model, manifest, initial_run, clustering_run)
    mean, std, build = _builder(config, network, manifest, others)
    saved = model = build()
    if config.precision != "float32":
        with _dtype_policy(config.precision):
            model = build()
    compile_model(model, config)
    valid = examples(config, manifest, records, "valid", None)
    started_from = {name: other and other[:2] for name, other in others.items()}
    is_new = not run.exists()
    claim_run(run, describe_run(config, network, manifest, mean, std, started_from))
    with alone_in(run):
        keeper = RunKeeper(run, saved)
        done = keeper.restore(model, config.steps_per_epoch)
        has_stopped = epochs_without_gain(keeper.losses()) >= config.patience
        if done:
            rest = "no more to come" if has_stopped or done >= config.epochs else "going on"
            print(f"{run}: {done} of {config.epochs} epochs are done, {rest}")
        try:
            previews = MaskPreviews(run / "tensorboard", manifest, records)
            return model.fit(
                examples(config, manifest, records, "train", config.seed + done),
                validation_data=valid,
                initial_epoch=done,
                epochs=done if has_stopped else config.epochs,
                steps_per_epoch=config.steps_per_epoch,
                callbacks=_callbacks(config, keeper, previews),
                shuffle=False,
                verbose=verbose,
            )
        except tf.errors.DataLossError as error:
            if is_new and not keeper.rows:
                shutil.rmtree(run)
            damaged = ", ".join(corrupt_shards(manifest, records)) or records
            raise UserError(
                f"{damaged} is corrupt; delete it and run prepare_data.py again to restore it"
            ) from error


def _refuse_hybrid_settings(model, network, clustering_run):
    """Refuse what would be ignored in a network that holds no hdc."""
    if clustering_run is not None:
        raise UserError(f"a {model} takes no --clustering; leave it out")
    if model == "unet" and (network.fine_tuned or network.clustering_dropout):
        raise UserError(f"a {model} holds no hdc; leave --fine-tune and --clustering-dropout out")


def _others(model, manifest, initial_run, clustering_run):
    """The runs that a run starts from.

    Returns:
        {"initial", "clustering"}: each as (path, description, network), None for
        the one that it does without.
    """
    initial = clustering = None
    if initial_run is not None:
        initial = load_other_run(initial_run, manifest, _sources(model))
    if model == "uhnet":
        if clustering_run is not None:
            clustering = load_other_run(clustering_run, manifest, ("hdc",))
        elif initial is None or initial[2].name != "uhnet":
            raise UserError("the uhnet needs a trained hdc; give its run with --clustering")
    return {"initial": initial, "clustering": clustering}


def _builder(config, network, manifest, others):
    """(mean, std, build): the input normalisation, and a function that
    returns the network with the weights that it starts from."""
    initial_run, description, source = others["initial"] or (None, None, None)
    mean, std = manifest.mean, manifest.std
    if source is not None:
        mean, std = description["mean"], description["std"]
    clustering = others["clustering"] and others["clustering"][2]
    if config.model == "uhnet" and clustering is None:
        clustering = source.get_layer("hdc")

    def build():
        keras.utils.set_random_seed(config.seed)
        if config.model in ("dc", "hdc"):
            model = build_clustering(network, mean, std, config.model == "hdc")
        else:
            model = build_unet(network, mean, std, clustering)
        if source is not None:
            try:
                copy_weights(source, model)
            except ValueError as error:
                raise UserError(f"{initial_run} is of another size than this network") from error
        return model

    return mean, std, build


@contextlib.contextmanager
def _dtype_policy(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _sources(model):
    """The models that a model can start from."""
    return {"hdc": ("dc", "hdc"), "uhnet": ("unet", "uhnet")}.get(model, (model,))


def compile_model(model, config):
    """Give a network its optimizer and losses, as `TrainingConfig` says."""
    rate = config.learning_rate
    if config.decay == "cosine":
        steps = config.epochs * config.steps_per_epoch
        warmup = min(WARMUP_STEPS, steps // 10)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, max(1, steps - warmup), warmup_target=rate, warmup_steps=warmup
        )
    optimizers = {"rmsprop": keras.optimizers.RMSprop, "adam": keras.optimizers.Adam}
    mask_loss = keras.losses.BinaryCrossentropy()
    if config.model in ("unet", "uhnet"):
        loss, weights = mask_loss, None
    else:
        loss = {"embeddings": DeepClusteringLoss(config.target_columns)}
        weights = {"embeddings": 1.0}
        if config.model == "hdc":
            loss["masks"] = mask_loss
            share = config.embedding_weight
            weights = {"embeddings": share, "masks": 1.0 - share}
    optimizer = optimizers[config.optimizer](rate, clipnorm=GRADIENT_NORM)
    model.compile(optimizer, loss=loss, loss_weights=weights)


def examples(config, manifest, records, split, seed):
    """The examples that a network learns from or is validated on.

    Args:
        config: `TrainingConfig`.
        manifest: `Manifest` of the records.
        records: folder of the records.
        split: "train" or "valid".
        seed: of the shuffling; None for one pass in order.

    Returns:
        `tf.data.Dataset` of (log_mel, targets, weights).
    """
    dataset = batches(manifest, records, split, config.batch_size, seed)
    if config.model in ("unet", "uhnet"):
        return mask_examples(dataset, manifest.features, config.power_exponent)
    with_masks = config.model == "hdc"
    return clustering_examples(dataset, manifest.features, config.power_exponent, with_masks)


def _callbacks(config, keeper, previews):
    callbacks = [
        keras.callbacks.TerminateOnNaN(),
        keeper,
        Stopping(config.patience, keeper.losses()),
        keras.callbacks.TensorBoard(keeper.run / "tensorboard"),
        previews,
    ]
    if config.decay == "plateau":
        callbacks.insert(1, Plateau(keeper.losses()))
    return callbacks
