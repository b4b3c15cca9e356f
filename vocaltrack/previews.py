"""TensorBoard pictures and audio of a few validation chunks."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from vocaltrack.griffin_lim import mel_power_to_audio
from vocaltrack.models import vocals_mask
from vocaltrack.pipeline import batches
from vocaltrack.shards import CHUNKS_PER_EXCERPT
from vocaltrack.silence import as_heard
from vocaltrack.targets import proportion_mask

CHUNKS = 4


class MaskPreviews(keras.callbacks.Callback):
    """Shows, after each epoch, the spectrogram, the target mask and the
    predicted mask of four validation chunks, each of another excerpt, side
    by side, and plays their mixture, target and estimate.

    The sound is rebuilt from the mel power that the records hold, by
    Griffin-Lim: good enough to hear who sings, no measure of quality.

    Args:
        folder: of the TensorBoard logs.
        manifest: `Manifest` of the records.
        records: folder of the records.
    """

    def __init__(self, folder, manifest, records):
        super().__init__()
        self.features = manifest.features
        self.folder = str(Path(folder) / "previews")
        batch = next(iter(batches(manifest, records, "valid", CHUNKS * CHUNKS_PER_EXCERPT)))
        chunks = {name: stream[::CHUNKS_PER_EXCERPT] for name, stream in batch.items()}
        self.mixture = chunks["mixture"]
        self.target = proportion_mask(chunks["vocals"], chunks["accompaniment"], self.features)

    def on_train_begin(self, logs=None):
        goes_on = Path(self.folder).exists()
        self.writer = tf.summary.create_file_writer(self.folder)
        if goes_on:
            return
        with self.writer.as_default(step=0):
            self._play("mixture", tf.ones_like(self.mixture))
            self._play("target", self.target)

    def on_epoch_end(self, epoch, logs=None):
        if isinstance(self.model.output, dict) and "masks" not in self.model.output:
            return
        mask = vocals_mask(self.model, as_heard(self.mixture, self.features))
        panels = [_to_unit(self.mixture), self.target, mask]
        pictures = tf.concat([_upright(panel) for panel in panels], axis=2)
        with self.writer.as_default(step=epoch):
            tf.summary.image("log-mel, target mask, predicted mask", pictures, max_outputs=CHUNKS)
            self._play("estimate", mask)

    def on_train_end(self, logs=None):
        self.writer.close()

    def _play(self, name, mask):
        power = tf.pow(10.0, self.mixture / 10.0) * mask
        audio = np.stack([mel_power_to_audio(chunk, self.features) for chunk in power.numpy()])
        rate = self.features.sample_rate
        tf.summary.audio(name, audio[..., np.newaxis], rate, max_outputs=CHUNKS)


def _to_unit(decibels):
    low = tf.reduce_min(decibels, axis=(1, 2), keepdims=True)
    high = tf.reduce_max(decibels, axis=(1, 2), keepdims=True)
    return (decibels - low) / tf.maximum(high - low, 1.0)


def _upright(panel):
    """[batch, time, mel] to a picture with time rightwards and pitch upwards."""
    picture = tf.reverse(tf.transpose(panel, [0, 2, 1]), axis=[1])[..., tf.newaxis]
    return tf.pad(picture, [[0, 0], [0, 0], [0, 4], [0, 0]], constant_values=1.0)
