"""Mixing on an accelerator: held to the package's own augmentation and features."""

import os
import subprocess
import sys
from collections import Counter

import keras
import numpy as np
import pytest
import soundfile

from tests.paths import REPOSITORY
from vocaltrack import augmentation
from vocaltrack.config import FeatureConfig, TrainingConfig, UnetConfig
from vocaltrack.errors import UserError
from vocaltrack.features import waveform_to_log_mel
from vocaltrack.formants import FORMANT_GAIN_DB
from vocaltrack.mel import mel_centres
from vocaltrack.mixing import CHANCES, KINDS, LEVEL_DB, SECOND_DB, MixtureConfig
from vocaltrack.models import build_unet
from vocaltrack.passages import draw_passages, no_passages, passage_gains
from vocaltrack.records import Manifest
from vocaltrack.resuming import claimed_run
from vocaltrack.run_files import read_log
from vocaltrack.runs import describe_run, load_run, origin
from vocaltrack.songs import Clip, Song, Source

CONFIG = FeatureConfig()
RATE = CONFIG.sample_rate


@pytest.fixture
def recipe(shipped_recipe):
    return shipped_recipe("mixing_ops")


@pytest.fixture
def gain_ops(shipped_recipe):
    return shipped_recipe("spectral_gains")


@pytest.fixture
def drawing(shipped_recipe):
    return shipped_recipe("drawing")


def noise(seed, samples, level=0.1):
    return np.random.default_rng(seed).normal(0, level, samples).astype(np.float32)


def sine(hertz, samples):
    return np.sin(2 * np.pi * hertz * np.arange(samples) / RATE).astype(np.float32)


def int16(audio):
    return np.round(audio * 32768).astype(np.int16)


def padded(*waves):
    """One after the other as int16, between 100 zeros on either side."""
    return np.pad(int16(np.concatenate(waves)), 100)


def decibels(ratio):
    return 20 * np.log10(ratio)


def plain(start, kind, **changes):
    """Draws of one excerpt that change nothing."""
    draws = {
        "kind": KINDS.index(kind),
        "start": start,
        "speed": [4096] * 4,
        "join": [0.0, 0.0],
        "formants": [1.0, 1.0],
        "rough": [0.0, 0.0],
        "flutter": [100.0, 100.0],
        "passages": no_passages(),
        "clip": [1e4] * 4,
        "colour": np.zeros((4, augmentation.COLOUR_POINTS)),
        "drums": [1.0],
        "compression": [0.0, 0.0],
        "late": 2000,
        "softer": 0.0,
        "room": 0,
        "decay": 1.0,
        "wet": 0.0,
        "balance": 1.0,
        "level": 0.1,
    }
    whole = ("kind", "start", "speed", "late", "room")
    return {
        name: np.asarray([value], np.int32 if name in whole else np.float32)
        for name, value in {**draws, **changes}.items()
    }


def test_at_its_own_speed_a_piece_is_cut_out(recipe):
    audio = int16(noise(0, 5000))
    pieces = recipe.resample(audio, np.int32([100, 2345]), np.int32([4096, 4096]), 2000)
    for piece, start in zip(np.asarray(pieces), (100, 2345)):
        np.testing.assert_allclose(piece, audio[start : start + 2000] / 32768, atol=1e-6)


@pytest.mark.parametrize("speed", [2896, 3500, 4097, 5000, 5793])
def test_speed_is_that_of_a_tape(recipe, speed):
    """Against soxr, on sound that both keep: below 4 kHz before and after."""
    spectrum = np.fft.rfft(noise(1, 1 << 15))
    spectrum[int(len(spectrum) * 0.35) :] = 0
    audio = np.fft.irfft(spectrum).astype(np.float32)
    (piece,) = np.asarray(recipe.resample(int16(audio), np.int32([1000]), np.int32([speed]), 8000))
    expected = augmentation.change_speed(audio[1000:], speed / 4096, 8000)
    error = (piece - expected)[200:-200]
    assert decibels(error.std() / expected.std()) < -33


def test_what_speed_lifts_above_the_range_vanishes(recipe):
    audio = int16(0.5 * sine(7000, 1 << 15))
    (piece,) = np.asarray(recipe.resample(audio, np.int32([100]), np.int32([5793]), 8000))
    assert decibels(piece.std() / (0.5 * 0.707)) < -30


