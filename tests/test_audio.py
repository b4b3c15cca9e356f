"""Audio files and atomic writing: what goes in comes out, or a one-line refusal."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from vocaltrack.audio import (
    check_target,
    fit_length,
    read_audio,
    resample,
    subtype_of,
    write_audio,
)
from vocaltrack.errors import UserError
from vocaltrack.files import replace_folder, write_atomically


def sine(frequency, rate, seconds, level=0.5):
    time = np.arange(round(rate * seconds)) / rate
    return (level * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def stereo(rate=44100, seconds=0.5):
    return np.stack([sine(440, rate, seconds), sine(1000, rate, seconds, 0.25)], axis=1)


def refusal(call, *words):
    """The call's UserError, which is one line and holds the words."""
    with pytest.raises(UserError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert str(word) in message
    return message


def names(folder):
    return sorted(os.listdir(folder))


@pytest.mark.parametrize(
    ("name", "subtype", "written", "tolerance"),
    [
        ("a.wav", "PCM_16", "PCM_16", 2**-15),
        ("a.wav", "PCM_24", "PCM_24", 2**-23),
        ("a.wav", "FLOAT", "FLOAT", 0.0),
        ("a.WAV", None, "PCM_16", 2**-15),
        ("a.flac", "PCM_16", "PCM_16", 2**-15),
        ("a.flac", "PCM_24", "PCM_24", 2**-23),
        ("a.flac", "FLOAT", "PCM_16", 2**-15),
        ("a.aif", "PCM_24", "PCM_24", 2**-23),
    ],
)
def test_lossless_round_trip(tmp_path, name, subtype, written, tolerance):
    audio = stereo()
    write_audio(tmp_path / name, audio, 44100, subtype)
    again, rate = read_audio(tmp_path / name)
    assert (rate, again.dtype, again.shape) == (44100, np.float32, audio.shape)
    assert subtype_of(tmp_path / name) == written
    assert np.abs(again - audio).max() <= tolerance
    assert names(tmp_path) == [name]


@pytest.mark.parametrize(("name", "rate"), [("a.ogg", 44100), ("a.opus", 48000), ("a.mp3", 44100)])
def test_lossy_round_trip_keeps_channels_and_levels(tmp_path, name, rate):
    audio = stereo(rate)
    write_audio(tmp_path / name, audio, rate, "PCM_16")
    again, read_rate = read_audio(tmp_path / name)
    assert read_rate == rate
    again = fit_length(again, len(audio))
    middle = slice(rate // 10, -rate // 10)
    error = np.sqrt(np.mean((again - audio)[middle] ** 2, axis=0))
    level = np.sqrt(np.mean(audio[middle] ** 2, axis=0))
    assert (20 * np.log10(level / error) > 25).all()


def test_long_ogg_is_written(tmp_path):
    """libsndfile crashes the process when a minute of Ogg is written in one call."""
    audio = np.random.default_rng(0).normal(0, 0.1, (60 * 44100, 2)).astype(np.float32)
    write_audio(tmp_path / "long.ogg", audio, 44100)
    assert soundfile.info(tmp_path / "long.ogg").frames == len(audio)


def test_mono_and_block_edges(tmp_path):
    audio = np.random.default_rng(0).uniform(-1, 1, 2 * 65536 + 1).astype(np.float32)
    write_audio(tmp_path / "mono.wav", audio, 8000, "FLOAT")
    again, rate = read_audio(tmp_path / "mono.wav")
    assert rate == 8000
    np.testing.assert_array_equal(again[:, 0], audio)


@pytest.mark.parametrize("rates", [(44100, 16000), (48000, 16000), (16000, 44100), (22050, 16000)])
def test_resample_keeps_tone_and_time(rates):
    source, target = rates
    result = resample(sine(1000, source, 1.0), source, target)
    assert result.dtype == np.float32
    assert len(result) == target
    middle = slice(target // 10, -target // 10)
    assert np.abs(result - sine(1000, target, 1.0))[middle].max() < 1e-4


@pytest.mark.parametrize("samples", [1, 7, 999, 44100, 44101])
def test_resample_length(samples):
    audio = np.zeros((samples, 2), np.float32)
    assert resample(audio, 44100, 16000).shape == (round(samples * 16000 / 44100), 2)
    assert resample(audio, 44100, 44100) is audio


def test_resample_stops_aliases():
    result = resample(sine(10000, 44100, 1.0), 44100, 16000)[1600:-1600]
    assert np.sqrt(np.mean(result**2)) < 0.5 / np.sqrt(2) * 10 ** (-80 / 20)


def test_fit_length():
    audio = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.testing.assert_array_equal(fit_length(audio, 2), audio[:2])
    np.testing.assert_array_equal(fit_length(audio, 4), [*audio, [0, 0]])
    np.testing.assert_array_equal(fit_length(audio[:, 0], 4), [0, 2, 4, 0])


def test_reading_refuses_what_is_no_audio(tmp_path):
    text, empty, raw = tmp_path / "text.wav", tmp_path / "empty.wav", tmp_path / "a.raw"
    text.write_text("no audio at all\n" * 100)
    empty.touch()
    raw.write_bytes(b"\0" * 4000)
    silent = tmp_path / "no_samples.wav"
    soundfile.write(silent, np.zeros((0, 1)), 8000)
    refusal(lambda: read_audio(text), text, "cannot be read as audio")
    refusal(lambda: read_audio(raw), raw, "cannot be read as audio")
    refusal(lambda: read_audio(empty), empty, "empty file")
    refusal(lambda: read_audio(silent), silent, "no samples")
    refusal(lambda: read_audio(tmp_path / "absent.wav"), "absent.wav: no such file")
    refusal(lambda: read_audio(tmp_path), tmp_path, "is a folder")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_reading_refuses_what_is_no_number(tmp_path, value):
    audio = np.zeros(100, np.float32)
    audio[50] = value
    soundfile.write(tmp_path / "a.wav", audio, 8000, subtype="FLOAT")
    refusal(lambda: read_audio(tmp_path / "a.wav"), "a.wav", "not finite")


@pytest.mark.parametrize("name", ["a.xyz", "a", "a.txt", "a.raw"])
def test_writing_refuses_unknown_endings(tmp_path, name):
    refusal(lambda: write_audio(tmp_path / name, stereo(), 44100), name, "no audio format")
    assert names(tmp_path) == []


def test_writing_refuses_wrong_places(tmp_path):
    (tmp_path / "folder.wav").mkdir()
    refusal(lambda: check_target(tmp_path / "folder.wav", 16000, 1), "is a folder")
    refusal(lambda: check_target(tmp_path / "absent" / "a.wav", 16000, 1), "absent is no folder")
    assert names(tmp_path) == ["folder.wav"]


def test_writing_refuses_an_unwritable_folder(tmp_path):
    folder = tmp_path / "locked"
    if os.geteuid() == 0:  # permissions do not stop root
        folder = Path("/proc")
        if not folder.is_dir():
            pytest.skip("no folder here that root cannot write")
    else:
        folder.mkdir(mode=0o555)
    refusal(lambda: write_audio(folder / "a.wav", stereo(), 44100), folder, "cannot be written")


def test_failed_write_leaves_the_folder_as_it_was(tmp_path, monkeypatch):
    target = tmp_path / "a.wav"
    target.write_bytes(b"what was there")

    def full(self, audio):
        raise OSError("No space left on device")

    monkeypatch.setattr(soundfile.SoundFile, "write", full)
    refusal(lambda: write_audio(target, stereo(), 44100), target, "No space left on device")
    assert names(tmp_path) == ["a.wav"]
    assert target.read_bytes() == b"what was there"


def test_write_atomically(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def write(temporary):
        assert Path(temporary).parent == tmp_path
        assert Path(temporary).suffix == ".txt"
        Path(temporary).write_text("new")
        assert target.read_text() == "old"

    write_atomically(target, write)
    assert target.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]
    plain = tmp_path / "plain"
    plain.touch()
    assert target.stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("error", [OSError("disk\nfull"), RuntimeError("bad"), ValueError("bug")])
def test_write_atomically_cleans_up(tmp_path, error):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def write(temporary):
        Path(temporary).write_text("half")
        raise error

    if isinstance(error, ValueError):
        with pytest.raises(ValueError, match="bug"):
            write_atomically(target, write)
    else:
        refusal(lambda: write_atomically(target, write), target, "cannot be written")
    assert names(tmp_path) == ["a.txt"]
    assert target.read_text() == "old"


def test_replace_folder_replaces_the_whole(tmp_path):
    target = tmp_path / "deep" / "model"
    replace_folder(target, lambda folder: (folder / "old").touch())
    assert names(target) == ["old"]
    replace_folder(target, lambda folder: (folder / "new").write_text("x"))
    assert names(target) == ["new"]
    assert names(target.parent) == ["model"]
    plain = tmp_path / "plain"
    plain.mkdir()
    assert target.stat().st_mode == plain.stat().st_mode


def test_replace_folder_cleans_up(tmp_path):
    target = tmp_path / "model"
    replace_folder(target, lambda folder: (folder / "old").touch())

    def fill(folder):
        (folder / "half").touch()
        raise ValueError("bug")

    with pytest.raises(ValueError, match="bug"):
        replace_folder(target, fill)
    assert names(tmp_path) == ["model"]
    assert names(target) == ["old"]


def test_replace_folder_refuses_a_file(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")
    refusal(lambda: replace_folder(target, lambda folder: None), target, "cannot be written")
    refusal(lambda: replace_folder(target / "below", lambda folder: None), "cannot be written")
    assert names(tmp_path) == ["file"]
    assert target.read_text() == "old"


def test_a_rate_that_the_format_lacks_is_refused_early(tmp_path):
    refusal(lambda: check_target(tmp_path / "a.opus", 44100, 2), "cannot hold 2 channels at 44100")
    assert check_target(tmp_path / "a.opus", 48000, 2) == ("OGG", "OPUS")
    assert check_target(tmp_path / "a.flac", 44100, 2, "FLOAT") == ("FLAC", "PCM_16")


def test_replace_folder_brings_the_old_one_back(tmp_path, monkeypatch):
    target = tmp_path / "model"
    target.mkdir()
    (target / "a").write_text("old")
    real = os.replace

    def fail_for_the_new(source, destination):
        if Path(source).name == "new":
            raise OSError("Input/output error")
        real(source, destination)

    monkeypatch.setattr(os, "replace", fail_for_the_new)
    refusal(lambda: replace_folder(target, lambda folder: None), "Input/output error")
    assert (target / "a").read_text() == "old"
    assert names(tmp_path) == ["model"]
