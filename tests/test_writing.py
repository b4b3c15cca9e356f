"""Writing: targets refused before the work, exact integers, whole files or none."""

import errno
import gc
import json
import os
import signal
import sys
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import soundfile

from tests.sounds import names, noise, refusal
from vocaltrack import formats, signals, writing
from vocaltrack.formats import check_holds_float, check_target, choose_subtype, container
from vocaltrack.jsonfiles import write_json
from vocaltrack.writing import audio_writers, to_integers


def target(path, subtype=None, channels=1, samples=None):
    subtype = subtype or choose_subtype(path)
    return path, subtype, container(path, channels, subtype, samples)


def write(path, audio, rate=44100, subtype=None, gain=1.0, samples=None):
    channels = audio.shape[1]
    targets = {"vocals": target(path, subtype, channels, samples)}
    with audio_writers(targets, rate, channels, gain) as writers:
        writers["vocals"].write(audio)
    return writers["vocals"]


@pytest.mark.parametrize(
    ("name", "wanted", "source", "chosen"),
    [
        ("a.wav", None, "PCM_24", "PCM_24"),
        ("a.WAV", None, None, "PCM_16"),
        ("a.wav", "FLOAT", "PCM_16", "FLOAT"),
        ("a.flac", None, "FLOAT", "PCM_16"),
        ("a.flac", None, "PCM_S8", "PCM_S8"),
        ("a.aif", None, "PCM_24", "PCM_24"),
        ("a.aifc", None, "PCM_24", "PCM_24"),
        ("a.ogg", None, "PCM_16", "VORBIS"),
        ("a.oga", None, "OPUS", "OPUS"),
        ("a.opus", None, "VORBIS", "OPUS"),
        ("a.mp3", None, "PCM_16", "MPEG_LAYER_III"),
        ("a.wav", None, "VORBIS", "PCM_16"),
        ("a.wav", None, "ALAC_16", "PCM_16"),
        ("a.wav", None, "ALAC_20", "PCM_24"),
        ("a.wav", None, "ALAC_24", "PCM_24"),
        ("a.wav", None, "ALAC_32", "PCM_32"),
        ("a.flac", None, "ALAC_24", "PCM_24"),
    ],
)
def test_the_subtype_is_the_wanted_one_or_the_sources_or_the_formats(name, wanted, source, chosen):
    assert choose_subtype(name, wanted, source) == chosen


@pytest.mark.parametrize("name", ["a.xyz", "a.txt", "a.raw"])
def test_endings_that_name_no_format_are_refused(name):
    refusal(lambda: choose_subtype(name), name, "no audio format")


@pytest.mark.parametrize("name", ["song", "-", ".wav"])
def test_a_name_without_an_ending_tells_no_format(name):
    refusal(lambda: choose_subtype(name), f"{name}: its name has no ending; use .wav")


def test_impossible_subtypes_are_refused():
    refusal(
        lambda: choose_subtype("a.flac", "FLOAT"), "a.flac", "cannot be written as FLOAT", "PCM_24"
    )
    refusal(lambda: check_holds_float("a.flac"), "holds no floating point")
    refusal(lambda: check_holds_float("a.mp3"), "holds no floating point")
    check_holds_float("a.aiff")


def test_targets_are_refused_before_the_work_and_leave_nothing(tmp_path):
    refusal(lambda: check_target(tmp_path / "no" / "a.wav", 16000, 1, "PCM_16"), "no is no folder")
    refusal(
        lambda: check_target(tmp_path / "a.opus", 44100, 2, "OPUS"),
        "OGG cannot hold 2 channels at 44100 Hz as OPUS (Opus only supports sample rates of",
        "48000); use .wav or .flac",
    )
    refusal(lambda: check_target(tmp_path / "a.flac", 44100, 9, "PCM_16"), "cannot hold 9 channels")
    refusal(lambda: check_target(tmp_path / "a.mp3", 96000, 2, "MPEG_LAYER_III"), "96000 Hz")
    check_target(tmp_path / "a.opus", 48000, 2, "OPUS")
    check_target(tmp_path / "a.wav", 44100, 9, "PCM_16")
    assert names(tmp_path) == []


