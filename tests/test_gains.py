"""A mel mask as a gain at the mixture's own rate: bands, times, levels, cuts."""

import numpy as np
import pytest
import tensorflow as tf

from tests.sounds import rising
from vocaltrack.config import FeatureConfig
from vocaltrack.features import apply_mask, inverse_stft, stft
from vocaltrack.gains import BATCH_FRAMES, GainStream, window_length
from vocaltrack.mel import mel_centres

CONFIG = FeatureConfig()
RATES = (8000, 11025, 16000, 44100, 48000, 192000)
FRAMES_A_SECOND = 125


def noise(samples, channels=1, seed=0):
    white = np.random.default_rng(seed).normal(0.0, 0.12, (samples - 2, channels))
    return rising(white).astype(np.float32)


def constant_mask(samples, rate, gain=1.0):
    return np.full((1 + samples * FRAMES_A_SECOND // rate, 128), gain, np.float32)


def filtered(audio, mask, rate, audio_cut=None, mask_cut=None):
    """Through a `GainStream` in blocks of these lengths."""
    stream = GainStream(audio.shape[1], rate, CONFIG)
    audio_cut, mask_cut = audio_cut or len(audio), mask_cut or len(mask)
    count = max(-(-len(audio) // audio_cut), -(-len(mask) // mask_cut))
    parts = [
        stream.push(
            audio[i * audio_cut : (i + 1) * audio_cut],
            mask[i * mask_cut : (i + 1) * mask_cut],
            i == count - 1,
        )
        for i in range(count)
    ]
    return np.concatenate(parts)


def sine(hertz, seconds, rate):
    return np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)[:, np.newaxis] * 0.5


def change_db(audio, mask, rate):
    """Level after the mask relative to before, away from the edges."""
    middle = slice(rate // 4, -rate // 4)
    after = filtered(audio, mask, rate)[middle]
    return 20 * np.log10(np.std(after) / np.std(audio[middle]) + 1e-12)


@pytest.mark.parametrize("rate", RATES)
def test_the_window_lasts_64_ms(rate):
    size = window_length(rate, CONFIG)
    assert size % 4 == 0
    assert size / rate == pytest.approx(0.064, rel=0.03)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("samples", (4, 257, 1023, 1025, 30011))
def test_a_mask_of_ones_returns_the_input(rate, samples):
    audio = noise(samples, 2)
    vocals = filtered(audio, constant_mask(samples, rate), rate)
    assert vocals.shape == audio.shape and vocals.dtype == np.float32
    np.testing.assert_allclose(vocals, audio, atol=1e-5)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("samples", (1, 2))
def test_a_mask_of_ones_returns_a_click_but_for_its_offset(rate, samples):
    audio = np.float32([[0.9, -0.5], [0.8, 0.3]])[:samples]
    vocals = filtered(audio, constant_mask(samples, rate), rate)
    share = 3 / window_length(rate, CONFIG)  # bins 0, 1 and -1 of all
    np.testing.assert_allclose(vocals, audio, atol=2 * share)
    assert np.abs(vocals - audio).max() > 0.1 * share


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(("hertz", "decibels"), ((0, -120), (5, -40), (10, -25), (50, -0.3)))
def test_no_mask_lets_through_what_lies_below_hearing(rate, hertz, decibels):
    rumble = np.cos(2 * np.pi * hertz * np.arange(3 * rate) / rate)[:, np.newaxis]
    inside = slice(rate // 4, -rate // 4)
    passed = filtered(rumble, constant_mask(len(rumble), rate), rate)[inside]
    change = 20 * np.log10(np.sqrt(np.mean(passed**2) / np.mean(rumble[inside] ** 2)) + 1e-9)
    assert change > decibels if hertz > 20 else change < decibels


@pytest.mark.parametrize("rate", (8000, 44100))
@pytest.mark.parametrize("gain", (0.0, 0.3, 0.7))
def test_a_constant_mask_scales(rate, gain):
    audio = noise(20001, 3)
    vocals = filtered(audio, constant_mask(20001, rate, gain), rate)
    np.testing.assert_allclose(vocals, gain * audio, atol=1e-5)


@pytest.mark.parametrize("rate", (11025, 16000, 44100))
def test_the_cuts_do_not_matter(rate):
    """Audio may come before its mask, or after it, or at the very end."""
    samples = 2 * rate + 77
    audio = noise(samples, 2, seed=1)
    mask = np.random.default_rng(2).random((1 + samples * 125 // rate, 128), np.float32)
    whole = filtered(audio, mask, rate)
    for cuts in ((1000, 1), (331, 200), (rate, 7), (samples, 3), (5000, len(mask)), (4099, 50)):
        np.testing.assert_allclose(filtered(audio, mask, rate, *cuts), whole, atol=1e-6)


def test_more_windows_than_a_batch():
    samples = 256 * BATCH_FRAMES * 2 + 3
    audio = noise(samples)
    vocals = filtered(audio, constant_mask(samples, 16000, 0.5), 16000)
    np.testing.assert_allclose(vocals, 0.5 * audio, atol=1e-5)


def test_nothing_comes_out_before_the_mask_is_known():
    stream = GainStream(1, 16000, CONFIG)
    nothing = np.zeros((0, 128), np.float32)
    assert len(stream.push(noise(16000), nothing)) == 0
    known = len(stream.push(noise(16000), constant_mask(8000, 16000)))
    assert 4000 < known <= 8000
    rest = len(stream.push(noise(10), constant_mask(24010, 16000), last=True))
    assert known + rest == 32010


def test_a_mask_shorter_or_longer_than_the_audio_does_no_harm():
    """Resampling rounds the network's number of samples up or down."""
    audio = noise(16000)
    for frames in (1, 120, 126, 140):
        vocals = filtered(audio, np.full((frames, 128), 0.5, np.float32), 16000)
        np.testing.assert_allclose(vocals, 0.5 * audio, atol=1e-5)


@pytest.mark.parametrize("rate", (16000, 44100, 48000))
@pytest.mark.parametrize(
    ("hertz", "decibels"), ((440, -60), (900, -60), (1300, 0), (2000, 0), (3500, -60), (7000, -60))
)
def test_bands_pass_a_sine_in_them_and_stop_one_outside(rate, hertz, decibels):
    mask = constant_mask(rate, rate)
    mask[:, (mel_centres(CONFIG) < 1100) | (mel_centres(CONFIG) > 2600)] = 0.0
    change = change_db(sine(hertz, 1, rate), mask, rate)
    assert change == pytest.approx(0.0, abs=0.05) if decibels == 0 else change < decibels


@pytest.mark.parametrize("rate", (44100, 48000, 192000))
@pytest.mark.parametrize("hertz", (8500, 12000, 19000))
def test_above_8_khz_the_mean_from_6_khz_on_counts(rate, hertz):
    high = mel_centres(CONFIG) >= 6000
    mask = constant_mask(rate, rate, 0.0)
    mask[:, high] = np.linspace(0.2, 1.0, high.sum())
    expected = 20 * np.log10(0.6)
    assert change_db(sine(hertz, 1, rate), mask, rate) == pytest.approx(expected, abs=0.05)
    mask[:, high], mask[:, ~high] = 0.0, 1.0
    assert change_db(sine(hertz, 1, rate), mask, rate) < -80


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("seconds", (0.5, 1.0))
def test_a_mask_that_switches_switches_the_sound_at_that_time(rate, seconds):
    audio = noise(int(1.7 * rate))
    mask = constant_mask(len(audio), rate)
    mask[int(seconds * FRAMES_A_SECOND) :] = 0.0
    vocals = filtered(audio, mask, rate)
    before, after = (int((seconds + shift) * rate) for shift in (-0.064, 0.064))
    np.testing.assert_allclose(vocals[:before], audio[:before], atol=1e-5)
    assert not vocals[after:].any() or np.abs(vocals[after:]).max() < 1e-5
    # Half of it on either side, to 20 ms: windows are 16 ms apart.
    around = slice(before, after)
    passed = np.sum(vocals[around] * audio[around]) / np.sum(audio[around] ** 2)
    assert passed == pytest.approx(0.5, abs=0.16)


@pytest.mark.parametrize("rate", RATES)
def test_a_rising_mask_is_where_its_frames_are_to_half_a_millisecond(rate):
    """Frame k lies around 8 k ms, as those of a centred STFT do."""
    audio = noise(2 * rate)
    mask = constant_mask(len(audio), rate)
    slope = 0.5  # per second
    mask *= slope * np.arange(len(mask), dtype=np.float32)[:, np.newaxis] / FRAMES_A_SECOND
    inside = slice(rate // 4, -rate // 4)
    expected = audio * slope * np.arange(len(audio))[:, np.newaxis] / rate
    later = (expected - filtered(audio, mask, rate))[inside] * audio[inside]
    seconds = np.sum(later) / np.sum(audio[inside] ** 2) / slope
    assert seconds == pytest.approx(0.0, abs=5e-4)


def test_equals_the_stft_of_the_features_for_a_smooth_mask():
    """Whose hop is half as long."""
    rng = np.random.default_rng(3)
    audio = noise(48001, seed=4)
    times = np.arange(376)[:, np.newaxis] / FRAMES_A_SECOND
    speeds, phases = rng.uniform(0, 1, 128), np.arange(128) / 20
    mask = (0.5 + 0.5 * np.sin(2 * np.pi * speeds * times + phases)).astype(np.float32)
    spectrum = apply_mask(stft(tf.constant(audio[:, 0]), CONFIG), tf.constant(mask), CONFIG)
    expected = inverse_stft(spectrum, len(audio), CONFIG).numpy()
    error = filtered(audio, mask, 16000)[:, 0] - expected
    assert 20 * np.log10(np.std(error) / np.std(expected)) < -40


def test_channels_are_filtered_one_by_one():
    audio = noise(9000, 3)
    mask = np.random.default_rng(5).random((71, 128), np.float32)
    together = filtered(audio, mask, 16000)
    for channel in range(3):
        alone = filtered(audio[:, channel : channel + 1], mask, 16000)
        np.testing.assert_allclose(together[:, channel : channel + 1], alone, atol=1e-6)
