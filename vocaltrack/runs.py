"""The folder of a training run.

run.json             every setting, features, normalisation and songs
best.keras           the network of the best validation loss; keras.models.load_model(path,
                     compile=False) needs nothing of vocaltrack
log.csv              losses and learning rate of each epoch
newest.weights.h5    the newest state, for going on after a kill
tensorboard/         losses, learning rate, pictures and audio
"""

import contextlib
import dataclasses
import os
import warnings
import zipfile
from pathlib import Path

from vocaltrack.config import (
    CLUSTERING_MODELS,
    MODEL_NAMES,
    UNETS,
    ClusteringConfig,
    FeatureConfig,
    TrainingConfig,
    UnetConfig,
)
from vocaltrack.contract import CONTRACT_ASSET
from vocaltrack.errors import UserError, one_line
from vocaltrack.files import sha256_of
from vocaltrack.jsonfiles import read_json

DEFAULTS = {
    field.name: field.default
    for config in (TrainingConfig, ClusteringConfig, UnetConfig)
    for field in dataclasses.fields(config)
    if field.default is not dataclasses.MISSING
}
TENSORBOARD = "tensorboard"
NEWEST = "newest.weights.h5"
OF_MASK_HEADS = ("embedding_weight", "power_exponent")
# What Keras and h5py raise for files that are not whole.
DAMAGED = (
    ValueError,
    OSError,
    TypeError,
    KeyError,
    RuntimeError,
    zipfile.BadZipFile,
    UserWarning,
)


@contextlib.contextmanager
def whole_weights():
    """Take Keras' warning that it did not find some weights, and goes on with random
    ones, for the error that it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield


def read_run(run, last=False, wanted=MODEL_NAMES):
    """What describes a run. No network is loaded for it, nor TensorFlow.

    Args:
        run: folder of the run.
        last: whether the weights of its last epoch are wanted, too.
        wanted: names of the models that it may hold.

    Returns:
        the content of run.json with "features" as `FeatureConfig`.

    Raises:
        UserError: the folder holds no trained network, or another one.
    """
    run = Path(run)
    if not (run / "best.keras").exists():
        what = "train a model there first"
        if (run / CONTRACT_ASSET).exists():
            what = "it is a SavedModel, of which recipes/shipped/unfold.py in a clone makes a run"
        raise UserError(f"{run} holds no best.keras; {what}")
    description = read_json(run / "run.json", "the run")
    if last and not (run / NEWEST).exists():
        raise UserError(f"{run} holds no last epoch's weights; take the best ones, without --last")
    try:
        description["features"] = FeatureConfig.from_dict(description["features"])
        name = description["training"]["model"]
        songs_heard(description), description["mean"], description["std"]  # as others need them
    except UserError as error:
        raise UserError(f"{run} cannot be loaded: {error}") from error
    except (KeyError, TypeError) as error:
        what = f"its run.json is damaged ({one_line(error)}); bring it back or train anew"
        raise UserError(f"{run} cannot be loaded: {what}") from error
    if name not in wanted:
        raise UserError(f"{run} holds a {name}; here it must be {' or '.join(wanted)}")
    return description


def load_run(run, last=False, wanted=MODEL_NAMES):
    """A run's network and what describes it.

    Args:
        run: folder of the run.
        last: with the weights of the last epoch instead of those with the
            lowest validation loss.
        wanted: names of the models that it may hold.

    Returns:
        (model, description): `keras.Model` and what `read_run` returns.

    Raises:
        UserError: the folder holds no trained network, or another one.
    """
    import keras

    run = Path(run)
    description = read_run(run, last, wanted)
    if not zipfile.is_zipfile(run / "best.keras"):  # of which Keras says that it is not there
        raise UserError(f"{run / 'best.keras'} is damaged; bring it back or train anew")
    try:
        with whole_weights():
            model = keras.models.load_model(run / "best.keras", compile=False)
            if last:
                model.load_weights(run / NEWEST)
    except DAMAGED as error:
        raise UserError(f"{run} cannot be loaded: {one_line(error)}") from error
    return model, description


def sources(model):
    """The models that a model can start from."""
    return {"hdc": CLUSTERING_MODELS, "uhnet": UNETS}.get(model, (model,))


def refuse_ignored_settings(config, network, clustering_run):
    """Refuse what would be ignored in a network that holds no hdc, or no mask head.

    Args:
        config: `TrainingConfig`.
        network: `ClusteringConfig` or `UnetConfig`.
        clustering_run: run of the `hdc` whose masks a uhnet takes, or None.

    Raises:
        UserError: says what to leave out.
    """
    model = config.model
    if model == "uhnet":
        return
    if clustering_run is not None:
        raise UserError(f"a {model} takes no --clustering; leave it out")
    if model == "unet" and (network.fine_tuned or network.clustering_dropout):
        raise UserError(f"a {model} holds no hdc; leave --fine-tune and --clustering-dropout out")
    if model == "dc" and any(getattr(config, name) != DEFAULTS[name] for name in OF_MASK_HEADS):
        raise UserError("a dc has no mask head; leave --embedding-weight and --power-exponent out")


def describe_run(config, network, manifest, mean, std, started_from):
    """What run.json says of a run.

    Args:
        config: `TrainingConfig`.
        network: `ClusteringConfig` or `UnetConfig`.
        manifest: `Manifest` of the records.
        mean, std: input normalisation per mel band in dB.
        started_from: dict from "initial" and "clustering" to the other run that it
            takes weights from, an `OtherRun`, or None.

    Returns:
        JSON-ready dict.
    """
    others = {name: other for name, other in started_from.items() if other}
    earlier = [other.description for other in others.values()]
    return {
        "training": dataclasses.asdict(config),
        "network": dataclasses.asdict(network),
        "features": manifest.features.to_dict(),
        "started_from": {name: origin(other.run) for name, other in others.items()},
        "mean": list(mean),
        "std": list(std),
        "songs": manifest.songs,
        "records_sha256": manifest.digest(),
        "heard": sorted({*manifest.songs["train"], *(k for d in earlier for k in songs_heard(d))}),
        "validated": sorted({key for d in earlier for key in songs_validated(d)}),
    }


def origin(run):
    """What run.json says of a run that another one starts from: where it was, and the
    checksum of its weights, by which it is known again elsewhere."""
    return {"run": os.path.realpath(run), "sha256": sha256_of(Path(run) / "best.keras")}


def songs_heard(description):
    """The keys of all songs that a run's weights were ever trained on: its own, and
    those of the runs that it started from."""
    return sorted({*description.get("heard", ()), *description["songs"]["train"]})


def songs_validated(description, last=False):
    """The keys of all songs whose loss chose a run's weights, or those of the runs that it
    started from.

    Args:
        description: what `read_run` returns.
        last: whether the weights are those of the last epoch, which the run's own songs
            did not choose.
    """
    own = () if last else description["songs"].get("valid", ())
    return sorted({*description.get("validated", ()), *own})
