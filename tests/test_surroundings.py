"""Odd names, targets, disks, models and signals: a right result, or one line and
nothing left behind."""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from tests.fuzzing import (
    assert_refused,
    separate,
    sound,
    tree,
    try_out,
)
from tests.paths import REPOSITORY, SAVED_MODELS
from vocaltrack import separator

pytestmark = pytest.mark.usefixtures("cheap")


@pytest.mark.parametrize(
    "name",
    ["a b.wav", " .wav", "a\nb.wav", "\u65e5\u672c \u266b.wav", "e\u0301.WAV", "%s{track}'\".wav"]
    + ["\\n.wav", "a.b.c.wav", "\t\r.wav", "x" * 200 + ".wav", "\x1b[31mred.wav", "-.wav"],
)
def test_odd_names_are_separated_and_told_apart(capfd, tmp_path, name):
    source = tmp_path / name
    soundfile.write(os.fsencode(source), sound(16000, 1), 16000, format="WAV")
    assert try_out(capfd, source, 0)
    code, _, error = separate(capfd, source, "-o", tmp_path / "many", "-q")
    assert (code, error) == (0, "")
    assert (
        len(list((tmp_path / "many").rglob("*.*v"))) + len(list((tmp_path / "many").rglob("*.WAV")))
        >= 2
    )
    shutil.rmtree(tmp_path / "many")
    source.write_bytes(b"broken")
    assert not try_out(capfd, source, 1)


