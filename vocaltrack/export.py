"""Trained networks → SavedModels.

The contract (README, "The SavedModels") has a version, and travels with the
feature settings in `assets/contract.json`.
"""

from pathlib import Path

import tensorflow as tf

from vocaltrack import __version__
from vocaltrack.chunks import song_mask
from vocaltrack.config import CLUSTERING_MODELS
from vocaltrack.contract import CONTRACT_ASSET, CONTRACT_VERSION, write_checksums
from vocaltrack.errors import UserError, one_line
from vocaltrack.features import apply_mask, inverse_stft, log_mel, stft
from vocaltrack.files import replace_folder
from vocaltrack.jsonfiles import write_json
from vocaltrack.models import vocals_mask
from vocaltrack.own_folders import SAVED_MODEL, refuse_other_kinds
from vocaltrack.serving import as_served

FOLDERS = ("assets", "variables")  # of a SavedModel


def separate_waveform(waveform, predict, features):
    """Separate waveforms with the mixture's phase.

    Args:
        waveform: float32 [batch, samples] at `features.sample_rate`.
        predict: maps log-mel chunks [n, chunk_frames, n_mels] to the vocals'
            masks of that shape.
        features: `FeatureConfig`.

    Returns:
        (vocals, accompaniment), float32 [batch, samples]; they sum to the
        waveform.
    """

    @tf.autograph.experimental.do_not_convert
    def separate_one(mixture):
        spectrum = stft(mixture, features)
        mask = song_mask(log_mel(spectrum, features), predict, features)
        return inverse_stft(apply_mask(spectrum, mask, features), tf.shape(mixture)[0], features)

    # At least one, since nothing says of how many samples the results of none would be.
    vocals = tf.map_fn(separate_one, _at_least_one(waveform), parallel_iterations=1)
    vocals = vocals[: tf.shape(waveform)[0]]
    return vocals, waveform - vocals


def _at_least_one(batch):
    """A batch [batch, ...], with an example of zeros if it has none."""
    missing = tf.maximum(0, 1 - tf.shape(batch)[0])
    return tf.pad(batch, [[0, missing], *[[0, 0]] * (len(batch.shape) - 1)])


class _Served(tf.Module):
    """The traced functions of one network."""

    def __init__(self, model, features, contract_file):
        super().__init__()
        model = as_served(model, features)
        # Not the model itself, with which Keras would save functions of its own.
        self.weights = [weight.value for weight in model.weights]
        self.contract = tf.saved_model.Asset(str(contract_file))
        chunk = tf.TensorSpec([None, features.chunk_frames, features.n_mels], tf.float32, "log_mel")
        waveform = tf.TensorSpec([None, None], tf.float32, "waveform")
        self.endpoints = {}
        if model.name != "dc":

            @tf.function(input_signature=[chunk], autograph=False)
            def masks(log_mel):
                # oneDNN's convolutions fail on a batch of none.
                mask = vocals_mask(model, _at_least_one(log_mel))[: tf.shape(log_mel)[0]]
                return {"vocals_mask": mask, "accompaniment_mask": 1.0 - mask}

            @tf.function(input_signature=[waveform], autograph=False)
            def serving_default(waveform):
                # Calls `masks`, so that the file does not hold its network again, and loads faster.
                vocals, rest = separate_waveform(
                    waveform, lambda chunks: masks(chunks)["vocals_mask"], features
                )
                return {"vocals": vocals, "accompaniment": rest}

            self.endpoints.update(serving_default=serving_default, masks=masks)
        if model.name in CLUSTERING_MODELS:

            @tf.function(input_signature=[chunk], autograph=False)
            def embeddings(log_mel):
                return {"embeddings": model(log_mel, training=False)["embeddings"]}

            self.endpoints["embeddings"] = embeddings


def export(model, features, folder, heard=(), validated=()):
    """Write a network as a SavedModel, replacing one that is there and the files that were
    put into its folder, such as a model card.

    Args:
        model: `keras.Model` named dc, hdc, unet or uhnet.
        features: `FeatureConfig` that it was trained with.
        folder: target folder.
        heard: keys of the songs that it learnt from, see `songs_heard`.
        validated: keys of the songs whose loss chose its weights.

    Raises:
        UserError: the folder holds something that is no SavedModel of
            vocaltrack, or folders beside it, or cannot be written.
    """
    folder = Path(folder)
    refuse_other_kinds(folder, SAVED_MODEL)
    _refuse_to_delete(folder)
    contract = {
        "contract": CONTRACT_VERSION,
        "model": model.name,
        "features": features.to_dict(),
        "vocaltrack": __version__,
        "tensorflow": tf.__version__,
        "heard": list(heard),
        "validated": list(validated),
    }

    def fill(temporary):
        contract_file = Path(temporary) / Path(CONTRACT_ASSET).name
        write_json(contract_file, contract)
        served = _Served(model, features, contract_file)
        try:
            tf.saved_model.save(served, str(temporary), signatures=served.endpoints)
        except tf.errors.OpError as error:
            raise UserError(f"{folder} cannot be written: {one_line(error)}") from error
        contract_file.unlink()
        write_checksums(temporary)

    replace_folder(folder, fill)


def _refuse_to_delete(folder):
    """Refuse a target in which there is more than a SavedModel and files beside it."""
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    if folder.is_file() or inside and not (folder / CONTRACT_ASSET).exists():
        raise UserError(f"{folder} exists and is no SavedModel of vocaltrack; give another folder")
    for path in inside:
        if path.is_dir() and path.name not in FOLDERS:
            raise UserError(f"{path} would be deleted; move it away, or give another folder")