def test_overdrive_is_the_packages(recipe):
    audio = noise(2, 20000)
    clip = augmentation.gain(-np.random.default_rng(5).uniform(*augmentation.OVERDRIVE_DB))
    result = np.asarray(recipe.overdrive(audio[np.newaxis], np.float32([[clip]])))[0]
    expected = augmentation.overdrive(audio, np.random.default_rng(5))
    assert np.abs(expected - audio).max() > 0.05
    np.testing.assert_allclose(result, expected, atol=1e-5)
    linear = np.asarray(recipe.overdrive(audio[np.newaxis], np.float32([[1e4]])))[0]
    np.testing.assert_allclose(linear, audio, atol=1e-6)


def test_roughness_is_the_packages(recipe):
    audio = 0.1 * sine(500, 30000)
    drawn = np.random.default_rng(12)
    flutter = drawn.uniform(*augmentation.ROUGHNESS_HZ)
    depth = drawn.uniform(*augmentation.ROUGHNESS)
    wander = drawn.standard_normal(30000)
    inputs = (np.float32(x)[np.newaxis] for x in (audio, wander, [flutter], [depth]))
    result = np.asarray(recipe.roughen(*inputs, RATE))[0]
    expected = augmentation.roughen(audio, np.random.default_rng(12), RATE)
    assert np.abs(expected - audio).max() > 0.02
    np.testing.assert_allclose(result, expected, atol=1e-3)
    inputs = (np.float32(x)[np.newaxis] for x in (audio, wander, [flutter], [0.0]))
    np.testing.assert_allclose(np.asarray(recipe.roughen(*inputs, RATE))[0], audio, atol=1e-6)


def test_passages_are_the_packages(recipe):
    rng = np.random.default_rng(0)
    rows = np.stack([no_passages(), *(draw_passages(rng, 4.0) for _ in range(20))])
    gains = np.asarray(recipe.passage_gains(rows, 4 * RATE, RATE))
    assert np.all(gains[0] == 1.0)
    for found, drawn in zip(gains, rows):
        np.testing.assert_array_equal(found, passage_gains(drawn, 4 * RATE, RATE))


def test_roughness_is_of_the_voice_that_is_rough(recipe):
    samples = recipe.unpadded_samples(CONFIG)
    flat = padded(0.1 * sine(1000, samples), noise(7, samples))

    def mixed(*rough, **changes):
        start = [100, 100, 100 + samples, 100]
        draws = plain(start, "true", flutter=[150.0, 150.0], rough=rough, **changes)
        return {k: np.asarray(v) for k, v in recipe.mix(flat, noises, draws, CONFIG).items()}

    noises = recipe.rooms(CONFIG)
    smooth = mixed(0.0, 0.0, join=[1.0, 0.0])
    beside = np.argmin(np.abs(mel_centres(CONFIG) - 1150))
    for rough in ((1.0, 0.0), (0.0, 1.0)):
        chunks = mixed(*rough, join=[1.0, 0.0])
        assert np.mean(chunks["vocals"] - smooth["vocals"], axis=(0, 1))[beside] > 20
        change = chunks["accompaniment"] - smooth["accompaniment"]
        assert np.ptp(change) < 1e-3  # but for the level
    alone = mixed(0.0, 1.0)["vocals"]  # the second does not sing
    np.testing.assert_allclose(alone, mixed(0.0, 0.0)["vocals"], atol=1e-3)


