"""Bad input, tried by the hundred: a right result, or one line and nothing left behind.

The network is a cheap one; all else is what the command runs.
"""

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

from tests.paths import REPOSITORY, SAVED_MODELS, needs_ffmpeg
from vocaltrack import separate_command, separator, signals
from vocaltrack.cli import main
from vocaltrack.config import FeatureConfig
from vocaltrack.formats import choose_subtype, writable_format
from vocaltrack.savedmodel import ServedModel
from vocaltrack.truncation import mp3_tells_length

KINDS = sorted(set(soundfile.available_formats()) - {"RAW"})
WRITTEN = [kind for kind in KINDS if kind != "SD2"]
FILMS = {"m4a": "aac", "mp4": "aac", "wma": "wmav2", "webm": "libopus", "mka": "flac"}
LOSSLESS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
LOSSLESS |= {"FLOAT": 24, "DOUBLE": 24}
# soundfile fails to read what libsndfile writes of these.
UNREADABLE = {"DWVW_12", "DWVW_16", "DWVW_24"}
SECONDS = 20


class TooSlow(BaseException):
    """No error that the command line could take for one of the user's."""


@pytest.fixture(autouse=True)
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


def written(path, kind, subtype):
    """Write a sound in a format at what rate and channels it can; None if at none."""
    for rate, channels in ((44100, 2), (16000, 1), (8000, 1)):
        try:
            soundfile.write(path, sound(rate, channels), rate, subtype, format=kind)
            return path
        except (RuntimeError, TypeError):
            path.unlink(missing_ok=True)
    return None


@pytest.mark.parametrize("kind", WRITTEN)
def test_every_format_and_subtype_goes_in_and_comes_out(capfd, tmp_path, kind):
    done = 0
    for subtype in set(soundfile.available_subtypes(kind)) - UNREADABLE:
        ending = "opus" if subtype == "OPUS" else kind.lower()
        source = written(tmp_path / f"{subtype}.{ending}", kind, subtype)
        if source is None:
            continue
        out = ending if writable_format(source) else "wav"
        vocals, rest = tmp_path / f"v.{out}", tmp_path / f"r.{out}"
        code, _, error = separate(capfd, source, vocals, "--accompaniment", rest)
        assert (code, error) == (0, ""), (subtype, error)
        audio, rate = soundfile.read(source, always_2d=True)
        total = 0.0
        written_as = choose_subtype(vocals, source=subtype)
        for path in (vocals, rest):
            assert soundfile.info(path).subtype == written_as
            stem, stem_rate = soundfile.read(path, always_2d=True)
            assert (stem.shape, stem_rate) == (audio.shape, rate), subtype
            total = total + stem
        if {subtype, written_as} <= set(LOSSLESS):
            assert np.abs(total - audio).max() <= 2.1 * 0.5 ** (LOSSLESS[written_as] - 1), subtype
        else:
            assert np.mean((total - audio) ** 2) < 0.25 * np.mean(audio**2), subtype
        done += 1
    assert done


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "opus", "aiff", "mp3"])
def test_every_lossy_input_has_a_default_in_every_usual_output(capfd, tmp_path, ending):
    for name, kind, subtype in (
        ("a.mp3", "MP3", "MPEG_LAYER_III"),
        ("a.ogg", "OGG", "VORBIS"),
        ("a.opus", "OGG", "OPUS"),
        ("a.gsm.wav", "WAV", "GSM610"),
        ("a.ulaw.au", "AU", "ULAW"),
    ):
        source = written(tmp_path / name, kind, subtype)
        output = tmp_path / f"out.{ending}"
        if ending == "opus" and soundfile.info(source).samplerate == 44100:
            continue
        assert separate(capfd, source, output)[::2] == (0, "")
        audio = soundfile.read(source)[0]
        assert len(soundfile.read(output)[0]) == len(audio)