def test_an_unwritable_folder_is_refused(tmp_path):
    folder = tmp_path / "locked"
    if os.geteuid() == 0:  # permissions do not stop root
        folder = Path("/proc")
        if not folder.is_dir():
            pytest.skip("no folder here that root cannot write")
    else:
        folder.mkdir(mode=0o555)
    refusal(lambda: check_target(folder / "a.wav", 44100, 1, "PCM_16"), folder, "cannot be written")
    refusal(lambda: write(folder / "a.wav", noise(10)), folder, "cannot be written")


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_integers_are_rounded_to_the_nearest_and_clipped(bits):
    scale = 2.0 ** (bits - 1)
    audio = np.array([-2, -1, -2.6 / scale, 0, 0.4 / scale, 2.6 / scale, 1 - 1 / scale, 1, 2])
    values = to_integers(audio[:, np.newaxis], bits)[:, 0]
    assert values.dtype == (np.int16 if bits <= 16 else np.int32)
    expected = [-scale, -scale, -3, 0, 0, 3, scale - 1, scale - 1, scale - 1]
    full = 2 ** (8 * values.itemsize - 1)
    np.testing.assert_array_equal(values.astype(np.int64) * scale / full, expected)


@pytest.mark.parametrize(
    ("name", "subtype", "bits"),
    [
        ("a.wav", "PCM_U8", 8),
        ("a.wav", "PCM_16", 16),
        ("a.wav", "PCM_24", 24),
        ("a.flac", "PCM_16", 16),
        ("a.flac", "PCM_24", 24),
        ("a.aiff", "PCM_24", 24),
        ("a.caf", "PCM_S8", 8),
        ("a.caf", "PCM_24", 24),
        ("a.rf64", "PCM_16", 16),
    ],
)
def test_every_integer_comes_back_as_it_was(tmp_path, name, subtype, bits):
    scale = 2 ** (bits - 1)
    values = np.random.default_rng(0).integers(-scale, scale, 5000)
    values[:4] = -scale, scale - 1, 0, -1
    audio = (values[:, np.newaxis] / scale).astype(np.float32)
    writer = write(tmp_path / name, audio, subtype=subtype)
    assert not writer.clips
    again = soundfile.read(tmp_path / name, dtype="int32")[0].astype(np.int64)
    np.testing.assert_array_equal(again >> (32 - bits), values)
    assert names(tmp_path) == [name]


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_floating_point_is_kept_beyond_full_scale(tmp_path, subtype):
    audio = 5.0 * noise(2 * writing.WRITE_BLOCK + 1, 1).astype(np.float32)
    writer = write(tmp_path / "a.wav", audio, 8000, subtype)
    assert not writer.clips
    assert writer.peak == np.abs(audio).max() > 1.0
    assert writer.samples == len(audio)
    np.testing.assert_array_equal(soundfile.read(tmp_path / "a.wav")[0], audio[:, 0])


