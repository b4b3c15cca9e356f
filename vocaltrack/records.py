"""TFRecord shards of mel chunks, and the manifest that describes them.

One record is one chunk: the log-mels of the mixture, the vocals and the
accompaniment as float16 dB, from which every target is computed on reading.
"""

import dataclasses
import hashlib
import json
import operator
from pathlib import Path

import numpy as np

from vocaltrack.config import STREAMS, FeatureConfig
from vocaltrack.errors import UserError
from vocaltrack.jsonfiles import read_json, write_json

SCHEMA = 1
MANIFEST = "manifest.json"


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a folder of records holds.

    Attributes:
        features: the `FeatureConfig` that the chunks were made with.
        mean, std: per mel band in dB, over what networks hear (`silence.as_heard`) of the
            first shards of the training chunks; they become the input normalisation of
            every model trained on these records.
        shards: dict from split to [{"file", "records", "bytes"}, ...].
        songs: dict from split to the keys of the songs in it.
        counts: dict from split to the number of chunks of each kind.
        seed: the seed of the preparation.
        schema: version of the record's layout.
    """

    features: FeatureConfig
    mean: tuple[float, ...]
    std: tuple[float, ...]
    shards: dict
    songs: dict
    counts: dict
    seed: int
    schema: int = SCHEMA

    def save(self, folder):
        """Write manifest.json into the folder of the records."""
        write_json(Path(folder) / MANIFEST, dataclasses.asdict(self))

    @classmethod
    def load(cls, folder):
        """Read a folder's manifest and check that its shards are whole.

        Raises:
            UserError: no manifest, another schema, or a shard that is
                missing or of the wrong size.
        """
        folder = Path(folder)
        if not (folder / MANIFEST).exists():
            raise UserError(
                f"{folder} holds no {MANIFEST}; make the records with vocaltrack prepare"
            )
        content = read_json(folder / MANIFEST, "the manifest")
        if content.get("schema") != SCHEMA:
            raise UserError(
                f"{folder} holds records of schema {content.get('schema')}, this version reads "
                f"schema {SCHEMA}; make them again with vocaltrack prepare"
            )
        try:
            content["features"] = FeatureConfig.from_dict(content["features"])
            content |= {name: tuple(content[name]) for name in ("mean", "std")}
            manifest = cls(**content)
            manifest._check()
            sizes = {
                folder / shard["file"]: shard["bytes"]
                for shards in manifest.shards.values()
                for shard in shards
            }
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UserError(f"{folder / MANIFEST} is damaged ({error}); prepare again") from error
        for path, size in sizes.items():
            if not path.exists():
                raise UserError(f"{path} is missing; run vocaltrack prepare again to restore it")
            if path.stat().st_size != size:
                raise UserError(
                    f"{path} has {path.stat().st_size} bytes instead of {size}; "
                    "delete it and run vocaltrack prepare again to restore it"
                )
        return manifest

    def _check(self):
        normalisation = np.array([self.mean, self.std], float)
        if normalisation.shape != (2, self.features.n_mels) or not np.isfinite(normalisation).all():
            raise ValueError("mean and std are not one number for each band")
        if not normalisation[1].all():
            raise ValueError("std is zero")
        for split in self.shards:
            operator.index(self.records(split))
        sorted(self.songs["train"])

    def digest(self):
        """SHA-256 of what tells these records from others, for a run to go on with the same."""
        told = (self.seed, self.mean, self.std, self.counts, self.shards)
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def paths(self, folder, split):
        """The shard files of a split.

        Raises:
            UserError: the records hold no such split.
        """
        if not self.shards.get(split):
            raise UserError(f"{folder} holds no records of the split {split}")
        return [str(Path(folder) / shard["file"]) for shard in self.shards[split]]

    def records(self, split):
        """Number of chunks in a split."""
        return sum(shard["records"] for shard in self.shards[split])


def encode_chunk(streams, kind):
    """Serialise a chunk.

    Args:
        streams: float array [3, chunk_frames, n_mels] in dB, in the order of
            `STREAMS`.
        kind: how the mixture was made.

    Returns:
        bytes of a `tf.train.Example`.
    """
    import tensorflow as tf

    def of_bytes(value):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    feature = {
        name: of_bytes(np.ascontiguousarray(stream, "<f2").tobytes())
        for name, stream in zip(STREAMS, streams)
    }
    feature["kind"] = of_bytes(kind.encode())
    example = tf.train.Example(features=tf.train.Features(feature=feature))
    return example.SerializeToString(deterministic=True)


def parse_chunks(serialized, features):
    """Decode a batch of records, in the graph.

    Args:
        serialized: string tensor [batch].
        features: `FeatureConfig`.

    Returns:
        dict from the names in `STREAMS` to float32
        [batch, chunk_frames, n_mels] in dB, and from "kind" to string [batch].
    """
    import tensorflow as tf

    spec = {name: tf.io.FixedLenFeature([], tf.string) for name in (*STREAMS, "kind")}
    parsed = tf.io.parse_example(serialized, spec)
    shape = [-1, features.chunk_frames, features.n_mels]
    chunks = {
        name: tf.reshape(tf.cast(tf.io.decode_raw(parsed[name], tf.float16), tf.float32), shape)
        for name in STREAMS
    }
    return {**chunks, "kind": parsed["kind"]}
