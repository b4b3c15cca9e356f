"""What tests of bad input share: a cheap network, and what may come of a file."""

import contextlib
import os
import shutil
import signal

import numpy as np
import pytest
import soundfile

from vocaltrack import separate_command, separator, signals
from vocaltrack.cli import main
from vocaltrack.config import FeatureConfig
from vocaltrack.savedmodel import ServedModel
from vocaltrack.truncation import mp3_tells_length

SECONDS = 20


class TooSlow(BaseException):
    """No error that the command line could take for one of the user's."""


@pytest.fixture
def cheap(monkeypatch):
    """A network that costs nothing; and the process's own signals afterwards."""

    def masks(chunks):
        return 1.0 / (1.0 + np.exp(-(np.asarray(chunks) + 40.0) / 10.0))

    model = ServedModel("unet", FeatureConfig(), masks, None, None)
    monkeypatch.setattr(separator, "load", lambda folder: model)
    monkeypatch.setattr(separate_command, "load_tensorflow", lambda *options: None)
    monkeypatch.setattr(separate_command, "compute_in_bfloat16", lambda: None)
    before = {number: signal.getsignal(number) for number in signals.ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@contextlib.contextmanager
def time_limit():
    def stop(number, frame):
        raise TooSlow

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def separate(capfd, *words):
    """(code, stdout, stderr), with what C libraries write to stderr."""
    capfd.readouterr()
    with time_limit():
        code = main(["separate", "--model", "unet", *map(os.fspath, words)])
    return (code, *capfd.readouterr())


def tree(folder):
    """Every path below a folder with its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def assert_refused(result, name, folder, before):
    """One line that names the file, and everything as it was."""
    code, out, error = result
    # libsndfile prints what it thinks of SDS files.
    assert code == 2 and (not out or ".sds" in str(name)), result
    assert error.startswith("vocaltrack: error: ") and error.count("\n") == 1, error
    assert " ".join(str(name).split()) in error, error
    assert tree(folder) == before


def expected(source):
    """(audio, rate) as soundfile reads it; audio is None where only ffmpeg does."""
    try:
        audio, rate = soundfile.read(os.fsencode(source), always_2d=True)
    except (RuntimeError, ValueError, TypeError):
        return None, None
    kind = soundfile.info(os.fsencode(source)).format
    return (None, None) if kind == "MP3" and not mp3_tells_length(source) else (audio, rate)


def try_out(capfd, source, seed):
    """Separate a file into a fresh folder beside it; whether that went well.

    What comes of it is right or refused, whatever the file holds.
    """
    folder = source.parent / "out"
    folder.mkdir()
    vocals, rest = folder / "vocals.wav", folder / "rest.wav"
    if seed % 2:
        vocals.write_text("what was there")
    before = tree(source.parent)
    words = [source, vocals, "--accompaniment", rest, "--subtype", "DOUBLE"]
    result = separate(capfd, *words)
    if result[0]:
        assert_refused(result, source, source.parent, before)
    else:
        assert result[2] == ""
        assert sorted(os.listdir(folder)) == ["rest.wav", "vocals.wav"]
        stems = [soundfile.read(path, always_2d=True) for path in (vocals, rest)]
        total = stems[0][0] + stems[1][0]
        assert np.isfinite(total).all() and len(total)
        audio, rate = expected(source)
        if audio is not None:
            assert {rate} == {stem[1] for stem in stems}
            assert total.shape == audio.shape
            np.testing.assert_allclose(total, audio, atol=1e-6 * max(1.0, np.abs(audio).max()))
    shutil.rmtree(folder)
    return result[0] == 0


def sound(rate, channels, seconds=0.3):
    time = np.arange(round(rate * seconds)) / rate
    tones = [np.sin(2 * np.pi * f * time) + np.sin(2 * np.pi * 3 * f * time) for f in (440, 330)]
    return 0.2 * np.stack(tones[:channels], axis=1)
