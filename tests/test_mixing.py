"""Segments, pools and mixtures: excerpts are contiguous pieces, balanced as stated,
and with augmentation changed as stated."""

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from vocaltrack import mixing
from vocaltrack.config import STEM_NAMES
from vocaltrack.errors import UserError
from vocaltrack.mixing import (
    CHANCES,
    KINDS,
    LEVEL_DB,
    Mixer,
    MixtureConfig,
)
from vocaltrack.passages import no_passages
from vocaltrack.pool import Pool, sounding_segments
from vocaltrack.songs import Clip, Song, Source

RATE = 8000
MIXTURES = MixtureConfig()
SAMPLES = 2000
DRAWS = 600


def song(name, dataset="d"):
    return Song(name, dataset, name, "train", ())


def noise(seed, samples, level=0.1):
    """Noise with a rest of 0.2 s and single samples under 1e-4, which must all survive."""
    rng = np.random.default_rng(seed)
    audio = rng.normal(0, level, samples).astype(np.float32)
    audio[rng.choice(samples, samples // 20, replace=False)] = 5e-5 * level
    audio[samples // 2 : samples // 2 + RATE // 5] = 0
    return audio


def whole(audio):
    return np.array([[0, len(audio)]])


def sine(hertz, samples=20000):
    return np.sin(2 * np.pi * hertz * np.arange(samples) / RATE).astype(np.float32)


def make_mixer(voices, musics, samples=SAMPLES, augment=False, mixtures=MIXTURES):
    """Mixer of {name: audio} of vocals and accompaniments, all sounding throughout."""
    stems = [
        [(song(name), audio, whole(audio)) for name, audio in group.items()]
        for group in (voices, musics)
    ]
    true = [stem for stem in stems[0] if stem[0].name in musics]
    backing = {song(name).key: audio for name, audio in musics.items()}
    pools = Pool(true), backing, Pool(stems[0]), Pool(stems[1])
    return Mixer(*pools, samples, RATE, mixtures, augment)


VOICES = {name: noise(n, 20000, 0.02 + 0.05 * n) for n, name in enumerate(("a", "b", "solo"))}
MUSICS = {name: noise(n + 9, 20000) for n, name in enumerate(("a", "b", "music"))}


@pytest.fixture(scope="module")
def mixer():
    return make_mixer(VOICES, MUSICS)


@pytest.fixture(scope="module")
def excerpts(mixer):
    return [mixer.draw((0, 1, number)) for number in range(DRAWS)]


@pytest.fixture(scope="module")
def augmented():
    mixer = make_mixer(VOICES, MUSICS, augment=True)
    return [mixer.draw((0, 1, number)) for number in range(DRAWS)]


def decibels(audio):
    return 10 * np.log10(np.mean(np.square(audio, dtype=np.float64)))


def locate(piece, stem):
    """(first sample, gain) such that piece is gain times a contiguous piece of the stem."""
    spectrum = np.fft.rfft(piece, 2 * len(stem)).conj() * np.fft.rfft(stem, 2 * len(stem))
    first = int(np.argmax(np.fft.irfft(spectrum)[: len(stem) - len(piece) + 1]))
    part = stem[first : first + len(piece)].astype(np.float64)
    gain = part @ piece / (part @ part)
    np.testing.assert_allclose(piece, gain * part, rtol=1e-5, atol=1e-9)
    return first, gain


def test_segments_keep_short_gaps_and_drop_long_silence():
    time = np.arange(6 * RATE) / RATE
    audio = (0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    for start, end in ((1.0, 1.3), (2.3, 4.3), (4.8, 6.0)):
        audio[round(start * RATE) : round(end * RATE)] = 0
    segments = sounding_segments(audio, RATE)
    expected = np.array([[0, 2.3 * RATE], [4.3 * RATE, 4.8 * RATE]])
    assert segments.shape == (2, 2)
    assert np.abs(segments - expected).max() <= 1024
    assert segments[0, 0] == 0
    # Nothing that sounds lies outside.
    outside = np.ones(len(audio), bool)
    for start, end in segments:
        outside[start:end] = False
    assert not audio[outside].any()


@pytest.mark.parametrize(("gap", "segments"), [(0.3, 1), (0.45, 1), (0.65, 2), (2.0, 2)])
def test_segments_by_length_of_the_gap(gap, segments):
    tone = noise(1, RATE)
    tone[RATE // 2 : RATE // 2 + RATE // 5] = 0.1
    audio = np.concatenate([tone, np.zeros(round(gap * RATE), np.float32), tone])
    assert len(sounding_segments(audio, RATE)) == segments


def test_segments_measure_silence_from_the_loudest():
    loud, rest = np.full(RATE, 0.5, np.float32), np.zeros(RATE, np.float32)
    loud[::2] *= -1
    for level, expected in ((-40, 2), (-50, 1)):
        audio = np.concatenate([loud, rest, loud * np.float32(10 ** (level / 20))])
        assert len(sounding_segments(audio, RATE)) == expected


@pytest.mark.parametrize(
    "audio", [np.zeros(RATE), np.zeros(0), np.random.default_rng(0).uniform(-9e-5, 9e-5, RATE)]
)
def test_silence_has_no_segments(audio):
    assert sounding_segments(audio.astype(np.float32), RATE).shape == (0, 2)


def test_a_stem_just_above_silence_sounds():
    audio = np.random.default_rng(0).uniform(-1.2e-4, 1.2e-4, RATE).astype(np.float32)
    assert len(sounding_segments(audio, RATE)) == 1


def test_excerpts_are_contiguous_pieces_times_a_gain(excerpts):
    for excerpt in excerpts[:150]:
        names = [key.removeprefix("d/") for key in excerpt.songs]
        assert excerpt.vocals.dtype == excerpt.accompaniment.dtype == np.float32
        assert excerpt.vocals.shape == excerpt.accompaniment.shape == (SAMPLES,)
        first, _ = locate(excerpt.accompaniment, MUSICS[names[-1]])
        if excerpt.kind == "instrumental":
            assert not excerpt.vocals.any()
            assert len(names) == 1
            continue
        start, _ = locate(excerpt.vocals, VOICES[names[0]])
        if excerpt.kind == "true":
            assert start == first
            assert len(names) == 1
        else:
            assert names[0] != names[1]


def test_quiet_samples_stay():
    """The paper's code deleted samples under 1e-4 (reference, 0.2, defect 9)."""
    audio = noise(5, SAMPLES, 1e-4)
    audio[::7] = 0.3
    mixer = make_mixer({}, {"m": audio})
    excerpt = mixer.draw(3)
    assert locate(excerpt.accompaniment, audio)[0] == 0
    assert np.count_nonzero(np.abs(audio) < 1e-4) > SAMPLES // 2


def test_draws_depend_on_the_seed_alone(mixer, excerpts):
    other = make_mixer(VOICES, MUSICS)
    for number in (7, 3, 19, 0, 3):
        again, given = other.draw((0, 1, number)), excerpts[number]
        assert (again.kind, again.songs) == (given.kind, given.songs)
        np.testing.assert_array_equal(again.vocals, given.vocals)
        np.testing.assert_array_equal(again.accompaniment, given.accompaniment)
    for seed in ((1, 1, 0), (0, 2, 0), (0, 1, 1)):
        accompaniment = mixer.draw(seed).accompaniment
        assert not np.array_equal(accompaniment, excerpts[0].accompaniment)


def assert_spread(balance):
    """That it fills the range of the voice's level against the music's."""
    low, high = MIXTURES.balance_db
    assert low - 1e-3 <= min(balance) < low + 1.5
    assert high - 1.5 < max(balance) <= high + 1e-3


def test_shares_of_the_kinds(excerpts):
    counts = Counter(excerpt.kind for excerpt in excerpts)
    assert MIXTURES.kind_shares == (0.36, 0.43, 0.21)
    for kind, share in zip(KINDS, MIXTURES.kind_shares):
        assert abs(counts[kind] / DRAWS - share) < 3 * np.sqrt(share * (1 - share) / DRAWS)


def test_shares_and_balance_are_those_asked_for():
    mixtures = MixtureConfig(kind_shares=(0.0, 1.0, 0.0), balance_db=(3.0, 4.0))
    mixer = make_mixer(VOICES, MUSICS, mixtures=mixtures)
    for number in range(40):
        excerpt = mixer.draw((0, number))
        assert excerpt.kind == "amalgamation"
        assert 2.99 < decibels(excerpt.vocals) - decibels(excerpt.accompaniment) < 4.01


def test_songs_that_suffice_for_no_kind_asked_for_are_refused():
    mixtures = MixtureConfig(kind_shares=(0.5, 0.5, 0.0))
    with pytest.raises(UserError, match="no accompaniment that sounds"):
        make_mixer({}, MUSICS, mixtures=mixtures)


def test_amalgamations_mix_two_songs_within_the_balance(excerpts):
    chosen = [excerpt for excerpt in excerpts if excerpt.kind == "amalgamation"]
    assert all(len(set(excerpt.songs)) == 2 for excerpt in chosen)
    assert {excerpt.songs[0] for excerpt in chosen} == {"d/a", "d/b", "d/solo"}
    assert {excerpt.songs[1] for excerpt in chosen} == {"d/a", "d/b", "d/music"}
    balance = [decibels(excerpt.vocals) - decibels(excerpt.accompaniment) for excerpt in chosen]
    assert_spread(balance)


def test_true_songs_keep_their_balance_but_for_a_shift(excerpts):
    shifts = []
    for excerpt in excerpts:
        if excerpt.kind == "true":
            name = excerpt.songs[0].removeprefix("d/")
            _, vocals_gain = locate(excerpt.vocals, VOICES[name])
            _, accompaniment_gain = locate(excerpt.accompaniment, MUSICS[name])
            shifts.append(20 * np.log10(vocals_gain / accompaniment_gain))
    assert_spread(shifts)


def test_level_of_the_mixture(excerpts):
    levels = [decibels(excerpt.vocals + excerpt.accompaniment) for excerpt in excerpts]
    low, high = LEVEL_DB
    assert low - 1e-3 <= min(levels) < low + 1
    assert high - 1 < max(levels) <= high + 1e-3


def test_near_silence_is_raised_by_40_db_at_most():
    audio = noise(1, 20000, 1e-5)
    excerpt = make_mixer({}, {"m": audio}).draw(0)
    assert locate(excerpt.accompaniment, audio)[1] == pytest.approx(100, rel=1e-4)


def test_kinds_that_the_songs_allow():
    alone = make_mixer({"a": VOICES["a"]}, {"a": MUSICS["a"]})
    assert {alone.draw(seed).kind for seed in range(50)} == {"true", "instrumental"}
    apart = make_mixer({"solo": VOICES["solo"]}, {"music": MUSICS["music"]})
    assert {apart.draw(seed).kind for seed in range(50)} == {"amalgamation", "instrumental"}
    music = make_mixer({}, {"music": MUSICS["music"]})
    assert {music.draw(seed).kind for seed in range(20)} == {"instrumental"}
    with pytest.raises(UserError, match="no accompaniment"):
        make_mixer({"solo": VOICES["solo"]}, {})


def test_amalgamation_finds_the_one_pair_of_songs():
    mixer = make_mixer({"a": VOICES["a"], "b": VOICES["b"]}, {"a": MUSICS["a"]})
    drawn = [mixer.draw(seed) for seed in range(100)]
    pairs = {excerpt.songs for excerpt in drawn if excerpt.kind == "amalgamation"}
    assert pairs == {("d/b", "d/a")}


def test_only_what_is_heard_is_made(monkeypatch):
    """Two songs sing over themselves in half of the draws, which are drawn anew."""
    names = ("a", "b")
    mixer = make_mixer(
        {name: VOICES[name] for name in names},
        {name: MUSICS[name] for name in names},
        mixtures=MixtureConfig(kind_shares=(0.0, 1.0, 0.0)),
    )
    cut, made = mixer._piece, []
    monkeypatch.setattr(mixer, "_piece", lambda *place: made.append(place) or cut(*place))
    for seed in range(20):
        mixer.draw(seed)
    assert len(made) == 40


def test_short_songs_are_padded():
    audio = noise(1, 1500)
    excerpt = make_mixer({}, {"m": audio}).draw(0)
    _, gain = locate(excerpt.accompaniment[:1500], audio)
    assert gain > 0
    assert not excerpt.accompaniment[1500:].any()


def test_pool_draws_datasets_by_the_square_root_of_their_length():
    lengths = {("big", "x"): 40000, ("big", "y"): 50000, ("small", "x"): 10000}
    stems = [
        (song(name, dataset), np.zeros(60000, np.float32), np.array([[0, length]]))
        for (dataset, name), length in lengths.items()
    ]
    silent = (song("z", "big"), np.zeros(60000, np.float32), np.zeros((0, 2), int))
    pool = Pool([*stems, silent])
    assert len(pool) == 3
    # sqrt(90000) : sqrt(10000) = 3 : 1, and within "big" 4 : 5.
    np.testing.assert_allclose(pool.chances, [0.75 * 4 / 9, 0.75 * 5 / 9, 0.25])
    rng = np.random.default_rng(0)
    counts = Counter(pool.draw(rng, SAMPLES)[0] for _ in range(1000))
    shares = np.array([counts[index] for index in range(3)]) / 1000
    np.testing.assert_allclose(shares, pool.chances, atol=0.045)


def test_pool_counts_whole_songs_apart_from_lone_stems():
    lone = dataclasses.replace(song("lone"), clips=(Clip(vocals=(Source(Path("v.wav")),)),))
    audio = np.zeros(60000, np.float32)
    pool = Pool([(lone, audio, np.array([[0, 40000]])), (song("x"), audio, np.array([[0, 10000]]))])
    np.testing.assert_allclose(pool.chances, [2 / 3, 1 / 3])


def test_pool_draws_from_the_sounding_segments():
    audio = np.zeros(30000, np.float32)
    segments = np.array([[1000, 11000], [20000, 20500], [29800, 30000]])
    pool = Pool([(song("x"), audio, segments)])
    rng = np.random.default_rng(0)
    firsts = np.array([pool.draw(rng, SAMPLES)[1] for _ in range(2000)])
    long = (firsts >= 1000) & (firsts <= 9000)
    assert long.mean() == pytest.approx(10000 / 10700, abs=0.02)
    assert firsts[long].min() < 1100 and firsts[long].max() > 8900
    # Shorter segments lie anywhere within the piece, as far as the song's end allows.
    short = firsts[~long & (firsts < 20001)]
    assert 18500 <= short.min() < 18600 and 19900 < short.max() <= 20000
    assert np.all(firsts[firsts > 20000] == 28000) and firsts.max() == 28000


def test_how_often_each_change_happens_stands_in_numbers():
    """Passages are a seventh, as README has it."""
    assert CHANCES == {
        "speed": 0.7,
        "formants": 0.6,
        "backing": 0.2,
        "compression": 0.4,
        "drums": 0.35,
        "roughness": 0.2,
        "overdrive": 0.25,
        "colour": 0.7,
        "reverberation": 0.4,
        "echo": 0.2,
        "second": 0.2,
        "passages": 0.15,
    }


def only(monkeypatch, **chances):
    """Let nothing but these augmentations happen."""
    monkeypatch.setattr(mixing, "CHANCES", dict.fromkeys(CHANCES, 0.0) | chances)


def hertz(audio):
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 8 * len(audio)))
    return spectrum.argmax() * RATE / (8 * len(audio))


def test_augmented_excerpts_are_whole_finite_and_as_loud_as_others(augmented):
    for excerpt in augmented:
        for audio in (excerpt.vocals, excerpt.accompaniment):
            assert audio.dtype == np.float32 and audio.shape == (SAMPLES,)
            assert np.isfinite(audio).all()
        assert excerpt.accompaniment.any()
        assert excerpt.vocals.any() == (excerpt.kind != "instrumental")
    levels = np.array([decibels(e.vocals + e.accompaniment) for e in augmented])
    assert max(levels) <= LEVEL_DB[1] + 1e-3
    assert np.mean(levels < LEVEL_DB[0] - 1e-3) < CHANCES["passages"]  # gaps, soft ones
    assert {excerpt.kind for excerpt in augmented} == set(KINDS)


def test_augmented_draws_depend_on_the_seed_alone(augmented):
    other = make_mixer(VOICES, MUSICS, augment=True)
    for number in (7, 3, 19, 0, 3):
        again, given = other.draw((0, 1, number)), augmented[number]
        assert (again.kind, again.songs) == (given.kind, given.songs)
        np.testing.assert_array_equal(again.vocals, given.vocals)
        np.testing.assert_array_equal(again.accompaniment, given.accompaniment)
    assert len({excerpt.accompaniment.tobytes() for excerpt in augmented}) == DRAWS


def test_augmented_amalgamations_keep_the_balance_and_two_songs(monkeypatch):
    monkeypatch.setattr(mixing, "CHANCES", CHANCES | {"passages": 0.0})  # in hits no voice
    mixer = make_mixer(VOICES, MUSICS, augment=True)
    drawn = [mixer.draw((0, 1, number)) for number in range(DRAWS)]
    chosen = [excerpt for excerpt in drawn if excerpt.kind == "amalgamation"]
    assert all(len(set(excerpt.songs)) == 2 for excerpt in chosen)
    balance = [decibels(excerpt.vocals) - decibels(excerpt.accompaniment) for excerpt in chosen]
    assert_spread(balance)


def test_both_stems_of_a_song_have_the_same_speed():
    mixer = make_mixer({"a": sine(500)}, {"a": sine(800)}, samples=8000, augment=True)
    drawn = [mixer.draw(seed) for seed in range(200)]
    speeds = []
    for excerpt in drawn:
        if excerpt.kind == "true":
            assert hertz(excerpt.accompaniment) / hertz(excerpt.vocals) == pytest.approx(
                1.6, rel=1e-3
            )
            speeds.append(hertz(excerpt.vocals) / 500)
    semitones = 12 * np.log2(speeds)
    assert -6.01 < semitones.min() < -5 and 5 < semitones.max() < 6.01
    share = np.mean(np.abs(semitones) > 0.02)
    assert share == pytest.approx(CHANCES["speed"], abs=0.15)


def test_both_stems_of_a_song_stay_together_in_time(monkeypatch):
    only(monkeypatch, speed=1.0)
    audio = noise(1, 20000)
    mixer = make_mixer({"a": audio}, {"a": audio}, augment=True)
    for excerpt in (mixer.draw(seed) for seed in range(60)):
        if excerpt.kind == "true":
            gain = np.sqrt(np.sum(excerpt.vocals**2) / np.sum(excerpt.accompaniment**2))
            np.testing.assert_allclose(excerpt.vocals, gain * excerpt.accompaniment, atol=1e-5)


def test_formants_do_not_follow_the_speed_and_are_for_voices_alone(monkeypatch):
    """A voice half an octave higher still has formants within 3 semitones."""
    moved = []

    def note(audio, factor, rate):
        moved.append(factor)
        return np.zeros_like(audio)

    monkeypatch.setattr(mixing, "shift_formants", note)
    monkeypatch.setattr(mixing, "draw_speed", lambda rng: 2.0 ** (6 / 12))
    only(monkeypatch, speed=1.0, formants=1.0)
    mixer = make_mixer(VOICES, MUSICS, augment=True)
    drawn = [mixer.draw(seed) for seed in range(60)]
    sung = sum(excerpt.kind != "instrumental" for excerpt in drawn)
    assert sung <= len(moved) <= 1.5 * sung and 0 < sung < 60  # one song is not taken twice
    semitones = 12 * np.log2(moved)
    assert -9 <= semitones.min() < -8 and -4 < semitones.max() <= -3
    assert all(excerpt.accompaniment.any() and not excerpt.vocals.any() for excerpt in drawn)


@pytest.mark.parametrize(
    ("change", "chance", "stems", "kinds"),
    [
        ("add_backing", "backing", ("vocals",), KINDS),
        ("roughen", "roughness", ("vocals",), KINDS),
        ("compress", "compression", ("vocals",), KINDS),
        ("change_drums", "drums", ("accompaniment",), KINDS),
        ("colour", "colour", STEM_NAMES, KINDS),
        ("echo", "echo", ("vocals",), ("amalgamation",)),
        ("reverberate", "reverberation", ("vocals",), ("amalgamation",)),
    ],
)
def test_some_changes_are_for_voices_alone_and_others_for_music(
    monkeypatch, change, chance, stems, kinds
):
    monkeypatch.setattr(mixing, change, lambda audio, *_: 0 * audio)
    only(monkeypatch, **{chance: 1.0})
    mixer = make_mixer(VOICES, MUSICS, augment=True)
    for excerpt in (mixer.draw(seed) for seed in range(60)):
        for stem in STEM_NAMES:
            changed = stem in stems and excerpt.kind in kinds
            absent = stem == "vocals" and excerpt.kind == "instrumental"
            assert getattr(excerpt, stem).any() == (not changed and not absent)


def test_overdrive_flattens_either_stem_and_leaves_the_balance(monkeypatch):
    only(monkeypatch)
    plain = [make_mixer(VOICES, MUSICS, augment=True).draw(seed) for seed in range(40)]
    only(monkeypatch, overdrive=1.0)
    mixer = make_mixer(VOICES, MUSICS, augment=True)
    driven = [mixer.draw(seed) for seed in range(40)]
    for stem in ("vocals", "accompaniment"):
        crests = [
            [np.abs(audio).max() / (np.sqrt(np.mean(audio**2)) + 1e-9) for audio in stems]
            for stems in ([getattr(e, stem) for e in drawn] for drawn in (plain, driven))
        ]
        assert np.median(crests[1]) < 0.85 * np.median(crests[0])
    chosen = [excerpt for excerpt in driven if excerpt.kind == "amalgamation"]
    balance = [decibels(excerpt.vocals) - decibels(excerpt.accompaniment) for excerpt in chosen]
    low, high = MIXTURES.balance_db
    assert low - 0.01 <= min(balance) and max(balance) <= high + 0.01


def test_passages_change_mixtures_of_all_kinds_and_leave_the_rest(monkeypatch):
    """Halfway the voice becomes silent and the music ten times softer."""
    rows = no_passages()
    rows[0] = 0.5 * SAMPLES / RATE, 10.0, 0.0, 0.1
    asked = []
    monkeypatch.setattr(mixing, "draw_passages", lambda rng, seconds: asked.append(seconds) or rows)
    mixer = make_mixer({"a": sine(500)}, {"a": sine(800), "b": sine(300)}, augment=True)
    only(monkeypatch)
    plain = [mixer.draw(seed) for seed in range(40)]
    only(monkeypatch, passages=1.0)
    changed = [mixer.draw(seed) for seed in range(40)]
    half = SAMPLES // 2
    for before, after in zip(plain, changed):
        assert before.songs == after.songs
        for name, factor in (("vocals", 0.0), ("accompaniment", 0.1)):
            old, new = getattr(before, name), getattr(after, name)
            np.testing.assert_allclose(new[:half], old[:half], rtol=1e-5)
            np.testing.assert_allclose(new[half:], factor * old[half:], rtol=1e-5)
    assert asked == [SAMPLES / RATE] * 40
    assert {excerpt.kind for excerpt in changed} == set(KINDS)


def test_a_second_recording_joins_no_louder_than_the_first(monkeypatch):
    only(monkeypatch, second=CHANCES["second"])
    musics = {"low": sine(300), "high": 0.1 * sine(1500)}  # which is made as loud first
    mixer = make_mixer({}, musics, samples=4000, augment=True)
    louder = []  # the first than the second, in dB
    for seed in range(400):
        excerpt = mixer.draw(seed)
        power = np.abs(np.fft.rfft(excerpt.accompaniment * np.hanning(4000))) ** 2
        low, high = power[:400].sum(), power[400:].sum()  # below and above 800 Hz
        louder.append(10 * np.log10(low / high) * (1 if excerpt.songs == ("d/low",) else -1))
    louder = np.array(louder)
    both = np.abs(louder) < 30
    # As often again, it is the same recording that joins.
    assert both.mean() == pytest.approx(CHANCES["second"] / 2, abs=0.045)
    assert -0.1 < louder[both].min() < 2 and 10 < louder[both].max() < 12.1


def test_every_change_is_told_the_stems_rate(monkeypatch):
    names = ("colour", "compress", "echo", "reverberate", "roughen", "add_backing")
    names, told = {*names, "shift_formants"}, set()
    for name in names:
        monkeypatch.setattr(
            mixing, name, lambda audio, *others, what=name: told.add((what, others[-1])) or audio
        )
    only(monkeypatch, **dict.fromkeys(CHANCES, 1.0) | {"speed": 0.0})
    mixer = make_mixer(VOICES, MUSICS, augment=True)
    for seed in range(20):
        mixer.draw(seed)
    assert told == {(name, RATE) for name in names}


def test_what_joins_is_of_the_same_stem(monkeypatch):
    """A second singer in the accompaniment would teach a network to leave voices there."""
    only(monkeypatch, second=1.0)
    voices = {"a": sine(300), "b": sine(400)}
    musics = {"c": sine(1500), "d": sine(1600)}
    for seed in range(40):
        excerpt = make_mixer(voices, musics, samples=4000, augment=True).draw(seed)
        for audio, is_music in ((excerpt.vocals, False), (excerpt.accompaniment, True)):
            power = np.abs(np.fft.rfft(audio * np.hanning(4000))) ** 2
            low, high = power[:400].sum(), power[400:].sum()  # below and above 800 Hz
            assert (low if is_music else high) <= 1e-4 * (low + high)


def test_rooms_are_for_the_vocals_of_amalgamations_alone(monkeypatch):
    """A burst of noise rings on into the rest after it in half of them."""
    only(monkeypatch, reverberation=0.5)
    burst = np.where(np.arange(SAMPLES) < 500, noise(1, SAMPLES), np.float32(0))
    mixer = make_mixer({"a": burst, "b": burst}, {"a": burst, "b": burst}, augment=True)
    drawn = [mixer.draw(seed) for seed in range(300)]
    assert not any(excerpt.accompaniment[500:].any() for excerpt in drawn)
    ringing = {kind: [] for kind in KINDS}
    for excerpt in drawn:
        ringing[excerpt.kind].append(excerpt.vocals[500:].any())
    assert np.mean(ringing["amalgamation"]) == pytest.approx(0.5, abs=0.13)
    assert not any(ringing["true"])


def test_without_augmentation_nothing_is_changed_whatever_the_chances(monkeypatch):
    monkeypatch.setattr(mixing, "CHANCES", dict.fromkeys(CHANCES, 1.0))
    mixer = make_mixer({}, {"music": MUSICS["music"]})
    for seed in range(20):
        locate(mixer.draw(seed).accompaniment, MUSICS["music"])
