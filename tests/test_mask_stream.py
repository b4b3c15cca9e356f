"""The mask of a song that comes in blocks is the mask of the whole song."""

import threading
from concurrent.futures import ThreadPoolExecutor

import librosa
import numpy as np
import pytest
import tensorflow as tf

from vocaltrack.chunks import GROUP, chunk_step, song_mask
from vocaltrack.config import FeatureConfig
from vocaltrack.features import waveform_to_log_mel
from vocaltrack.mask_stream import (
    AT_ONCE,
    ChunkPieces,
    Downmix,
    MaskStream,
    piece_to_chunks,
)

CONFIG = FeatureConfig()
OVERLAPS = (0.0, 0.25, 0.5, 0.75, 0.9)


def smooth(chunks):
    """A made-up network that hears a chunk's beginning and its whole level: it
    answers otherwise for every other way of cutting the song."""
    heard = tf.cumsum(chunks, axis=1) / 2000 + tf.reduce_mean(chunks, [1, 2], keepdims=True) / 10
    return tf.sigmoid(heard + 3.0)


def song(frames, seed=0):
    """Noise that swells, and has so many frames."""
    samples = max(1, (frames - 1) * 128 + 5)
    swell = np.sin(np.arange(samples) / 9000)
    return (np.random.default_rng(seed).normal(0.0, 0.1, samples) * swell).astype(np.float32)


def streamed(wave, overlap, cuts, masks=smooth):
    parts = np.array_split(wave, cuts)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        stream = MaskStream(masks, CONFIG, overlap, pool)
        return np.concatenate([stream.push(part, part is parts[-1]) for part in parts])


def test_the_made_up_network_tells_wrong_cuts_apart():
    frames = waveform_to_log_mel(tf.constant(song(700)), CONFIG)
    later = song_mask(frames[1:], smooth, CONFIG).numpy()
    assert np.abs(song_mask(frames, smooth, CONFIG).numpy()[1:] - later).max() > 0.01


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_blocked_equals_whole_at_all_borders(overlap):
    step = chunk_step(CONFIG, overlap)
    group = GROUP * step  # frames between the starts of groups
    full = group - step + 128  # frames of one full group
    borders = [1, 2, 128, 129, step + 128, group, group + 1, full, full + 1, group + full - 1]
    for frames in [*borders, full + 7, full + 8, full + 9, 2 * group + full + step // 2]:
        wave = song(frames, seed=frames)
        log_mel = waveform_to_log_mel(tf.constant(wave), CONFIG)
        expected = song_mask(log_mel, smooth, CONFIG, overlap).numpy()
        mask = streamed(wave, overlap, cuts=min(len(wave), 7))
        assert mask.shape == expected.shape == (frames, 128)
        np.testing.assert_allclose(mask, expected, atol=1e-4, err_msg=f"{frames} frames")


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_the_cuts_do_not_matter(overlap):
    wave = song(2 * GROUP * chunk_step(CONFIG, overlap) + 50)
    whole = streamed(wave, overlap, 1)
    for cuts in (2, 13, 200):
        again = streamed(wave, overlap, cuts)
        np.testing.assert_allclose(again, whole, atol=1e-6)


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_each_chunk_is_computed_once(overlap):
    sizes = []

    def counting(chunks):
        sizes.append(len(chunks))
        return smooth(chunks)

    step = chunk_step(CONFIG, overlap)
    frames = 3 * GROUP * step + 40
    streamed(song(frames), overlap, 5, counting)
    assert sum(sizes) == 1 + -(-(frames - 128) // step)
    # All but the rest and the last, in whatever order.
    assert sorted(sizes)[0] == 1 and set(sorted(sizes)[2:]) == {GROUP}


def test_the_mask_lags_by_two_groups_at_most():
    block = song(1000)[: 100 * 128]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        stream = MaskStream(smooth, CONFIG, 0.25, pool)
        known = [len(stream.push(block)) for _ in range(80)]
    group = GROUP * chunk_step(CONFIG, 0.25)
    assert set(known) == {0, group}
    assert 0 < 8000 - sum(known) < AT_ONCE * group + 128 + 8 + 100


def test_a_group_waits_for_an_earlier_one_that_takes_longer():
    overtaken = threading.Event()
    calls = []

    def masks(chunks):
        calls.append(len(chunks))
        if len(calls) == 1:
            assert overtaken.wait(20)  # else the second was not computed at the same time
        else:
            overtaken.set()
        return smooth(chunks)

    wave = song(3 * GROUP * 128)
    log_mel = waveform_to_log_mel(tf.constant(wave), CONFIG)
    expected = song_mask(log_mel, smooth, CONFIG, 0.0).numpy()
    np.testing.assert_allclose(streamed(wave, 0.0, 7, masks), expected, atol=1e-4)
    assert calls[0] == GROUP and sum(calls) == 3 * GROUP and calls.count(GROUP) == 2


def test_an_error_of_the_network_is_raised():
    def masks(chunks):
        raise MemoryError

    with pytest.raises(MemoryError):
        streamed(song(400), 0.25, 3, masks)


def test_pieces_have_the_frames_of_the_whole_song():
    wave = song(3000, seed=1)
    whole = waveform_to_log_mel(tf.constant(wave), CONFIG).numpy()
    step, pieces, start = chunk_step(CONFIG, 0.25), ChunkPieces(CONFIG, 0.25), 0
    for part in np.array_split(wave, 9):
        for piece, valid, early in pieces.push(part, last=part[-1] == wave[-1]):
            for chunk in piece_to_chunks(piece, valid, CONFIG, 0.25).numpy():
                there = whole[start - early : start - early + 128]
                np.testing.assert_allclose(chunk, there, atol=2e-3)
                start += step
    assert start - step - early + 128 == 3000 == pieces.frames and 0 < early < step


@pytest.mark.parametrize("rate", (8000, 11025, 16000, 44100, 192000))
@pytest.mark.parametrize("channels", (1, 2, 5))
def test_downmix_is_the_mean_of_the_channels_at_16_khz(rate, channels):
    """A sine per channel comes out in its place and at its level."""
    time = np.arange(rate) / rate
    audio = np.stack([np.sin(2 * np.pi * 300 * (i + 1) * time) for i in range(channels)], axis=1)
    downmix = Downmix(rate, 16000)
    parts = np.array_split(audio, 11)
    mono = np.concatenate([downmix.push(part, part is parts[-1]) for part in parts])
    there = np.arange(len(mono)) / 16000
    expected = np.mean([np.sin(600 * np.pi * (i + 1) * there) for i in range(channels)], axis=0)
    assert mono.dtype == np.float32 and abs(len(mono) - 16000) <= 1
    np.testing.assert_allclose(mono[500:-500], expected[500:-500], atol=2e-3)


@pytest.mark.parametrize("samples", (1, 2, 50))
def test_downmix_takes_the_shortest_audio(samples):
    for rate in (4000, 44100, 384000):
        mono = Downmix(rate, 16000).push(np.ones((samples, 2)), last=True)
        assert mono.ndim == 1 and abs(len(mono) - samples * 16000 / rate) <= 1


def test_downmix_has_the_bandwidth_of_librosas_resampling():
    audio = np.random.default_rng(0).normal(0.0, 0.1, (44100, 1)).astype(np.float32)
    mono = Downmix(44100, 16000).push(audio, last=True)
    expected = librosa.resample(audio[:, 0], orig_sr=44100, target_sr=16000, res_type="soxr_hq")
    np.testing.assert_allclose(mono[:15990], expected[:15990], atol=1e-3)
