"""Silent frames are the mean of the others to a served network, so that the mask of the
music beside them stays what it would be."""

import numpy as np
import pytest

from vocaltrack.config import FeatureConfig
from vocaltrack.separator import Separator
from vocaltrack.serving import fill_silence

CONFIG = FeatureConfig()
RATE = 16000
GAP = slice(8 * RATE, 8 * RATE + RATE // 2)


def chunks(count=3):
    return np.random.default_rng(0).normal(-20, 10, (count, 128, 128)).astype(np.float32)


def test_silent_frames_become_the_mean_of_the_others():
    original = chunks()
    original[0, :40] = original[1, 100:110] = original[2] = CONFIG.floor_db
    filled = np.asarray(fill_silence(original, CONFIG))
    np.testing.assert_array_equal(filled[0, 40:], original[0, 40:])
    np.testing.assert_allclose(
        filled[0, :40], np.tile(original[0, 40:].mean(axis=0), (40, 1)), atol=1e-4
    )
    others = np.delete(original[1], np.arange(100, 110), axis=0)
    np.testing.assert_allclose(filled[1, 100:110], np.tile(others.mean(0), (10, 1)), atol=1e-4)
    np.testing.assert_array_equal(filled[2], original[2])


@pytest.mark.parametrize(("below", "is_silent"), ((49.0, False), (51.0, True)))
def test_a_frame_is_silent_50_db_below_the_loudest_band_of_its_chunk(below, is_silent):
    original = chunks(1)
    original[0, 5] = CONFIG.floor_db
    original[0, 5, 7] = original.max() - below
    filled = np.asarray(fill_silence(original, CONFIG))
    assert (filled[0, 5] != original[0, 5]).all() == is_silent
    np.testing.assert_array_equal(np.delete(filled, 5, axis=1), np.delete(original, 5, axis=1))


def test_a_frame_at_the_floor_is_silent_however_soft_the_others():
    original = np.full((1, 128, 128), CONFIG.floor_db + 1.0, np.float32)
    original[0, :10] = CONFIG.floor_db
    np.testing.assert_allclose(fill_silence(original, CONFIG), CONFIG.floor_db + 1.0, atol=1e-4)


@pytest.fixture(scope="module")
def song(example):
    """(vocals, mixture) of 16 s of the bundled example."""
    return [example[name][: 16 * RATE] for name in ("vocals", "mixture")]


@pytest.fixture(scope="module", params=("hdc", "unet", "uhnet"))
def separated(song, request):
    """A `Separator`, and the vocals that it finds in the undisturbed song."""
    separator = Separator(request.param)
    return separator, separator.separate(song[1], RATE).vocals


def energy_of_error(vocals, estimate, where):
    return np.sum((estimate[where] - vocals[where]) ** 2)


@pytest.mark.parametrize("hiss", (0.0, 1e-4))
def test_silence_in_a_song_leaves_the_music_beside_it_alone(song, separated, hiss):
    """Without `fill_silence` the second behind it had 1.55 times the error."""
    (vocals, mixture), (separator, whole) = song, separated
    with_gap = mixture.copy()
    with_gap[GAP] = np.random.default_rng(0).normal(0.0, hiss, GAP.stop - GAP.start)
    disturbed = separator.separate(with_gap, RATE).vocals
    for beside in (slice(GAP.start - RATE, GAP.start), slice(GAP.stop, GAP.stop + RATE)):
        error = energy_of_error(vocals, disturbed, beside)
        assert error < 1.25 * energy_of_error(vocals, whole, beside)


def test_where_a_song_breaks_off_its_last_second_is_separated_too(song, separated):
    """Without `fill_silence` there was about twice the error."""
    (vocals, mixture), (separator, whole) = song, separated
    there, broken_off = 0.0, 0.0
    for end in np.arange(7, 15) * RATE + 3000:
        last = slice(end - RATE, end)
        there += energy_of_error(vocals, whole, last)
        broken_off += energy_of_error(vocals, separator.separate(mixture[:end], RATE).vocals, last)
    assert broken_off < 1.2 * there
