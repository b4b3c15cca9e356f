"""Invented music: in time and in key, without voices, as loud as it is said to be."""

import subprocess

import mido
import numpy as np
import pytest
import soundfile

from tests.sounds import refusal
from vocaltrack.augmentation import rms

SECONDS = 20.0
SEEDS = range(40)


@pytest.fixture
def composing(shipped_recipe):
    return shipped_recipe("composing")


@pytest.fixture
def instruments(shipped_recipe):
    return shipped_recipe("instruments")


@pytest.fixture
def music(shipped_recipe):
    return shipped_recipe("synthetic_music")


@pytest.fixture
def bands(composing):
    return [composing.compose(np.random.default_rng(seed), SECONDS) for seed in SEEDS]


def test_bands_depend_on_the_generator_alone(composing, bands):
    assert composing.compose(np.random.default_rng(3), SECONDS) == bands[3]
    assert bands[3] != bands[4]


def test_every_band_plays_and_nobody_sings(instruments, bands):
    for band in bands:
        assert len(band) >= 2 and "chords" in {part.role for part in band}
        assert all(part.notes for part in band if part.role != "lead")
        for part in band:
            assert part.role == "drums" or part.program not in instruments.VOICES
    roles = [part.role for band in bands for part in band]
    for role, share in (("drums", 0.85), ("bass", 0.85), ("chords", 2.0), ("lead", 1.0)):
        assert roles.count(role) / len(bands) == pytest.approx(share, abs=0.35)


def test_parts_fill_the_time_and_end_with_a_bar(bands):
    for band in bands:
        notes = [note for part in band for note in part.notes]
        last_start = max(note.start for note in notes)
        assert min(note.start for note in notes) < 4.0
        assert SECONDS / 2 < last_start < SECONDS + 4.0
        for note in notes:
            assert 0.0 <= note.start < note.end
            assert 0 <= note.pitch <= 127 and 20 <= note.velocity <= 127


def test_instruments_share_one_key(bands):
    """At most seven of the twelve pitch classes sound in a song."""
    for band in bands:
        tones = {n.pitch % 12 for part in band if part.role != "drums" for n in part.notes}
        assert 1 <= len(tones) <= 7


def test_melodies_bend_within_what_a_pitch_wheel_can(instruments, bands):
    bends = [s for band in bands for part in band for _, s in part.bends]
    assert max(np.abs(bends)) <= instruments.BEND_SEMITONES
    assert np.std(bends) > 0.05
    assert not any(part.bends for band in bands for part in band if part.role != "lead")


def test_midi_keeps_times_pitches_and_bends(shipped_recipe, composing, music):
    Note = shipped_recipe("song_frame").Note
    notes = [Note(0.5, 1.25, 60, 90), Note(1.25, 2.0, 60, 80)]
    part = composing.Part("lead", 40, notes, [(0.75, 1.0), (1.5, -2.0)])
    now, played = 0.0, []
    for message in music.midi(part):  # mido gives seconds between messages
        now += message.time
        if not message.is_meta:
            played.append((round(now, 3), message.type, getattr(message, "note", None)))
    assert played == [
        (0.0, "program_change", None),
        (0.5, "note_on", 60),
        (0.75, "pitchwheel", None),
        (1.25, "note_off", 60),
        (1.25, "note_on", 60),
        (1.5, "pitchwheel", None),
        (2.0, "note_off", 60),
    ]
    wheel = [m.pitch for m in music.midi(part) if m.type == "pitchwheel"]
    assert wheel == [4096, -8191]
    drums = music.midi(composing.Part("drums", 8, notes, []))
    assert {message.channel for message in drums if not message.is_meta} == {9}


def test_recorded_parts_have_their_loudness(composing, music):
    audio = np.random.default_rng(0).normal(0.0, 0.1, music.SAMPLE_RATE).astype(np.float32)
    for role, (low, high) in music.LOUDNESS_DB.items():
        part = composing.Part(role, 30, [], [])
        levels = [
            20 * np.log10(rms(music.record(part, audio, np.random.default_rng(seed))))
            for seed in range(40)
        ]
        assert low - 0.1 <= min(levels) < low + 2 and high - 2 < max(levels) <= high + 0.1


def test_amplifiers_clip_and_dull(music):
    tone = 0.1 * np.sin(2 * np.pi * 200 * np.arange(music.SAMPLE_RATE) / music.SAMPLE_RATE)
    for seed in range(5):
        loud = np.abs(np.fft.rfft(music.amplify(tone, np.random.default_rng(seed))))
        harmonics = loud[200::400]  # odd ones, one bin to the hertz
        assert 20 * np.log10(harmonics[1] / harmonics[0]) > -40
        high = 20 * np.log10(harmonics[-1] / harmonics[0] + 1e-12)
        assert high < 20 * np.log10(1 / len(harmonics) / 2) - 15


def test_each_number_is_another_song_and_each_seed_too(composing, music, monkeypatch):
    """And one song of a seed is not that of another number and seed."""
    part = composing.Part("lead", 30, [], [])
    monkeypatch.setattr(music, "compose", lambda rng, seconds: [part])
    tone = np.sin(np.arange(4000.0))
    monkeypatch.setattr(music, "play", lambda part, soundfont: tone)
    songs = {
        music.invent(number, seed, "font.sf2").tobytes()
        for number, seed in ((0, 0), (1, 0), (0, 1), (1, 1))
    }
    assert len(songs) == 4
    assert music.invent(0, 0, "font.sf2").tobytes() in songs


def said(what):
    """What `subprocess.run` returns of a program that says this on stderr."""
    return subprocess.CompletedProcess([], 0, b"", what)


def test_a_soundfont_that_fluidsynth_does_not_read_is_refused(music, monkeypatch, tmp_path):
    """FluidSynth plays its own in its place, and calls it a success."""
    complaint = b"fluidsynth: error: fluid_is_soundfont(): expected RIFF chunk id '0x46464952'"
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: said(complaint))
    refusal(lambda: music.write_song(7, tmp_path, 0, "font.sf2"), "font.sf2 cannot be read as")
    assert not list(tmp_path.iterdir())


def test_songs_are_written_as_stems_once(music, monkeypatch, tmp_path):
    """With a sine in FluidSynth's place, which the tests do without."""

    def fluidsynth(command, **_):
        path, notes = command[command.index("-F") + 1], mido.MidiFile(command[-1])
        assert 0.0 < notes.length < 60.0
        seconds = np.arange(round(music.SECONDS * 1.1 * music.RENDERED_RATE)) / music.RENDERED_RATE
        soundfile.write(path, 0.3 * np.sin(2 * np.pi * 440 * seconds), music.RENDERED_RATE)
        return said(b"")

    monkeypatch.setattr(subprocess, "run", fluidsynth)
    music.write_song(7, tmp_path, 0, "font.sf2")
    (path,) = tmp_path.rglob("*.opus")
    assert path.relative_to(tmp_path).as_posix() == "train/synthetic-007/accompaniment.opus"
    audio, rate = soundfile.read(path)
    assert rate == 16000 and len(audio) == music.SECONDS * 16000 and audio.ndim == 1
    assert np.abs(audio).max() == pytest.approx(10 ** (music.PEAK_DB / 20), abs=0.1)
    spectrum = np.abs(np.fft.rfft(audio))
    assert abs(np.argmax(spectrum) / music.SECONDS - 440) < 2
    monkeypatch.setattr(subprocess, "run", None)
    music.write_song(7, tmp_path, 0, "font.sf2")  # it is there