def damaged(rng, data):
    """One way of many to damage a file, and its name."""
    way = rng.choice(["cut", "short", "head", "body", "gap", "zeros", "junk behind"])
    data = bytearray(data)
    size = len(data)
    if way == "cut":
        del data[rng.integers(1, size) :]
    elif way == "short":
        del data[rng.integers(1, 101) :]
    elif way in ("head", "body"):
        low, high = (0, min(size, 200)) if way == "head" else (min(size // 2, 200), size)
        for place in rng.integers(low, high, rng.integers(1, 9)):
            data[place] ^= 1 << rng.integers(8)
    elif way == "gap":
        first = rng.integers(size)
        del data[first : first + rng.integers(1, 5000)]
    elif way == "zeros":
        first = rng.integers(size)
        data[first : first + 500] = bytes(len(data[first : first + 500]))
    else:
        data += rng.bytes(rng.integers(1, 3000))
    return way, bytes(data)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_separated_as_they_are_read_or_refused(capfd, tmp_path, kind):
    rng = np.random.default_rng(KINDS.index(kind))
    subtypes = soundfile.available_subtypes(kind)
    sources = [
        written(tmp_path / f"{name}.{kind.lower()}", kind, name)
        for name in ("PCM_16", "FLOAT", soundfile.default_subtype(kind), rng.choice(list(subtypes)))
        if name in subtypes
    ]
    wholes = [path.read_bytes() for path in dict.fromkeys(sources) if path is not None]
    for path in tmp_path.iterdir():
        path.unlink()
    for number in range(6):
        way, data = damaged(rng, wholes[number % len(wholes)])
        source = tmp_path / f"{number} {way}.{kind.lower()}"
        source.write_bytes(data)
        try_out(capfd, source, number)
        source.unlink()


@pytest.mark.parametrize("kind", sorted({*WRITTEN} - {"PAF", "PVF", "IRCAM", "XI"}))
def test_half_a_file_is_never_taken_for_a_whole_one(capfd, tmp_path, kind):
    source = written(tmp_path / f"a.{kind.lower()}", kind, soundfile.default_subtype(kind))
    data = source.read_bytes()
    assert try_out(capfd, source, 0)
    source.write_bytes(data[: len(data) // 2])
    assert not try_out(capfd, source, 0)


@needs_ffmpeg
@pytest.mark.parametrize("ending", FILMS)
def test_damaged_films_are_separated_or_refused(capfd, tmp_path, ending):
    rng = np.random.default_rng(ord(ending[0]))
    soundfile.write(tmp_path / "a.wav", sound(48000, 2, 1.0), 48000)
    source = tmp_path / f"a.{ending}"
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", tmp_path / "a.wav"]
    made = subprocess.run([*command, "-c:a", FILMS[ending], source], capture_output=True)
    (tmp_path / "a.wav").unlink()
    if made.returncode:
        pytest.skip(f"this ffmpeg cannot write {ending}")
    whole = source.read_bytes()
    assert try_out(capfd, source, 0)
    for number in range(6):
        way, data = damaged(rng, whole)
        source = tmp_path / f"{number} {way}.{ending}"
        source.write_bytes(data)
        try_out(capfd, source, number)
        source.unlink()


def test_noise_and_text_with_the_ending_of_audio_are_refused(capfd, tmp_path):
    rng = np.random.default_rng(1)
    starts = [b"", b"ID3\x04\0\0\0\0\x0f\x7f", b"RIFF\xff\xff\xff\xffWAVE", b"fLaC", b"OggS\0\2"]
    starts += [
        b"RIFF\4\0\0\0WAVE",
        b"FORM\0\0\0\4AIFF",
        b".snd",
        b"\xff\xfb\x90\0",
        b"this is text\n",
    ]
    for number, ending in enumerate([*soundfile.available_formats(), "m4a", "txt", "opus"]):
        source = tmp_path / f"a.{ending.lower()}"
        start = starts[number % len(starts)]
        source.write_bytes(start if number % 3 == 0 else start + rng.bytes(rng.integers(1, 4000)))
        assert not try_out(capfd, source, number)
        source.unlink()


def test_impossible_headers_are_refused(capfd, tmp_path):
    soundfile.write(tmp_path / "a.wav", sound(16000, 1), 16000, "PCM_16")
    whole = (tmp_path / "a.wav").read_bytes()
    for place, size, values in (
        (24, 4, (0, 1, 3999, 384001, 2**31 - 1, 2**32 - 1)),  # rate
        (22, 2, (0, 65, 1024, 65535)),  # channels
        (34, 2, (0, 1, 7, 65535)),  # bits
        (20, 2, (0, 9999)),  # encoding
    ):
        for value in values:
            source = tmp_path / "a.wav"
            source.write_bytes(
                whole[:place] + value.to_bytes(size, "little") + whole[place + size :]
            )
            fine = try_out(capfd, source, value)
            assert not fine or place == 34, (place, value)


VALUES = {
    "nan first": (lambda a: a.__setitem__(0, np.nan), False),
    "nan last": (lambda a: a.__setitem__(-1, np.nan), False),
    "infinity": (lambda a: a.__setitem__(len(a) // 2, np.inf), False),
    "-infinity": (lambda a: a.__setitem__((5, -1), -np.inf), False),
    "all nan": (lambda a: a.fill(np.nan), False),
    "silence": (lambda a: a.fill(0.0), True),
    "-0": (lambda a: a.fill(-0.0), True),
    "dc": (lambda a: a.fill(0.5), True),
    "full scale": (lambda a: np.copyto(a, np.sign(np.sin(np.arange(len(a)) / 9.0))[:, None]), True),
    "one channel silent": (lambda a: a[:, 0].fill(0.0), True),
    "denormals": (lambda a: a.fill(1e-42), True),
    "loud": (lambda a: np.multiply(a, 1e9, out=a), True),
    "one spike": (lambda a: a.__setitem__(100, 1e6), True),
    "beyond float32's squares": (lambda a: np.multiply(a, 1e30, out=a), False),
    "near float32's end": (lambda a: a.fill(3e38), False),
    "near float64's end": (lambda a: a.fill(1e308), False),
}


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE", "PCM_16"])
def test_odd_samples_are_separated_or_refused(capfd, tmp_path, values, subtype):
    change, fine = VALUES[values]
    source = tmp_path / "odd samples.wav"
    for rate, channels in ((44100, 2), (16000, 1)):
        audio = sound(rate, channels)
        change(audio)
        with np.errstate(over="ignore", invalid="ignore"):
            audio = np.nan_to_num(audio).clip(-1, 1) if subtype == "PCM_16" else audio
            soundfile.write(source, audio, rate, subtype)
        worked = try_out(capfd, source, rate)
        assert worked or subtype != "PCM_16"
        assert fine == worked or subtype == "PCM_16"


@pytest.mark.parametrize("samples", [0, 1, 2, 3, 127, 128, 129, 511, 16000])
def test_short_files_are_separated_but_for_those_without_a_sample(capfd, tmp_path, samples):
    for number, (rate, channels) in enumerate(((4000, 1), (16000, 2), (44100, 1), (192000, 7))):
        for ending in ("wav", "flac", "aiff"):
            source = tmp_path / f"short.{ending}"
            audio = np.full((samples, channels), 0.25)
            soundfile.write(source, audio, rate)
            assert try_out(capfd, source, number) == (samples > 0)
            source.unlink()


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
