"""The paper's way back to audio: kept, and shown to cost what it costs."""

import librosa
import numpy as np
import pytest
import tensorflow as tf

from vocaltrack.config import FeatureConfig
from vocaltrack.features import (
    apply_mask,
    inverse_stft,
    mel_power,
    stft,
    waveform_to_log_mel,
)
from vocaltrack.griffin_lim import GriffinLimStream, griffin_lim, mel_power_to_audio
from vocaltrack.metrics import si_sdr
from vocaltrack.targets import proportion_mask

CONFIG = FeatureConfig()


def noise(*shape):
    return np.random.default_rng(0).normal(0.0, 0.1, shape).astype(np.float32)


def streamed(audio, cut, rate=4000, n_fft=256):
    """Through a `GriffinLimStream` in blocks of `cut` samples."""
    stream = GriffinLimStream(audio.shape[1], rate, n_fft)
    starts = range(0, len(audio), cut)
    return np.concatenate([stream.push(audio[i : i + cut], i == starts[-1]) for i in starts])


@pytest.mark.parametrize("samples", (1500, 2048, 2049, 5000))
def test_keeps_the_length(samples):
    audio = griffin_lim(noise(samples), 1024)
    assert audio.shape == (samples,)
    assert audio.dtype == np.float32
    assert np.isfinite(audio).all()
    assert 0.05 < audio.std() < 0.15


@pytest.mark.parametrize("samples", (1, 100, 600, 1023))
def test_takes_less_than_one_window_without_a_warning(samples):
    audio = griffin_lim(noise(samples), 1024)
    assert audio.shape == (samples,)
    assert np.isfinite(audio).all()


def test_silence_stays_silent():
    audio = griffin_lim(np.zeros(2500, np.float32), 1024)
    np.testing.assert_array_equal(audio, np.zeros(2500, np.float32))


def test_is_deterministic():
    audio = noise(4000)
    np.testing.assert_array_equal(griffin_lim(audio, 1024), griffin_lim(audio, 1024))


def test_a_perfect_mask_is_useless_without_the_phase(example):
    """Defect 3: an estimate of the right spectrum and any phase has about -3 dB."""
    vocals, accompaniment = example["vocals"], example["accompaniment"]
    stems = [waveform_to_log_mel(tf.constant(stem), CONFIG) for stem in (vocals, accompaniment)]
    mixture = stft(tf.constant(example["mixture"]), CONFIG)
    spectrum = apply_mask(mixture, proportion_mask(*stems, CONFIG), CONFIG)
    with_phase = inverse_stft(spectrum, len(vocals), CONFIG).numpy()
    without = griffin_lim(with_phase, CONFIG.n_fft)

    def sdr(estimate):
        return 10 * np.log10(np.sum(vocals**2) / np.sum((vocals - estimate) ** 2))

    assert sdr(with_phase) == pytest.approx(13.80, abs=0.5)
    assert sdr(without) == pytest.approx(-3.31, abs=0.5)
    assert si_sdr(vocals, with_phase) == pytest.approx(13.63, abs=0.5)
    assert si_sdr(vocals, without) < -15.0
    # The magnitudes are right all the same: it is only the phase that is lost.
    magnitudes = np.abs(stft(tf.constant(without), CONFIG).numpy()), np.abs(spectrum.numpy())
    assert sdr_of_magnitudes(*magnitudes) > 10.0


def sdr_of_magnitudes(found, wanted):
    return 10 * np.log10(np.sum(wanted**2) / np.sum((wanted - found) ** 2))


@pytest.mark.parametrize("samples", (1, 300, 4000 * 10 + 399, 4000 * 10 + 400, 4000 * 23))
def test_the_stream_keeps_length_and_level_however_it_is_cut(samples):
    audio = noise(samples, 2)
    whole = streamed(audio, samples)
    assert whole.shape == audio.shape and whole.dtype == np.float32
    for cut in (samples // 3 + 1, 17001):
        np.testing.assert_array_equal(streamed(audio, cut), whole)
    if samples >= 4000:
        levels = [part.std() for part in np.array_split(whole, max(1, samples // 2000))]
        assert 0.08 < min(levels) and max(levels) < 0.12


def test_segments_of_the_stream_fade_into_each_other():
    """No step where they meet, and no more or less power than elsewhere."""
    time = np.arange(4000 * 21) / 4000
    audio = np.sin(2 * np.pi * 200 * time).astype(np.float32)[:, np.newaxis]
    out = streamed(audio, 5000)[:, 0]
    steepest = 2 * np.pi * 200 / 4000
    for seam in (40000, 80000):
        assert np.abs(np.diff(out[seam - 500 : seam + 900])).max() < 2.5 * steepest
    # Where two sines of any phases meet, their sum has at most twice the power of each.
    assert np.abs(out[38000:42000]).max() < 2**0.5 * np.abs(out[20000:24000]).max() * 1.1
    # Two noises have the power of each throughout the tenth of a second that they fade in.
    out = streamed(noise(len(time), 1), 5000)
    for seam in (40000, 80000):
        assert out[seam : seam + 400].std() == pytest.approx(out.std(), rel=0.2)


def test_the_stream_begins_as_griffin_lim_of_its_first_segment():
    audio = noise(4000 * 12, 1)
    first = griffin_lim(audio[:40400, 0], 256)
    np.testing.assert_array_equal(streamed(audio, 4000)[:40000, 0], first[:40000])


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
