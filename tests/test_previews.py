"""What TensorBoard shows and plays of validation chunks; its tags and steps are in
test_training.py."""

from types import SimpleNamespace

import numpy as np
import tensorflow as tf

from vocaltrack import previews
from vocaltrack.config import STREAMS, FeatureConfig
from vocaltrack.shards import CHUNKS_PER_EXCERPT
from vocaltrack.silence import as_heard

FEATURES = FeatureConfig(n_fft=256, hop_length=64, n_mels=16, chunk_frames=16)


def test_the_network_shows_what_it_makes_of_what_it_hears(monkeypatch, tmp_path):
    """Without silence and empty bands, as it is served; the spectrogram beside it is that of
    the records."""
    shape = (previews.CHUNKS * CHUNKS_PER_EXCERPT, 16, 16)
    rng = np.random.default_rng(0)
    streams = {name: rng.uniform(-20, 20, shape).astype(np.float32) for name in STREAMS}
    for stream in streams.values():
        stream[:, :3] = stream[:, :, -2:] = FEATURES.floor_db
    chunks = streams["mixture"]
    flat = chunks[-CHUNKS_PER_EXCERPT]
    flat[:], flat[8, 8] = 0.0, 0.5
    records, heard, played = {name: tf.constant(s) for name, s in streams.items()}, [], []

    estimate = np.full((previews.CHUNKS, 16, 16), 0.25, np.float32)
    estimate[:, :, 0] = 1.0  # the lowest band

    def mask(model, log_mel):
        heard.append(np.asarray(log_mel))
        return tf.constant(estimate)

    def sound(power, features):
        played.append(power)
        return np.zeros(1000, np.float32)

    monkeypatch.setattr(previews, "batches", lambda *_: iter([records]))
    monkeypatch.setattr(previews, "vocals_mask", mask)
    monkeypatch.setattr(previews, "mel_power_to_audio", sound)
    shown = previews.MaskPreviews(tmp_path, SimpleNamespace(features=FEATURES), tmp_path)
    shown.set_model(SimpleNamespace(output=None))
    shown.on_train_begin()
    shown.on_epoch_end(0)
    apart = chunks[::CHUNKS_PER_EXCERPT]
    np.testing.assert_array_equal(heard, [as_heard(apart, FEATURES)])
    assert np.all(heard[0][:, :3, :-2] > -20) and np.all(heard[0][..., -2:] > -50)
    np.testing.assert_array_equal(shown.mixture, apart)
    louder = (streams["vocals"] - streams["accompaniment"])[::CHUNKS_PER_EXCERPT]
    targets = np.asarray(shown.target)
    assert targets[louder > 15].min() > 0.5 > targets[louder < -15].max()
    power = 10 ** (apart / 10)
    expected = np.concatenate([power, power * shown.target, power * estimate])
    np.testing.assert_allclose(played, expected, rtol=1e-4)
    shown.on_train_end()
    (written,) = (tmp_path / "previews").iterdir()
    shown.on_train_begin()  # of a run that goes on
    assert len(played) == len(expected)
    shown.on_train_end()
    events = tf.compat.v1.train.summary_iterator(str(written))
    values = {value.tag: value for event in events for value in event.summary.value}
    sounds = values["estimate"].tensor.string_val[::2]  # each before its label
    assert len(sounds) == previews.CHUNKS
    assert tf.audio.decode_wav(sounds[0]).sample_rate == FEATURES.sample_rate
    _, _, *pictures = values["log-mel, target mask, predicted mask"].tensor.string_val
    assert len(pictures) == previews.CHUNKS  # behind their width and height
    for picture, decibels, target in zip(pictures, apart, targets, strict=True):
        left, middle, right = (
            tf.io.decode_png(picture)[:, start : start + 16, 0].numpy() for start in (0, 20, 40)
        )
        assert np.all(right[-1] == 255) and np.all(right[:-1] < 70)
        low, high = decibels.min(), decibels.max()
        expected = 255 * (decibels - low) / max(high - low, 1.0)
        np.testing.assert_allclose(left, expected.T[::-1], atol=1)
        np.testing.assert_allclose(middle, 255 * target.T[::-1], atol=1)