@pytest.mark.parametrize(("name", "rate"), [("a.ogg", 44100), ("a.opus", 48000), ("a.mp3", 44100)])
def test_lossy_formats_keep_channels_levels_and_length(tmp_path, name, rate):
    time = np.arange(rate // 2) / rate
    audio = np.stack([0.5 * np.sin(2 * np.pi * 440 * time), 0.2 * np.sin(6283 * time)], axis=1)
    write(tmp_path / name, audio, rate)
    again = soundfile.read(tmp_path / name)[0]
    assert again.shape == audio.shape
    middle = slice(rate // 10, -rate // 10)
    error = np.sqrt(np.mean((again - audio)[middle] ** 2, axis=0))
    level = np.sqrt(np.mean(audio[middle] ** 2, axis=0))
    assert (20 * np.log10(level / error) > 25).all()


@pytest.mark.parametrize(("name", "rate"), [("a.ogg", 44100), ("a.opus", 48000), ("a.mp3", 44100)])
def test_lossy_formats_end_at_full_scale_as_players_do(tmp_path, name, rate):
    tone = np.sin(2 * np.pi * 440 * np.arange(rate) / rate)[:, np.newaxis]
    assert not write(tmp_path / name, tone, rate).clips
    assert write(tmp_path / name, 1.5 * tone, rate).clips
    again = soundfile.read(tmp_path / name)[0][rate // 10 : -rate // 10]
    expected = np.clip(1.5 * tone[rate // 10 : -rate // 10, 0], -1, 1)
    assert np.sqrt(np.mean(again**2)) == pytest.approx(np.sqrt(np.mean(expected**2)), rel=0.02)


def test_long_ogg_is_written(tmp_path):
    """libsndfile crashes the process when a minute of Ogg is written in one call."""
    write(tmp_path / "long.ogg", noise(60 * 44100))
    assert soundfile.info(tmp_path / "long.ogg").frames == 60 * 44100


@pytest.mark.parametrize(
    ("subtype", "half_a_step"),
    [(name, 2**-16) for name in ("PCM_16", "ULAW", "ALAW")]
    + [("PCM_24", 2**-24), ("PCM_32", 2**-24)],  # of 24 bits: float32 has no more
)
def test_samples_beyond_full_scale_are_told_for_integers(tmp_path, subtype, half_a_step):
    for beyond, clips in ((0.0, False), (half_a_step / 2, False), (half_a_step * 2, True)):
        level = 1.0 + beyond
        writer = write(tmp_path / "a.wav", np.full((10, 1), -level), subtype=subtype)
        assert writer.clips == clips


def test_a_gain_is_a_factor_of_samples_and_peak(tmp_path):
    writer = write(tmp_path / "a.wav", np.full((10, 1), 2.0), subtype="PCM_16", gain=0.25)
    assert writer.peak == 0.5
    assert (soundfile.read(tmp_path / "a.wav")[0] == 0.5).all()


def test_large_wav_becomes_rf64_and_what_has_no_such_form_is_refused(tmp_path, monkeypatch):
    hours = 44100 * 3600
    assert container("a.wav", 2, "PCM_16", 6 * hours) == "WAV"
    assert container("a.wav", 2, "PCM_16", 7 * hours) == "RF64"
    assert container("a.wav", 2, "FLOAT", 3 * hours) == "WAV"
    assert container("a.wav", 2, "DOUBLE", 2 * hours) == "RF64"
    assert container("a.wav", 2, "PCM_16", None) == "WAV"
    assert container("a.flac", 2, "PCM_24", 99 * hours) == "FLAC"
    refusal(lambda: check_target(tmp_path / "a.aiff", 44100, 2, "PCM_16", 7 * hours), "4 GB of AIF")
    monkeypatch.setattr(formats, "WAV_BYTES", 4000)
    audio = noise(1001, 1)
    write(tmp_path / "a.wav", audio, subtype="FLOAT", samples=1001)
    assert soundfile.info(tmp_path / "a.wav").format == "RF64"
    assert soundfile.info(tmp_path / "a.wav").frames == 1001
    os.remove(tmp_path / "a.wav")
    for path, subtype, most in (("a.wav", "FLOAT", 1000), ("a.aiff", "DOUBLE", 500)):
        write(tmp_path / path, audio[:most], subtype=subtype)
        os.remove(tmp_path / path)
        refusal(lambda: write(tmp_path / path, audio[: most + 1], subtype=subtype), "outgrows")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "error", [OSError("No space\nleft"), RuntimeError("bad"), AssertionError()]
)
def test_a_failed_write_leaves_the_folder_as_it_was(tmp_path, monkeypatch, error):
    target = tmp_path / "a.wav"
    target.write_bytes(b"what was there")
    monkeypatch.setattr(soundfile.SoundFile, "write", Mock(side_effect=error))
    refusal(lambda: write(target, noise(10)), target, "cannot be written", "disk full")
    assert names(tmp_path) == ["a.wav"]
    assert target.read_bytes() == b"what was there"


def test_a_disk_that_is_full_from_the_start_is_told_once(tmp_path, monkeypatch):
    """What is raised when soundfile's file is collected, Python prints."""
    printed = []
    monkeypatch.setattr(sys, "unraisablehook", printed.append)

    class Full(writing.WatchedFile):
        def write(self, data):
            self.error = OSError(errno.ENOSPC, "No space left on device")
            return len(data)

    monkeypatch.setattr(writing, "WatchedFile", Full)
    refusal(lambda: write(tmp_path / "a.wav", noise(10)), "a.wav cannot be written (No space left")
    gc.collect()
    assert printed == []
    assert names(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_within_libsndfiles_callback_is_not_lost(tmp_path, monkeypatch, number):
    """An exception raised there is printed by cffi and forgotten."""
    sent = []

    class Signalled(writing.WatchedFile):
        def write(self, data):
            if not sent:
                sent.append(number)
                os.kill(os.getpid(), number)
            return super().write(data)

    monkeypatch.setattr(writing, "WatchedFile", Signalled)
    before = {other: signal.getsignal(other) for other in (signal.SIGINT, *signals.ENDING)}
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for other in signals.ENDING:
            signal.signal(other, signal.SIG_DFL)
        signals.end_cleanly()
        with pytest.raises((SystemExit, KeyboardInterrupt)) as caught:
            write(tmp_path / "a.flac", noise(100))
    finally:
        for other, handler in before.items():
            signal.signal(other, handler)
    assert sent and (number == signal.SIGINT or caught.value.code == 128 + number)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "error", [OSError("of the reader"), RuntimeError("x"), AssertionError("y")]
)
def test_errors_that_are_not_the_writers_stay_what_they_are(tmp_path, error):
    with pytest.raises(type(error)) as caught:
        with audio_writers({"vocals": target(tmp_path / "a.wav")}, 8000, 1):
            raise error
    assert caught.value is error
    assert names(tmp_path) == []


@pytest.mark.parametrize("linked", [True, False])
@pytest.mark.parametrize("existing", [True, False])
def test_both_stems_take_their_places_or_none(tmp_path, monkeypatch, existing, linked):
    targets = {stem: target(tmp_path / f"{stem}.wav") for stem in ("vocals", "accompaniment")}
    if existing:
        for stem, (path, *_) in targets.items():
            path.write_text(f"old {stem}")
    real = os.replace

    def fail_for_the_second(source, destination):
        if Path(destination).name == "accompaniment.wav" and not str(source).endswith(".old"):
            raise PermissionError(13, "in use")
        real(source, destination)

    def write_both():
        with audio_writers(targets, 8000, 2) as writers:
            for writer in writers.values():
                writer.write(noise(100))

    def no_links(source, name):
        raise OSError("no links here")

    if not linked:
        monkeypatch.setattr(os, "link", no_links)
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", fail_for_the_second)
        refusal(write_both, "accompaniment.wav cannot be written", "in use")
    assert names(tmp_path) == (["accompaniment.wav", "vocals.wav"] if existing else [])
    for stem, (path, *_) in targets.items():
        assert not existing or path.read_text() == f"old {stem}"
    write_both()
    assert names(tmp_path) == ["accompaniment.wav", "vocals.wav"]
    assert all(soundfile.info(str(path)).frames == 100 for path, *_ in targets.values())


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
def test_a_link_to_a_file_stays_one(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "a.wav").symlink_to(tmp_path / "far" / "b.wav")
    write(tmp_path / "a.wav", noise(100))
    assert (tmp_path / "a.wav").is_symlink()
    assert soundfile.info(str(tmp_path / "far" / "b.wav")).frames == 100
    assert names(tmp_path) == ["a.wav", "far"] and names(tmp_path / "far") == ["b.wav"]


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX alone")
def test_names_that_are_no_utf8_are_written(tmp_path):
    folder = tmp_path / os.fsdecode(b"\xff")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("no such names in this file system")
    write(folder / os.fsdecode(b"\xfe.wav"), noise(10))
    assert os.listdir(os.fsencode(folder)) == [b"\xfe.wav"]


@pytest.mark.parametrize("source", ["IMA_ADPCM", "MS_ADPCM", "GSM610", "G721_32", "MPEG_LAYER_III"])
def test_what_pads_its_end_is_not_written(source):
    assert choose_subtype("out.wav", source=source) == "PCM_16"
    refusal(lambda: choose_subtype("out.wav", wanted=source), "it can as PCM_16, PCM_24")


@pytest.mark.parametrize("ending", ["htk", "sds", "svx", "voc", "wve", "xi", "paf", "sd2", "raw"])
def test_formats_that_change_the_sound_are_not_written(ending):
    refusal(lambda: choose_subtype(f"a.{ending}"), "no audio format ends in")


@pytest.mark.parametrize(
    ("name", "held", "rate"),
    [("a.ogg", 192000, 200001), ("a.flac", 65535, 65537), ("a.mp3", 48000, 96000)],
)
def test_rates_that_a_format_cannot_hold_are_refused(tmp_path, name, held, rate):
    subtype = choose_subtype(tmp_path / name)
    refusal(lambda: check_target(tmp_path / name, rate, 1, subtype), f"at {rate} Hz")
    check_target(tmp_path / name, held, 1, subtype)
    assert names(tmp_path) == []


@pytest.mark.parametrize("subtype", ["ULAW", "ALAW"])
def test_full_scale_keeps_its_sign(tmp_path, subtype):
    write(tmp_path / "a.wav", np.array([[-1.0], [1.0], [-0.5]]), subtype=subtype)
    again = soundfile.read(tmp_path / "a.wav")[0]
    np.testing.assert_allclose(again, [-1.0, 1.0, -0.5], atol=0.03)


def test_opus_in_blocks_is_that_of_one_write(tmp_path):
    audio = 0.3 * noise(3 * 48000 + 777, 2).astype(np.float32)
    with audio_writers({"vocals": target(tmp_path / "a.opus")}, 48000, 2) as writers:
        for start in range(0, len(audio), 50000):
            writers["vocals"].write(audio[start : start + 50000])
    soundfile.write(tmp_path / "b.opus", audio, 48000, "OPUS", format="OGG")
    once = soundfile.read(tmp_path / "b.opus")[0]
    np.testing.assert_array_equal(soundfile.read(tmp_path / "a.opus")[0], once)


def test_json_has_null_for_what_is_no_number(tmp_path):
    content = {"a": [1.5, -np.inf, [np.nan]], "b": {"c": np.inf, "d": "x"}}
    write_json(tmp_path / "report.json", {"scores": content})
    expected = {"a": [1.5, None, [None]], "b": {"c": None, "d": "x"}}
    assert json.loads((tmp_path / "report.json").read_text()) == {"scores": expected}
