"""SavedModels → functions, without Keras: they are to load whichever backend it is set to."""

import dataclasses

import tensorflow as tf

from vocaltrack.config import FeatureConfig
from vocaltrack.contract import check_checksums, read_contract
from vocaltrack.errors import UserError, one_line


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
    """

    name: str
    features: FeatureConfig
    masks: object
    embeddings: object
    root: object
    heard: tuple[str, ...] = ()


def load(folder):
    """Load a SavedModel that `export` wrote.

    Raises:
        UserError: the folder holds none, one of another contract, or one that
            is damaged.
    """
    contract = read_contract(folder)
    check_checksums(folder)
    try:
        loaded = tf.saved_model.load(str(folder))
    except (OSError, LookupError, ValueError, tf.errors.OpError) as error:
        raise UserError(f"{folder} is no whole SavedModel: {one_line(error)}") from error

    def endpoint(signature, output):
        if signature not in loaded.signatures:
            return None
        function = loaded.signatures[signature]
        # They are float64 in a program that asks for NumPy's rules of promotion.
        return lambda chunks: function(log_mel=tf.cast(chunks, tf.float32))[output]

    return ServedModel(
        name=contract["model"],
        features=FeatureConfig.from_dict(contract["features"]),
        masks=endpoint("masks", "vocals_mask"),
        embeddings=endpoint("embeddings", "embeddings"),
        root=loaded,
        heard=tuple(contract.get("heard", ())),
    )
