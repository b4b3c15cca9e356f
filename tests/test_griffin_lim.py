"""The paper's way back to audio: kept, and shown to cost what it costs."""

import librosa
import numpy as np
import pytest
import tensorflow as tf

from vocaltrack.config import FeatureConfig
from vocaltrack.features import inverse_stft, mel_power, stft, waveform_to_log_mel
from vocaltrack.griffin_lim import griffin_lim, mel_power_to_audio
from vocaltrack.masks import apply_mask, proportion_mask
from vocaltrack.metrics import si_sdr

CONFIG = FeatureConfig()


def noise_spectrum(samples):
    audio = np.random.default_rng(0).normal(0.0, 0.1, samples).astype(np.float32)
    return stft(tf.constant(audio), CONFIG).numpy()


@pytest.mark.parametrize("samples", (1500, 2048, 2049, 5000))
def test_keeps_the_length(samples):
    audio = griffin_lim(noise_spectrum(samples), samples, CONFIG)
    assert audio.shape == (samples,)
    assert audio.dtype == np.float32
    assert np.isfinite(audio).all()
    assert 0.05 < audio.std() < 0.15


@pytest.mark.filterwarnings("ignore:n_fft=.* is too large for input signal:UserWarning")
@pytest.mark.parametrize("samples", (1, 100, 600, 1023))
def test_takes_less_than_one_window(samples):
    audio = griffin_lim(noise_spectrum(samples), samples, CONFIG)
    assert audio.shape == (samples,)
    assert np.isfinite(audio).all()


def test_silence_stays_silent():
    audio = griffin_lim(np.zeros((20, 513), np.complex64), 2500, CONFIG)
    np.testing.assert_array_equal(audio, np.zeros(2500, np.float32))


def test_is_determined_by_the_seed():
    spectrum = noise_spectrum(4000)
    first, again, other = (griffin_lim(spectrum, 4000, CONFIG, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


def test_a_perfect_mask_is_useless_without_the_phase(example):
    """Defect 3: an estimate of the right spectrum and any phase has about -3 dB."""
    vocals, accompaniment = example["vocals"], example["accompaniment"]
    stems = [waveform_to_log_mel(tf.constant(stem), CONFIG) for stem in (vocals, accompaniment)]
    mixture = stft(tf.constant(example["mixture"]), CONFIG)
    spectrum = apply_mask(mixture, proportion_mask(*stems, CONFIG), CONFIG)
    with_phase = inverse_stft(spectrum, len(vocals), CONFIG).numpy()
    without = griffin_lim(spectrum.numpy(), len(vocals), CONFIG)

    def sdr(estimate):
        return 10 * np.log10(np.sum(vocals**2) / np.sum((vocals - estimate) ** 2))

    assert sdr(with_phase) == pytest.approx(13.80, abs=0.5)
    assert sdr(without) == pytest.approx(-2.67, abs=0.5)
    assert si_sdr(vocals, with_phase) == pytest.approx(13.63, abs=0.5)
    assert si_sdr(vocals, without) < -15.0
    # The magnitudes are right all the same: it is only the phase that is lost.
    magnitudes = np.abs(stft(tf.constant(without), CONFIG).numpy()), np.abs(spectrum.numpy())
    assert sdr_of_magnitudes(*magnitudes) > 10.0


def sdr_of_magnitudes(found, wanted):
    return 10 * np.log10(np.sum(wanted**2) / np.sum((wanted - found) ** 2))


def test_mel_power_to_audio_has_the_mel_power():
    time = np.arange(8000) / 16000
    tone = (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    audio = mel_power_to_audio(mel_power(stft(tf.constant(tone), CONFIG), CONFIG).numpy(), CONFIG)
    assert audio.dtype == np.float32
    assert len(audio) == 8000 // 128 * 128
    spectrum = np.abs(librosa.stft(audio, n_fft=1024)).sum(axis=1)
    assert spectrum.argmax() * 16000 / 1024 == pytest.approx(440, abs=16000 / 1024)
    assert audio.std() == pytest.approx(tone.std(), rel=0.15)


def test_mel_power_to_audio_is_never_over_full_scale():
    loud = np.full((30, 128), 1e4, np.float32)
    assert np.abs(mel_power_to_audio(loud, CONFIG)).max() == pytest.approx(1.0)
