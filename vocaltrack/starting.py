"""What a run starts as: its network, with the weights of other runs."""

import contextlib
import typing

import keras

from vocaltrack.config import CLUSTERING_MODELS
from vocaltrack.errors import UserError
from vocaltrack.models import build_clustering, build_unet, copy_weights
from vocaltrack.runs import load_run, songs_heard, sources


class OtherRun(typing.NamedTuple):
    """A run that another one starts from: its folder, and what `load_run` returns of it."""

    run: str
    model: keras.Model
    description: dict


def other_runs(model, manifest, initial_run, clustering_run):
    """The runs that a run starts from.

    Args:
        model: name of the network to train.
        manifest: `Manifest` of what it learns from.
        initial_run: run whose best weights and normalisation it starts from, or None.
        clustering_run: run of the `hdc` whose masks a uhnet takes, or None.

    Returns:
        dict from "initial" and "clustering" to an `OtherRun`, None for the one that it
        does without.

    Raises:
        UserError: they do not fit together.
    """
    initial = clustering = None
    if initial_run is not None:
        initial = _load_other_run(initial_run, manifest, sources(model))
    if model == "uhnet":
        if clustering_run is not None:
            clustering = _load_other_run(clustering_run, manifest, ("hdc",))
        elif initial is None or initial.model.name != "uhnet":
            raise UserError("the uhnet needs a trained hdc; give its run with --clustering")
    return {"initial": initial, "clustering": clustering}


def _load_other_run(run, manifest, wanted):
    """A run that another one starts from.

    Args:
        run: its folder.
        manifest: `Manifest` of the records that the other one learns from.
        wanted: names of the models that it may hold.

    Returns:
        `OtherRun`.

    Raises:
        UserError: it holds none of these models, has other features, or heard
            songs that the records validate on.
    """
    model, description = load_run(run, wanted=wanted)
    manifest.features.check_same(description["features"], "the records", str(run))
    leaked = set(songs_heard(description)) & set(manifest.songs.get("valid", ()))
    if leaked:
        raise UserError(f"{run} was trained on {min(leaked)}, which is for validation here")
    return OtherRun(run, model, description)


def networks(config, network, manifest, others):
    """A network with the weights that it starts from.

    Args:
        config: `TrainingConfig`.
        network: `ClusteringConfig` or `UnetConfig`.
        manifest: `Manifest` of what it learns from.
        others: what `other_runs` returns.

    Returns:
        (mean, std, model, saved): the input normalisation, the `keras.Model` to train, and
        that to save, which computes in float32: the same one where the training does too.

    Raises:
        UserError: the run that it starts from is of another size.
    """
    initial, clustering = others["initial"], others["clustering"]
    mean, std = manifest.mean, manifest.std
    if initial:
        mean, std = initial.description["mean"], initial.description["std"]
    hdc = clustering and clustering.model
    if config.model == "uhnet" and hdc is None:
        hdc = initial.model.get_layer("hdc")

    def build():
        keras.utils.set_random_seed(config.seed)
        if config.model in CLUSTERING_MODELS:
            model = build_clustering(network, mean, std, config.model == "hdc")
        else:
            model = build_unet(network, mean, std, hdc)
        if initial:
            try:
                copy_weights(initial.model, model)
            except ValueError as error:
                raise UserError(
                    f"{initial.run} is of another size than this network; "
                    "give the preset and the filters that it was trained with"
                ) from error
        return model

    saved = model = build()
    if config.precision != "float32":
        with dtype_policy(config.precision):
            model = build()
    return mean, std, model, saved


@contextlib.contextmanager
def dtype_policy(name):
    """Build networks within it that compute as Keras' policy of that name says."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
