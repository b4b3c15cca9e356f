"""The whole way from audio to vocals and accompaniment."""

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from tests.paths import EXAMPLE, SAVED_MODELS
from vocaltrack.errors import UserError
from vocaltrack.metrics import level_db, si_sdr
from vocaltrack.separator import Separator

# SI-SDR in dB of the shipped models on the bundled example; the mixture has -1.04.
SHIPPED = {"dc": 7.08, "hdc": 8.19, "unet": 8.30, "uhnet": 8.77}


@pytest.fixture(scope="module")
def example():
    return {
        name: soundfile.read(EXAMPLE / f"{name}.flac", dtype="float32")[0]
        for name in ("mixture", "vocals", "accompaniment")
    }


@pytest.fixture(scope="module")
def unet():
    return Separator("unet")


def test_the_example_is_the_sum_of_its_stems(example):
    np.testing.assert_array_equal(example["vocals"] + example["accompaniment"], example["mixture"])
    assert si_sdr(example["vocals"], example["mixture"]) == pytest.approx(-1.04, abs=0.05)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_keep_their_quality(example, name):
    separation = Separator(name).separate(example["mixture"], 16000)
    assert si_sdr(example["vocals"], separation.vocals) == pytest.approx(SHIPPED[name], abs=0.1)


def test_the_waveform_signature_gives_the_same_as_the_separator(example, unet):
    mixture = example["mixture"][: 16000 * 5]
    loaded = tf.saved_model.load(str(SAVED_MODELS / "unet"))
    served = loaded.signatures["serving_default"](waveform=tf.constant(mixture[np.newaxis]))
    separation = unet.separate(mixture, 16000)
    np.testing.assert_allclose(served["vocals"][0], separation.vocals, atol=1e-4)


@pytest.mark.parametrize("samples", [1, 100, 1024, 16383, 16385])
@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2), (8000, 3)])
def test_length_rate_and_channels_are_kept(unet, samples, rate, channels):
    audio = np.random.default_rng(0).normal(0, 0.1, (samples, channels)).astype(np.float32)
    separation = unet.separate(audio, rate)
    assert separation.vocals.shape == audio.shape
    np.testing.assert_allclose(separation.vocals + separation.accompaniment, audio, atol=1e-6)
    assert np.isfinite(separation.vocals).all()


def test_channels_keep_their_balance(example, unet):
    """One mask for both channels: the right one at half level stays at half."""
    mono = example["mixture"][: 16000 * 3]
    vocals = unet.separate(np.stack([mono, 0.5 * mono], axis=1), 16000).vocals
    np.testing.assert_allclose(vocals[:, 1], 0.5 * vocals[:, 0], atol=1e-5)


def test_silence_stays_silent(unet):
    assert not unet.separate(np.zeros(30000, np.float32), 16000).vocals.any()


def test_griffin_lim_is_the_papers_and_far_below_the_mixture_phase(example):
    short = {name: audio[: 16000 * 8] for name, audio in example.items()}
    scores = {
        phase: si_sdr(
            short["vocals"], Separator("unet", phase=phase).separate(short["mixture"], 16000).vocals
        )
        for phase in ("mixture", "griffinlim")
    }
    assert scores["griffinlim"] < -10 < 0 < scores["mixture"]


@pytest.mark.parametrize(("name", "method"), [("dc", None), ("hdc", "clusters")])
def test_the_clusters_swap(example, name, method):
    short = example["mixture"][: 16000 * 6]
    mask = Separator(name, method).separate(short, 16000).mask
    swapped = Separator(name, method, swap=True).separate(short, 16000).mask
    assert 0.02 < mask.mean() < 0.98
    np.testing.assert_allclose(mask + swapped, 1.0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "method", "decibels"),
    [("dc", None, -10), ("hdc", None, -17), ("hdc", "clusters", -100), ("uhnet", None, -15)],
)
def test_music_without_vocals_comes_out_nearly_silent(example, name, method, decibels):
    music = example["accompaniment"]
    vocals = Separator(name, method).separate(music, 16000).vocals
    assert level_db(vocals) < level_db(music) + decibels


def test_a_method_the_model_lacks_is_refused():
    with pytest.raises(UserError, match="unet has no clusters"):
        Separator("unet", method="clusters")
    with pytest.raises(UserError, match="dc has no head"):
        Separator("dc", method="head")
    with pytest.raises(UserError, match="only clusters can be swapped"):
        Separator("unet", swap=True)