def test_targets_that_cannot_be_are_refused(capfd, tmp_path):
    source = tmp_path / "in.wav"
    soundfile.write(source, sound(16000, 1), 16000)
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "file").write_text("no folder")
    os.symlink(tmp_path / "loop.wav", tmp_path / "loop.wav")
    os.symlink(source, tmp_path / "same.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    os.symlink("absent/x.wav", tmp_path / "dangling.wav")
    before = tree(tmp_path)
    for target in ("folder.wav", "file/out.wav", "absent/out.wav", "in.wav", "same.wav", "out"):
        target = tmp_path / target
        assert_refused(separate(capfd, source, target), target.parent, tmp_path, before)
    for target in ("out.m4a", "out.raw", "out.sd2", "out.", ".wav", "x" * 300 + ".wav"):
        assert_refused(separate(capfd, source, tmp_path / target), target, tmp_path, before)
    for words in (["-o", tmp_path / "file"], ["-o", tmp_path / "file" / "deep"]):
        assert_refused(separate(capfd, source, *words), tmp_path / "file", tmp_path, before)
    for bad in ("folder.wav", "absent.wav", "loop.wav", "pipe.wav", "dangling.wav", "in.wav/x.wav"):
        bad = tmp_path / bad
        assert_refused(separate(capfd, bad, tmp_path / "out.wav"), bad, tmp_path, before)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write all files")
def test_what_may_not_be_read_or_written_is_refused(capfd, tmp_path):
    source = tmp_path / "in.wav"
    soundfile.write(source, sound(16000, 1), 16000)
    (tmp_path / "locked").mkdir(0o500)
    before = tree(tmp_path)
    target = tmp_path / "locked" / "out.wav"
    assert_refused(separate(capfd, source, target), target.parent, tmp_path, before)
    source.chmod(0)
    code, _, error = separate(capfd, source, tmp_path / "out.wav")
    assert code == 2 and str(source) in error and error.count("\n") == 1
    assert not (tmp_path / "out.wav").exists()


def test_broken_files_among_good_ones_are_each_one_line(capfd, tmp_path):
    rng = np.random.default_rng(2)
    music = tmp_path / "music"
    music.mkdir()
    for number in range(12):
        path = music / f"{number:02}.wav"
        soundfile.write(path, sound(16000, 1), 16000)
        if number % 3 == 1:
            path.write_bytes(path.read_bytes()[: rng.integers(1, 1000)])
    code, out, error = separate(capfd, music, "-o", tmp_path / "out")
    lines = error.splitlines()
    assert (code, lines[0]) == (1, "8 of 12 files were separated")
    assert [line.partition("music/")[2][:6] for line in lines[1:]] == [
        f"{number:02}.wav" for number in (1, 4, 7, 10)
    ]
    assert len(out.splitlines()) == 16
    assert len(list((tmp_path / "out").rglob("*.wav"))) == 16
    assert len(list((tmp_path / "out").iterdir())) == 8


@contextlib.contextmanager
def disk_of(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# Without ALAC: libsndfile crashes when its own temporary file cannot be written.
@pytest.mark.parametrize(
    "ending", ["wav", "flac", "ogg", "mp3", "aiff", "w64", "rf64", "caf", "au"]
)
def test_a_full_disk_is_told_and_nothing_stays(capfd, tmp_path, ending):
    source, vocals, rest = (tmp_path / name for name in ("in.wav", f"v.{ending}", f"r.{ending}"))
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (100000, 1))
    soundfile.write(source, noise, 16000, "PCM_16")
    assert separate(capfd, source, vocals, "--accompaniment", rest)[0] == 0
    largest = max(vocals.stat().st_size, rest.stat().st_size)
    assert largest > 20000
    rest.unlink()
    before = tree(tmp_path)
    for size in (12000, largest // 2, largest - 1):
        with disk_of(size):
            result = separate(capfd, source, vocals, "--accompaniment", rest)
        assert_refused(result, ending, tmp_path, before)
        assert "File too large" in result[2]


def test_a_damaged_model_is_refused_by_its_checksum(capfd, tmp_path, monkeypatch):
    from vocaltrack.savedmodel import load

    monkeypatch.setattr(separator, "load", load)
    model = tmp_path / "model"
    shutil.copytree(SAVED_MODELS / "unet", model)
    soundfile.write(tmp_path / "in.wav", sound(16000, 1), 16000)
    rng = np.random.default_rng(3)
    for name in ("saved_model.pb", "variables/variables.index", "assets/contract.json"):
        data = (model / name).read_bytes()
        broken = bytearray(data)
        broken[rng.integers(len(data))] ^= 1 << rng.integers(8)
        for bad in (bytes(broken), data[: len(data) // 2], b"", None):
            (model / name).unlink()
            if bad is not None:
                (model / name).write_bytes(bad)
            before = tree(tmp_path)
            words = [tmp_path / "in.wav", tmp_path / "out.wav", "--model", model]
            assert_refused(separate(capfd, *words), model, tmp_path, before)
            (model / name).write_bytes(data)


def start(*words, **options):
    words = [sys.executable, REPOSITORY / "separate.py", "--model", "unet", *words]
    return subprocess.Popen(words, stderr=subprocess.PIPE, text=True, **options)


def test_broken_files_are_told_whose_names_are_no_utf8(tmp_path):
    sources = [tmp_path / os.fsdecode(name) for name in (b"\xff1.wav", b"\xff2.wav")]
    try:
        for source in sources:
            source.write_bytes(b"broken")
    except OSError:
        pytest.skip("no such names in this file system")
    process = start(*sources, "-o", tmp_path / "out")
    first, *lines = process.communicate(timeout=120)[1].splitlines()
    assert (process.returncode, first) == (1, "0 of 2 files were separated")
    assert [line.partition("udcff")[2][:6] for line in lines] == ["1.wav ", "2.wav "]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_midway_leaves_nothing(tmp_path, number):
    source, vocals = tmp_path / "long.wav", tmp_path / "out" / "long" / "vocals.flac"
    noise = np.random.default_rng(0).integers(-9999, 9999, (16000 * 60, 1), dtype=np.int16)
    with soundfile.SoundFile(source, "w", 16000, 1) as file:
        for _ in range(30):
            file.write(noise)
    pattern = "{track}/{stem}.flac"
    process = start(
        source,
        "-o",
        tmp_path / "out",
        "--filename",
        pattern,
        # Whoever runs the tests in the background may have it ignored.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    try:
        patience = time.monotonic() + 120
        while not any(p.stat().st_size for p in vocals.parent.glob(".vocaltrack-*")):
            assert process.poll() is None and time.monotonic() < patience
            time.sleep(0.1)
        process.send_signal(number)
        error = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert process.returncode == 128 + number
    assert error == ("vocaltrack: interrupted\n" if number == signal.SIGINT else "")
    assert os.listdir(tmp_path) == ["long.wav"]


PRINTED = """
import sys
from vocaltrack import commands
from vocaltrack.cli import main
from vocaltrack.errors import say, show
commands.export = lambda options: {say}("word " * 9999)
sys.exit(main(["export", "run", "model"]))
"""


def printing(say, stdout):
    """The exit code of a command that prints, and what it complains of."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    words = [sys.executable, "-c", PRINTED.replace("{say}", say)]
    done = subprocess.run(words, stdout=stdout, stderr=subprocess.PIPE, env=environment)
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize("say", ["say", "show"])
def test_nobody_has_to_read_what_any_command_prints(say):
    reading, writing = os.pipe()
    os.close(reading)
    assert printing(say, writing) == (0, "")
    os.close(writing)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_only_what_a_command_is_for_must_find_room():
    with open("/dev/full", "w") as full:
        assert printing("say", full) == (0, "")
        code, error = printing("show", full)
    told = "vocaltrack: error: the output cannot be printed: No space left on device\n"
    assert (code, error) == (2, told)


def test_nobody_has_to_read_what_is_printed(tmp_path):
    source = tmp_path / "in.wav"
    soundfile.write(source, sound(16000, 1), 16000)
    reading, writing = os.pipe()
    os.close(reading)
    process = start(
        source, tmp_path / "out.wav", stdout=writing, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    os.close(writing)
    assert process.communicate(timeout=120)[1] == ""
    assert process.returncode == 0
    assert len(soundfile.read(tmp_path / "out.wav")[0]) == 4800
