"""Songs: the sum of their sources, clip after clip, at any rate."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.dataset_files import RATE, noise, write
from tests.sounds import refusal
from vocaltrack.progress import say_beside_bar
from vocaltrack.songs import Clip, Song, Source


def test_load_sums_sources_and_pads_each_clip(tmp_path):
    """The second clip's vocals start where its accompaniment does."""
    lengths = {"v1": 0.1, "a1": 0.2, "b1": 0.15, "v2": 0.2, "a2": 0.1}
    audio = {name: noise(n, s) for n, (name, s) in enumerate(lengths.items())}
    for name, samples in audio.items():
        write(tmp_path / f"{name}.wav", samples)
    v1, a1, b1, v2, a2 = (Source(tmp_path / f"{name}.wav") for name in lengths)
    song = Song("x", "d", "s", "train", (Clip((v1,), (a1, b1)), Clip((v2,), (a2,))))
    vocals, accompaniment = song.load(RATE).values()
    assert len(vocals) == len(accompaniment) == 3200
    np.testing.assert_array_equal(vocals[:800], audio["v1"])
    assert not vocals[800:1600].any()
    np.testing.assert_array_equal(vocals[1600:], audio["v2"])
    np.testing.assert_array_equal(accompaniment[:1200], audio["a1"][:1200] + audio["b1"])
    np.testing.assert_array_equal(accompaniment[1200:1600], audio["a1"][1200:])
    np.testing.assert_array_equal(accompaniment[1600:2400], audio["a2"])
    assert not accompaniment[2400:].any()


@pytest.mark.parametrize("rate", [RATE, 2 * RATE])
@pytest.mark.parametrize(("lacks", "told"), [(0.09, ""), (0.14, "0.1 s"), (0.25, "0.2 s")])
def test_a_recording_that_ends_before_the_others_is_told(tmp_path, capsys, lacks, told, rate):
    write(tmp_path / "v.wav", noise(0, 1.0 - lacks))
    write(tmp_path / "a.wav", noise(1, 1.0))
    sources = ((Source(tmp_path / f"{name}.wav"),) for name in "va")
    Song("x", "d", "s", "train", (Clip(*sources),)).load(rate)
    out, error = capsys.readouterr()
    assert not out and error.count("\n") == bool(told)
    assert not told or f"v.wav is {told} shorter" in error


def test_what_is_told_takes_the_place_of_a_terminals_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for stream, written in ((io.StringIO(), "so\n"), (Terminal(), "\r\x1b[Kso\n")):
        monkeypatch.setattr(sys, "stderr", stream)
        say_beside_bar("so")
        assert stream.getvalue() == written


def test_stems_of_several_formats_take_the_most_channels_and_the_highest_rate(tmp_path):
    write(tmp_path / "v.wav", noise(0, 0.5))
    stereo = np.stack([noise(1, 0.5), noise(2, 0.5)], axis=1)
    write(tmp_path / "a.wav", stereo)
    write(tmp_path / "b.wav", np.zeros((22050, 1)), 44100)
    v, a, b = (Source(tmp_path / f"{name}.wav") for name in "vab")
    song = Song("x", "d", "s", "train", (Clip((v,), (a,)),))
    assert song.own_format() == (RATE, 2)
    stems = song.load(*song.own_format())
    np.testing.assert_array_equal(stems["vocals"], np.stack([noise(0, 0.5)] * 2, axis=1))
    np.testing.assert_array_equal(stems["accompaniment"], stereo)
    song = Song("x", "d", "s", "train", (Clip((v,), (a, b)),))
    assert song.own_format() == (44100, 2)
    assert [stem.shape for stem in song.load(44100, 2).values()] == [(22050, 2)] * 2
    left = Source(tmp_path / "a.wav", channel=0)
    assert left.own_format() == (RATE, 1)
    np.testing.assert_array_equal(left.load(RATE, 1), stereo[:, :1])


def test_the_format_of_a_track_is_not_that_of_the_first(monkeypatch):
    """A .stem.mp4 may hold a mono stem behind its stereo mixture."""
    formats = [SimpleNamespace(sample_rate=RATE, channels=2 - track) for track in (0, 1)]
    monkeypatch.setattr("vocaltrack.songs.open_audio", lambda path, track=0: formats[track])
    assert Source(Path("a.stem.mp4"), track=1).own_format() == (RATE, 1)


def test_recordings_of_other_channels_are_refused(tmp_path):
    write(tmp_path / "a.wav", np.ones((9, 3)))
    refusal(lambda: Source(tmp_path / "a.wav").load(RATE, 2), "a.wav has 3 channels", "song 2")


def test_load_resamples_and_takes_the_mean_of_the_channels(tmp_path):
    time = np.arange(8820) / 44100
    tone = 0.5 * np.sin(2 * np.pi * 440 * time)
    write(tmp_path / "v.wav", np.stack([tone, 0.5 * tone], axis=1), 44100)
    song = Song("x", "d", "s", "train", (Clip((Source(tmp_path / "v.wav"),)),))
    vocals = song.load(16000)["vocals"]
    assert (vocals.shape, vocals.dtype) == ((3200,), np.float32)
    expected = 0.375 * np.sin(2 * np.pi * 440 * np.arange(3200) / 16000)
    assert np.abs(vocals - expected)[320:-320].max() < 1e-3


def test_a_song_has_only_the_stems_of_all_its_clips():
    voice, music = (Source(Path("v.wav")),), (Source(Path("a.wav")),)
    song = Song("x", "d", "s", "train", (Clip(voice, music), Clip((), music)))
    assert song.stems == ("accompaniment",)
