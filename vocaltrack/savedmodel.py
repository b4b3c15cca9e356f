"""SavedModels → functions, without Keras: they are to load whichever backend it is set to."""

import contextlib
import dataclasses
import os
import tempfile
from pathlib import Path

import tensorflow as tf

from vocaltrack.config import FeatureConfig
from vocaltrack.contract import check_checksums, read_contract
from vocaltrack.errors import UserError, one_line

PATTERNS = "[]\\"
_first_process = None


@dataclasses.dataclass(frozen=True)
class ServedModel:
    """A loaded SavedModel.

    Attributes:
        name: dc, hdc, unet or uhnet.
        features: `FeatureConfig`.
        masks: maps log-mel chunks [n, chunk_frames, n_mels] to the vocals'
            masks of that shape; None for dc.
        embeddings: maps chunks to [n, chunk_frames, n_mels, D]; None for
            unet and uhnet.
        root: what TensorFlow loaded; it owns the variables.
        heard: keys of the songs that it learnt from, as far as they are known.
        validated: keys of the songs whose loss chose its weights, likewise.
    """

    name: str
    features: FeatureConfig
    masks: object
    embeddings: object
    root: object
    heard: tuple[str, ...] = ()
    validated: tuple[str, ...] = ()


def load(folder):
    """Load a SavedModel that `export` wrote.

    Raises:
        UserError: the folder holds none, one of another contract, or one that
            is damaged; or nothing can be computed here, see `check_process`.
    """
    contract = read_contract(folder)
    check_checksums(folder)
    check_process()
    try:
        with _plain_path(folder) as path:
            loaded = tf.saved_model.load(path)
    except (OSError, LookupError, ValueError, tf.errors.OpError) as error:
        raise UserError(f"{folder} is no whole SavedModel: {one_line(error)}") from error

    def endpoint(signature, output):
        if signature not in loaded.signatures:
            return None
        function = loaded.signatures[signature]

        def compute(chunks):
            try:
                # They are float64 in a program that asks for NumPy's rules of promotion.
                return function(log_mel=tf.cast(chunks, tf.float32))[output]
            except tf.errors.ResourceExhaustedError as error:
                raise MemoryError(one_line(error)) from error

        return compute

    return ServedModel(
        name=contract["model"],
        features=FeatureConfig.from_dict(contract["features"]),
        masks=endpoint("masks", "vocals_mask"),
        embeddings=endpoint("embeddings", "embeddings"),
        root=loaded,
        heard=tuple(contract.get("heard", ())),
        validated=tuple(contract.get("validated", ())),
    )


@contextlib.contextmanager
def _plain_path(folder):
    """A path to a folder that holds no character that TensorFlow takes for a pattern."""
    folder = Path(folder)
    if _is_plain(folder):
        yield str(folder)
        return
    with contextlib.ExitStack() as stack:
        try:
            place = stack.enter_context(tempfile.TemporaryDirectory())
            link = Path(place) / "model"
            link.symlink_to(folder.resolve(), target_is_directory=True)
        except OSError:
            link = folder
        if not _is_plain(link):
            raise UserError(
                f"{folder} cannot be loaded by TensorFlow from a path with [, ] or a backslash; "
                "rename the folder"
            )
        yield str(link)


def _is_plain(path):
    return not set(PATTERNS) & set(path.as_posix())  # where a backslash is part of a name


def check_process():
    """Refuse to load a model or to compute where TensorFlow builds graphs, and in a process
    that forked off one that has done either: TensorFlow's threads stayed behind, and it
    would wait for them for ever.

    Raises:
        UserError: it is such a place.
    """
    if not tf.executing_eagerly():
        raise UserError(
            "TensorFlow builds a graph here; call vocaltrack outside of tf.Graph and tf.function, "
            "and without tf.compat.v1.disable_eager_execution"
        )
    global _first_process
    _first_process = _first_process or os.getpid()
    if _first_process != os.getpid():
        raise UserError(
            "this process forked off one that had loaded a model, without TensorFlow's threads; "
            'start it with multiprocessing.get_context("spawn")'
        )