def test_passages_are_of_all_stems_and_hits_are_without_the_voices(recipe):
    """Half a second of hit, between which all is 40 dB softer."""
    samples = recipe.unpadded_samples(CONFIG)
    flat = padded(noise(6, samples), noise(7, samples + 3000, 0.01))
    rows = no_passages()
    rows[0], rows[1] = (0.0, 5.0, 0.01, 0.01), (1.0, 1.5, 0.0, 1.0)
    start = [100, 3000, 100 + samples, 3100 + samples]
    given = {"start": start, "kind": "amalgamation", "balance": 2.0, "join": [1.0, 1.0]}
    noises = recipe.rooms(CONFIG)
    chunks, whole = (
        {
            name: np.reshape(value, (512, 128))
            for name, value in recipe.mix(flat, noises, plain(**given, **more), CONFIG).items()
        }
        for more in ({"passages": rows}, {})
    )
    hit = slice(126, 178)  # frames that lie in it alone
    soft = np.r_[0:115, 190:512]
    assert np.all(chunks["vocals"][hit] < CONFIG.floor_db + 1e-3)
    np.testing.assert_array_equal(chunks["mixture"][hit], chunks["accompaniment"][hit])
    np.testing.assert_allclose(chunks["accompaniment"][hit], whole["accompaniment"][hit], atol=1e-3)
    for name in ("mixture", "vocals", "accompaniment"):
        softer = whole[name][soft] - chunks[name][soft]
        np.testing.assert_allclose(softer[chunks[name][soft] > CONFIG.floor_db + 1], 40, atol=0.1)
    difference = np.mean(whole["vocals"][soft] - whole["accompaniment"][soft])
    assert difference == pytest.approx(decibels(2.0), abs=0.2)


def test_echo_is_the_packages(recipe):
    audio = noise(13, 30000) * (np.arange(30000) < 8000)
    drawn = np.random.default_rng(11)
    late = int(drawn.uniform(*augmentation.ECHO_SECONDS) * RATE)
    softer = augmentation.gain(drawn.uniform(*augmentation.ECHO_DB))
    result = recipe.echo(audio[np.newaxis], np.int32([late]), np.float32([softer]))
    expected = augmentation.echo(audio, np.random.default_rng(11), RATE)
    assert expected[late + 1000 : late + 8000].std() > 0.01
    np.testing.assert_allclose(np.asarray(result)[0], expected, atol=1e-6)
    none = recipe.echo(audio[np.newaxis], np.int32([late]), np.float32([0.0]))
    np.testing.assert_array_equal(np.asarray(none)[0], audio)


def test_dynamics_are_the_packages(recipe, gain_ops):
    samples = recipe.unpadded_samples(CONFIG)
    envelope = 10.0 ** (-np.abs(np.sin(np.arange(samples) * 4 * np.pi / samples)))
    audio = (noise(14, samples) * envelope).astype(np.float32)
    taken = np.random.default_rng(15).uniform(*augmentation.COMPRESSION)
    expected = augmentation.compress(audio, np.random.default_rng(15), RATE)
    before, after = (
        sum(np.square(np.asarray(part)) for part in recipe.stft(x[np.newaxis], CONFIG))
        for x in (audio, expected)
    )
    gains = np.asarray(gain_ops.compressor_gain(before, np.float32([taken])))[0, :, 0]
    changed = 10 * np.log10(after.sum(axis=2) / before.sum(axis=2))[0]
    assert np.ptp(changed) > 5
    np.testing.assert_allclose(decibels(gains), changed, atol=0.7)
    same = np.asarray(gain_ops.compressor_gain(before, np.float32([0.0])))
    np.testing.assert_allclose(same, 1.0, atol=1e-5)


def test_reverberation_is_the_packages(recipe):
    audio = noise(3, 30000) * (np.arange(30000) < 8000)
    rng = np.random.default_rng(7)
    seconds = rng.uniform(*augmentation.REVERBERATION_SECONDS)
    drawn = rng.standard_normal(int(seconds * RATE))
    wet = augmentation.gain(rng.uniform(*augmentation.REVERBERATION_DB))
    room = np.zeros((1, 2 * RATE), np.float32)
    room[0, : len(drawn)] = drawn
    result = recipe.reverberate(
        audio[np.newaxis], room, np.float32([seconds]), np.float32([wet]), RATE
    )
    expected = augmentation.reverberate(audio, np.random.default_rng(7), RATE)
    assert expected[9000:12000].std() > 1e-3
    np.testing.assert_allclose(np.asarray(result)[0], expected, atol=1e-4)


def test_colour_is_the_packages(gain_ops):
    impulse = np.zeros(CONFIG.n_fft, np.float32)
    impulse[0] = 1.0
    expected = np.abs(np.fft.rfft(augmentation.colour(impulse, np.random.default_rng(9), RATE)))
    largest, points = augmentation.COLOUR_DB, augmentation.COLOUR_POINTS
    drawn = np.random.default_rng(9).uniform(-largest, largest, points)
    gains = np.asarray(gain_ops.colour_gain(drawn[np.newaxis].astype(np.float32), CONFIG))[0]
    np.testing.assert_allclose(decibels(gains), decibels(expected), atol=0.01)
    assert np.ptp(decibels(gains)) > 3


