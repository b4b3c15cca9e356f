"""tf.data from TFRecord shards to training batches."""

import tensorflow as tf

from vocaltrack.masks import binary_mask, proportion_mask, sounding
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


def corrupt_shards(manifest, folder):
    """Paths of the shards whose checksums do not hold; reads all of them."""
    damaged = []
    for path in [p for split in manifest.shards for p in manifest.paths(folder, split)]:
        try:
            for _ in tf.data.TFRecordDataset(path).batch(256):
                pass
        except tf.errors.DataLossError:
            damaged.append(path)
    return damaged


def power_weight(mixture_db, exponent):
    """Weights of the mask loss: the mixture's mel power to an exponent.

    The weights of each chunk have mean 1, so that quiet chunks count as much
    as loud ones. An exponent of 0 weighs all bins alike.

    Args:
        mixture_db: float32 [batch, time, mel] in dB.
        exponent: 0 to 1.

    Returns:
        float32 [batch, time, mel].
    """
    loudest = tf.reduce_max(mixture_db, axis=(1, 2), keepdims=True)
    weight = tf.pow(10.0, (mixture_db - loudest) * (exponent / 10.0))
    return weight / tf.reduce_mean(weight, axis=(1, 2), keepdims=True)


def mask_examples(dataset, config, exponent):
    """Examples for a network with a mask output (unet, uhnet).

    Returns:
        dataset of (log_mel, target mask, weight), float32
        [batch, time, mel], the target with a last axis of 1.
    """

    def example(chunk):
        target = proportion_mask(chunk["vocals"], chunk["accompaniment"], config)
        weight = power_weight(chunk["mixture"], exponent)
        return chunk["mixture"], target[..., tf.newaxis], weight

    return dataset.map(example, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)


def clustering_examples(dataset, config, exponent, with_masks):
    """Examples for the clustering networks (dc, hdc).

    Args:
        dataset: what `batches` returns.
        config: `FeatureConfig`.
        exponent: of the mask loss's weights, see `power_weight`.
        with_masks: whether the network has the mask head.

    Returns:
        dataset of (log_mel, targets, weights); targets["embeddings"] is
        float32 [batch, time, mel, 2]: the binary mask, and 1 where the
        mixture sounds; targets["masks"] and weights["masks"] are as in
        `mask_examples`.
    """

    def example(chunk):
        binary = binary_mask(chunk["vocals"], chunk["accompaniment"])
        loudest = tf.reduce_max(chunk["mixture"], axis=(1, 2), keepdims=True)
        weight = tf.cast(sounding(chunk["mixture"], loudest, config), tf.float32)
        targets = {"embeddings": tf.stack([binary, weight], axis=-1)}
        weights = {"embeddings": tf.ones(tf.shape(binary)[:1])}
        if with_masks:
            share = proportion_mask(chunk["vocals"], chunk["accompaniment"], config)
            targets["masks"] = tf.stack([share, 1.0 - share], axis=-1)
            weights["masks"] = power_weight(chunk["mixture"], exponent)
        return chunk["mixture"], targets, weights

    return dataset.map(example, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)
