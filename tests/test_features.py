"""STFT and log-mel against librosa; the way back is exact."""

import librosa
import numpy as np
import pytest
import tensorflow as tf

from tests.librosa_features import librosa_log_mel
from vocaltrack.config import FeatureConfig
from vocaltrack.features import (
    inverse_stft,
    mel_power,
    power_to_db,
    stft,
    waveform_to_log_mel,
)
from vocaltrack.mel import mel_centres, mel_filterbank

FFT_SIZES = (512, 1024, 2048)
LENGTHS = (1, 2, 127, 128, 129, 1000, 16384, 16385)


def noise(samples, seed=0):
    return np.random.default_rng(seed).normal(0.0, 0.3, samples).astype(np.float32)


@pytest.mark.filterwarnings("ignore:n_fft=.* is too large for input signal:UserWarning")
@pytest.mark.parametrize("n_fft", FFT_SIZES)
@pytest.mark.parametrize("samples", (1, 128, 5000, 16384))
def test_stft_equals_librosa(n_fft, samples):
    config = FeatureConfig(n_fft=n_fft)
    audio = noise(samples)
    expected = librosa.stft(
        audio, n_fft=n_fft, hop_length=config.hop_length, center=True, pad_mode="constant"
    ).T
    spectrum = stft(tf.constant(audio), config).numpy()
    assert spectrum.shape == (1 + samples // 128, 1 + n_fft // 2)
    assert np.abs(spectrum - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("n_fft", FFT_SIZES)
def test_log_mel_equals_librosa_on_noise(n_fft):
    config = FeatureConfig(n_fft=n_fft)
    audio = noise(20000)
    audio[8000:14000] = 0.0
    log_mel = waveform_to_log_mel(tf.constant(audio), config).numpy()
    expected = librosa_log_mel(audio, config)
    assert log_mel.shape == expected.shape == (157, 128)
    assert np.abs(log_mel - expected).max() < 1e-4
    assert log_mel.min() == pytest.approx(-70.0, abs=1e-4)


@pytest.mark.parametrize("n_fft", FFT_SIZES)
def test_log_mel_equals_librosa_on_music(n_fft, example):
    config = FeatureConfig(n_fft=n_fft)
    audio = example["mixture"][:48000]
    log_mel = waveform_to_log_mel(tf.constant(audio), config).numpy()
    expected = librosa_log_mel(audio, config)
    error = np.abs(log_mel - expected)
    # The faintest bins carry the rounding of TensorFlow's float32 FFT.
    assert error[expected > expected.max() - 60.0].max() < 1e-4
    assert error.max() < 1e-3
    assert error.mean() < 1e-5


@pytest.mark.parametrize("n_fft", FFT_SIZES)
@pytest.mark.parametrize("samples", LENGTHS)
def test_round_trip_is_exact_at_every_sample(n_fft, samples):
    """Defect 4 of the paper's code: 128 frames came back as 16256 samples."""
    config = FeatureConfig(n_fft=n_fft)
    audio = noise(samples, seed=samples)
    back = inverse_stft(stft(tf.constant(audio), config), samples, config).numpy()
    assert back.shape == (samples,)
    assert np.abs(back - audio).max() < 1e-5


def test_round_trip_keeps_an_impulse_in_place():
    config = FeatureConfig()
    audio = np.zeros(3 * 16384, np.float32)
    audio[[0, 16256, 16384, 32768, len(audio) - 1]] = 1.0
    back = inverse_stft(stft(tf.constant(audio), config), len(audio), config).numpy()
    assert np.abs(back - audio).max() < 1e-5


def test_channels_are_transformed_one_by_one():
    config = FeatureConfig()
    audio = np.stack([noise(3000, 1), noise(3000, 2)])
    both = stft(tf.constant(audio), config)
    for channel in (0, 1):
        alone = stft(tf.constant(audio[channel]), config).numpy()
        np.testing.assert_allclose(both[channel].numpy(), alone, atol=1e-4)
    assert np.abs(inverse_stft(both, 3000, config).numpy() - audio).max() < 1e-5
    assert waveform_to_log_mel(tf.constant(audio), config).shape == (2, 24, 128)


def test_traces_with_an_unknown_length():
    config = FeatureConfig()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def round_trip(waveform):
        return inverse_stft(stft(waveform, config), tf.shape(waveform)[0], config)

    for samples in (1, 777, 16385):
        audio = noise(samples)
        assert np.abs(round_trip(tf.constant(audio)).numpy() - audio).max() < 1e-5


def test_mel_power_is_of_the_power_not_of_the_magnitude():
    """The paper's code had (mel @ |STFT|)^2."""
    config = FeatureConfig()
    magnitude = np.abs(np.random.default_rng(0).normal(size=(3, 513))).astype(np.float32)
    power = mel_power(tf.constant(magnitude, tf.complex64), config).numpy()
    np.testing.assert_allclose(power, magnitude**2 @ mel_filterbank(config).T, rtol=1e-5)


@pytest.mark.parametrize("hop", (64, 100, 128, 500, 513))
def test_the_margin_is_as_many_frames_as_reach_beyond_an_end(hop):
    config = FeatureConfig(n_fft=1024, hop_length=hop)
    first = config.margin_frames  # that lies within the audio
    assert (first - 1) * hop - 512 < 0 <= first * hop - 512


def test_power_to_db():
    config = FeatureConfig(power_floor=1e-7)
    decibels = power_to_db(tf.constant([1.0, 0.1, 100.0, 1e-9, 0.0]), config).numpy()
    np.testing.assert_allclose(decibels, [0.0, -10.0, 20.0, -70.0, -70.0], atol=1e-4)


def test_mel_centres_are_where_the_triangles_peak():
    config = FeatureConfig(n_fft=8192)
    centres = mel_centres(config)
    peaks = mel_filterbank(config).argmax(axis=1) * config.sample_rate / config.n_fft
    assert centres.shape == (128,)
    assert np.abs(centres - peaks).max() <= config.sample_rate / config.n_fft


@pytest.mark.parametrize(("n_fft", "rank"), ((512, 115), (1024, 128), (2048, 128)))
def test_rank_of_the_mel_matrix(n_fft, rank):
    """Defect 12: at 512 it cannot be inverted, and nothing here tries to."""
    assert np.linalg.matrix_rank(mel_filterbank(FeatureConfig(n_fft=n_fft))) == rank


def test_a_part_has_the_features_of_the_whole():
    """The original's power_to_db cut off at 80 dB below the loudest of each call."""
    rng = np.random.default_rng(7)
    whole = rng.normal(0, 1e-4, 64000).astype(np.float32)
    whole[:16000] *= 1e4
    config = FeatureConfig()
    all_frames = waveform_to_log_mel(whole, config).numpy()
    part_frames = waveform_to_log_mel(whole[32000:], config).numpy()
    margin = config.n_fft // config.hop_length
    np.testing.assert_allclose(all_frames[250 + margin :], part_frames[margin:], atol=2e-3)
    assert all_frames[:100].mean() - all_frames[260:].mean() > 45.0
