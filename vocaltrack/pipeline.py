"""tf.data from TFRecord shards to training batches."""

import tensorflow as tf

from vocaltrack.records import parse_chunks

SHUFFLE_CHUNKS = 4096


def batches(manifest, folder, split, batch_size=32, seed=None):
    """Stream a split's chunks in batches.

    Args:
        manifest: the folder's `Manifest`.
        folder: folder of the shards.
        split: "train", "valid" or "test".
        batch_size: chunks a batch; without a seed the last may be smaller.
        seed: shuffles the shards and chunks, and repeats for ever; None
            streams them once, in order.

    Returns:
        `tf.data.Dataset` of dicts from "mixture", "vocals" and
        "accompaniment" to float32 [batch, chunk_frames, n_mels] in dB, and
        from "kind" to string [batch].

    Raises:
        UserError: the records hold no such split.
    """
    paths = manifest.paths(folder, split)
    if seed is None:
        records = tf.data.TFRecordDataset(paths).batch(batch_size)
        count = -(-manifest.records(split) // batch_size)
        records = records.apply(tf.data.experimental.assert_cardinality(count))
    else:
        files = tf.data.Dataset.from_tensor_slices(paths)
        records = (
            files.shuffle(len(paths), seed=seed)
            .repeat()
            .interleave(
                tf.data.TFRecordDataset,
                cycle_length=min(8, len(paths)),
                num_parallel_calls=tf.data.AUTOTUNE,
                deterministic=True,
            )
            .shuffle(min(SHUFFLE_CHUNKS, manifest.records(split)), seed=seed)
            .batch(batch_size, drop_remainder=True)
        )
    parsed = records.map(
        lambda serialized: parse_chunks(serialized, manifest.features),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    return parsed.prefetch(tf.data.AUTOTUNE)


def unreadable_shards(manifest, folder):
    """Paths of the shards that are gone or whose checksums do not hold; reads all of them."""
    damaged = []
    for path in [p for split in manifest.shards for p in manifest.paths(folder, split)]:
        try:
            for _ in tf.data.TFRecordDataset(path).batch(256):
                pass
        except (tf.errors.DataLossError, tf.errors.NotFoundError):
            damaged.append(path)
    return damaged