def test_formants_move_by_their_factor(gain_ops):
    hertz = np.fft.rfftfreq(CONFIG.n_fft, 1 / RATE)
    power = (1e-4 + np.exp(-(((hertz - 1000) / 250) ** 2)))[np.newaxis, np.newaxis]
    power = np.repeat(power, 3, axis=1).astype(np.float32)
    unchanged = np.asarray(gain_ops.formant_gain(power, np.float32([1.0])))
    np.testing.assert_allclose(unchanged, 1.0, atol=1e-4)
    for factor in (0.85, 1.2):
        gains = np.asarray(gain_ops.formant_gain(power, np.float32([factor])))
        assert np.all(np.abs(decibels(gains)) < FORMANT_GAIN_DB + 0.01)
        moved = (power * gains**2)[0, 1]
        centre = np.sum(hertz * moved) / np.sum(moved)
        assert centre == pytest.approx(1000 * factor, rel=0.05)


def test_drums_are_what_is_struck(recipe, gain_ops):
    samples = recipe.unpadded_samples(CONFIG)
    music = 0.1 * sine(1000, samples)
    struck = range(8000, samples, 8000)
    for start in struck:
        music[start : start + 40] += noise(start, 40, 0.5)
    real, imag = (np.asarray(part) for part in recipe.stft(music[np.newaxis], CONFIG))
    power = (real**2 + imag**2).astype(np.float32)
    gains = np.asarray(gain_ops.drums_gain(power, np.float32([4.0]), CONFIG))[0]
    assert np.sum(power[0] * gains**2) == pytest.approx(np.sum(power), rel=1e-3)
    frames = [(start - CONFIG.n_fft // 2) // CONFIG.hop_length for start in struck]
    high = slice(200, 500)  # bins without the tone
    tone = 1000 * CONFIG.n_fft // RATE
    between = [frame + 31 for frame in frames[:-1]]
    assert np.median(gains[frames, high]) > 3.0 * gains[between, tone].max()
    same = np.asarray(gain_ops.drums_gain(power, np.float32([1.0]), CONFIG))
    np.testing.assert_allclose(same, 1.0, atol=1e-5)


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("size", [3, 9])
def test_moving_mean(gain_ops, axis, size):
    x = np.random.default_rng(0).random((2, 12, 15)).astype(np.float32)
    result = np.asarray(gain_ops.moving_mean(x, size, axis))
    half, moved = size // 2, np.moveaxis(x, axis, 0)
    length = len(moved)
    expected = [moved[max(0, i - half) : i + half + 1].mean(axis=0) for i in range(length)]
    np.testing.assert_allclose(np.moveaxis(result, axis, 0), expected, atol=1e-5)


def test_a_plain_mixture_has_the_features_of_its_waveforms(recipe):
    samples = recipe.unpadded_samples(CONFIG)
    voice, music = noise(4, samples) * np.linspace(0.1, 1, samples), 2 * noise(5, samples)
    start = [100, 100, 100 + samples, 100]
    draws = plain(start, "true", balance=0.5, level=0.2)
    chunks = recipe.mix(padded(voice, music), recipe.rooms(CONFIG), draws, CONFIG)
    stems = np.stack([0.5 * int16(voice), int16(music)]) / np.float32(32768)
    stems *= 0.2 / augmentation.rms(stems.sum(axis=0))
    waves = np.stack([stems.sum(axis=0), *stems]).astype(np.float32)
    frames = np.asarray(waveform_to_log_mel(waves, CONFIG))[:, 4 : 4 + 512]
    for stream, expected in zip(("mixture", "vocals", "accompaniment"), frames):
        assert chunks[stream].shape == (4, 128, 128)
        result = np.asarray(chunks[stream]).reshape(512, 128)
        # The level is taken from windowed frames, which weigh the excerpt's ends less.
        assert abs(np.mean(result - expected)) < 0.1
        np.testing.assert_allclose(result - np.mean(result - expected), expected, atol=0.01)


def test_balance_and_level(recipe):
    samples = recipe.unpadded_samples(CONFIG)
    flat = padded(noise(6, samples), noise(7, samples, 0.01))
    start = [100, 100, 100 + samples, 100]

    def mixed(kind, **changes):
        draws = plain(**{"start": start, "kind": kind, **changes})
        chunks = recipe.mix(flat, recipe.rooms(CONFIG), draws, CONFIG)
        return {name: np.asarray(value) for name, value in chunks.items()}

    chunks = mixed("amalgamation", balance=2.0)
    difference = chunks["vocals"] - chunks["accompaniment"]
    assert np.mean(difference) == pytest.approx(decibels(2.0), abs=0.1)
    chunks = mixed("true", balance=2.0)  # ten times the music's level before
    difference = chunks["vocals"] - chunks["accompaniment"]
    assert np.mean(difference) == pytest.approx(decibels(20.0), abs=0.1)
    louder = mixed("amalgamation", level=0.4)["mixture"] - mixed("amalgamation")["mixture"]
    np.testing.assert_allclose(louder, decibels(4.0), atol=0.02)
    chunks = mixed("instrumental")
    assert np.all(chunks["vocals"] < CONFIG.floor_db + 1e-3)
    np.testing.assert_array_equal(chunks["mixture"], chunks["accompaniment"])
    for join, change in (([1.0, 0.0], 3.0), ([0.0, 1.0], -3.0)):  # of other noise
        chunks = mixed("true", start=[100, 3000, 100 + samples, 3000], join=join)
        difference = np.mean(chunks["vocals"] - chunks["accompaniment"])
        assert difference == pytest.approx(decibels(10.0) + change, abs=0.2)


SECONDS = {"a": 20, "b": 12, "solo": 15, "game": 18}
STEMS = {
    "a": ("vocals", "accompaniment"),
    "b": ("vocals", "accompaniment"),
    "solo": ("vocals",),
    "game": ("accompaniment",),
}


@pytest.fixture
def bank(drawing):
    stems = []
    for name, seconds in SECONDS.items():
        sources = {stem: (Source(stem),) for stem in STEMS[name]}
        song = Song(name, "set", name, "train", (Clip(**sources),))
        for number, stem in enumerate(STEMS[name]):
            audio = noise(len(stems), seconds * RATE)
            stems.append((song, stem, audio, np.array([[0, len(audio)]])))
    return drawing.Bank(stems)


def whose(bank, place):
    """(song, stem) of a place in the bank."""
    key, _ = max(
        ((key, first) for key, first in bank.offsets.items() if first <= place), key=lambda x: x[1]
    )
    return key


def test_drawn_excerpts_are_what_the_mixer_would_draw(recipe, drawing, bank):
    samples = recipe.unpadded_samples(CONFIG)
    drawer = drawing.Drawer(bank, samples, RATE, augment=True)
    draws = drawer.draw(3, 400)
    for name, values in drawer.draw(3, 400).items():
        np.testing.assert_array_equal(values, draws[name])
    assert not np.array_equal(drawer.draw(4, 400)["start"], draws["start"])
    kinds = Counter(draws["kind"].tolist())
    for kind, share in enumerate(MixtureConfig().kind_shares):
        assert kinds[kind] / 400 == pytest.approx(share, abs=0.08)
    assert np.all(draws["start"] >= 100)  # of which the interpolation takes a few
    ends = draws["start"] + samples * draws["speed"].astype(np.int64) // 4096
    assert np.all(ends < bank.samples)
    for kind, start, speed in zip(draws["kind"], draws["start"], draws["speed"]):
        music, stem = whose(bank, start[2])
        assert stem == "accompaniment"
        if kind == 2:
            continue
        voice, stem = whose(bank, start[0])
        assert stem == "vocals"
        if kind == 0:
            assert voice == music and speed[0] == speed[2]
            inside = start[0] - bank.offsets[voice, "vocals"]
            assert inside == start[2] - bank.offsets[music, "accompaniment"]
        if kind == 1:
            assert voice != music
    sung, amalgam = draws["kind"] != 2, draws["kind"] == 1
    happened = {
        "speed": draws["speed"][sung, 0] != 4096,
        "formants": draws["formants"][sung, 0] != 1,
        "roughness": draws["rough"] > 0,
        "overdrive": draws["clip"] < 1e3,
        "colour": np.any(draws["colour"], axis=2),
        "drums": draws["drums"] != 1,
        "passages": np.any(draws["passages"], axis=(1, 2)),
        "compression": draws["compression"] > 0,
        "echo": draws["softer"][amalgam] > 0,
        "reverberation": draws["wet"][amalgam] > 0,
        "second": draws["join"][draws["kind"] != 0, 1] > 0,
        "backing": draws["join"][draws["kind"] == 0, 0] > 0,
    }
    assert set(happened) == set(CHANCES)
    for what, values in happened.items():
        assert np.mean(values) == pytest.approx(CHANCES[what], abs=0.1), what
    assert not np.any(draws["softer"][~amalgam])
    assert not np.any(draws["wet"][~amalgam]) and not np.any(draws["join"][~sung, 0])
    for name, (low, high) in (("balance", MixtureConfig().balance_db), ("level", LEVEL_DB)):
        drawn = decibels(draws[name])
        assert low <= drawn.min() < low + 1 and high - 1 < drawn.max() <= high
    seconds, passages = samples / RATE, draws["passages"]
    starts = passages[..., 0][(passages[..., 0] > 0) & np.any(passages, axis=-1)]
    most = augmentation.FORMANT_SEMITONES
    moved = (draws["formants"] * draws["speed"][:, :2] / 4096)[draws["formants"] != 1]
    for drawn, (low, high) in (
        (12 * np.log2(moved), (-most, most)),
        (decibels(draws["drums"][draws["drums"] != 1]), augmentation.DRUMS_DB),
        (draws["rough"][draws["rough"] > 0], augmentation.ROUGHNESS),
        (draws["flutter"], augmentation.ROUGHNESS_HZ),
        (starts, (0.0, seconds)),
    ):
        reach = high - low
        assert low <= drawn.min() < low + 0.1 * reach and high - 0.1 * reach < drawn.max() <= high


def test_what_joins_is_softer_and_a_backing_voice_is_late(recipe, drawing, bank):
    samples, seconds = recipe.unpadded_samples(CONFIG), augmentation.BACKING_SECONDS
    draws = drawing.Drawer(bank, samples, RATE, augment=True).draw(3, 400)
    speeds, (voice, music) = draws["speed"].T, draws["join"].T
    first, second, *_ = draws["start"].T + samples / 2 * speeds / 4096  # in the middle
    late = (first - second) * 4096 / speeds[1]
    follows = (voice > 0) & (late > -2) & (late < seconds * RATE + 2)  # places are whole numbers
    assert np.all(follows[(draws["kind"] == KINDS.index("true")) & (voice > 0)])
    assert np.ptp(late[follows]) > 0.8 * seconds * RATE
    for joins, (low, high) in (
        (voice[follows], augmentation.BACKING_DB),
        (voice[(voice > 0) & ~follows], SECOND_DB),
        (music[music > 0], SECOND_DB),
    ):
        drawn = decibels(joins)
        assert low <= drawn.min() < low + 2 and high - 2 < drawn.max() <= high


def test_kinds_for_which_the_songs_do_not_suffice(recipe, drawing, bank):
    stems = [stem for stem in bank.stems if stem[1] == "accompaniment"]
    alone = drawing.Drawer(drawing.Bank(stems), recipe.unpadded_samples(CONFIG), RATE, True)
    assert set(alone.draw(0, 20)["kind"]) == {2}
    one = [stem for stem in bank.stems if stem[0].name == "a"]
    paired = drawing.Drawer(drawing.Bank(one), recipe.unpadded_samples(CONFIG), RATE, True)
    assert set(paired.draw(0, 40)["kind"]) == {0, 2}
    solo = [stem for stem in bank.stems if stem[0].name == "solo"]
    with pytest.raises(UserError, match="no accompaniment that sounds"):
        drawing.Drawer(drawing.Bank(solo), recipe.unpadded_samples(CONFIG), RATE, True)
    hushed = [one[0], (*one[1][:3], one[1][3][:0])]
    with pytest.raises(UserError, match="no accompaniment that sounds"):
        drawing.Drawer(drawing.Bank(hushed), recipe.unpadded_samples(CONFIG), RATE, True)


def test_without_augmentation_nothing_changes(recipe, drawing, bank):
    draws = drawing.Drawer(bank, recipe.unpadded_samples(CONFIG), RATE, augment=False).draw(0, 50)
    for name, value in plain([0] * 4, "true").items():
        if name not in ("kind", "start", "flutter", "late", "room", "decay", "balance", "level"):
            np.testing.assert_array_equal(draws[name], np.broadcast_to(value, draws[name].shape))


def test_drawn_mixtures_are_finite_and_sing(recipe, drawing, bank):
    draws = drawing.Drawer(bank, recipe.unpadded_samples(CONFIG), RATE, augment=True).draw(1, 8)
    chunks = recipe.mix(bank.waveforms(), recipe.rooms(CONFIG), draws, CONFIG)
    for stream in ("mixture", "vocals", "accompaniment"):
        assert chunks[stream].shape == (32, 128, 128)
        assert np.all(np.isfinite(chunks[stream]))
    sung = np.asarray(chunks["vocals"]).reshape(8, -1).max(axis=1) > CONFIG.floor_db + 1
    np.testing.assert_array_equal(sung, draws["kind"] != 2)
    level = np.asarray(chunks["mixture"]).reshape(8, -1)
    assert np.all(level.max(axis=1) > -20) and np.all(level >= CONFIG.floor_db - 1e-3)


def test_training_with_jax(tmp_path):
    """A step of it, from a unet of TensorFlow's, of filters of its own, to one that TensorFlow
    loads."""
    pytest.importorskip("jax")
    for name in ("MIR-1K/Wavfile/abe_1_01", "MIR-1K/Wavfile/bea_1_01"):
        write(tmp_path / f"{name}.wav", np.stack([noise(1, 5 * RATE), noise(2, 5 * RATE)], 1))
    (tmp_path / "MIR-1K" / "splits.json").write_text('{"train": ["abe_1"], "valid": ["bea_1"]}')
    write(tmp_path / "stems" / "train" / "game" / "accompaniment.wav", noise(3, 5 * RATE))
    write(tmp_path / "stems" / "valid" / "play" / "accompaniment.wav", noise(4, 5 * RATE))
    network = UnetConfig(filters=4, style="strided")
    mean, std = [-30.0] * 128, [15.0] * 128
    keras.utils.set_random_seed(0)
    before = build_unet(network, mean, std)
    rng = np.random.default_rng(0)  # none of its layers is silent, as new ones are
    before.set_weights([w + rng.normal(0, 0.02, w.shape) for w in before.get_weights()])
    songs = Manifest(CONFIG, (), (), {}, {"train": ["MIR-1K/abe_1"]}, {}, 0)
    description = describe_run(TrainingConfig("unet"), network, songs, mean, std, {})
    with claimed_run(tmp_path / "begin", description):
        before.save(tmp_path / "begin" / "best.keras")
    words = {
        "model": "unet",
        "initial": "begin",
        "mir1k": "MIR-1K",
        "stems": "stems",
        "decoded": "decoded",
        "run": "run",
        "seconds": "40",
        "steps-per-epoch": "1",
        "batch-size": "4",
    }
    command = [sys.executable, str(REPOSITORY / "recipes/shipped/train_jax.py")]
    command += [part for name, value in words.items() for part in (f"--{name}", value)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=600)
    rows = read_log(tmp_path / "run")
    assert rows and [row["epoch"] for row in rows] == [str(i) for i in range(len(rows))]
    assert all(0 < float(row["loss"]) < 2 and 0 < float(row["val_loss"]) < 2 for row in rows)
    for last in (False, True):
        after, description = load_run(tmp_path / "run", last=last)
        changes = [
            np.abs(one - other).max()
            for one, other in zip(before.get_weights(), after.get_weights(), strict=True)
        ]
        assert np.mean(np.array(changes) > 1e-7) > 0.9, changes  # its first steps are small
    assert description["training"]["epochs"] == len(rows)
    assert description["songs"]["valid"] == ["MIR-1K/bea_1", "stems/play"]
    assert description["started_from"] == {"initial": origin(tmp_path / "begin")}


def write(path, audio):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, RATE)
