"""Bad input, tried by the hundred: a right result, or one line and nothing left behind.

The network is a cheap one; all else is what the command runs.
"""

import re

import numpy as np
import pytest
import soundfile

from tests.fuzzing import separate, sound, try_out
from tests.paths import needs_ffmpeg
from tests.sounds import convert
from vocaltrack.formats import choose_subtype, writable_format

pytestmark = pytest.mark.usefixtures("cheap")
KINDS = sorted(set(soundfile.available_formats()) - {"RAW"})
WRITTEN = [kind for kind in KINDS if kind != "SD2"]
FILMS = {"m4a": "aac", "mp4": "aac", "wma": "wmav2", "webm": "libopus", "mka": "flac"}
FILMS |= {"avi": "mp3", "flv": "mp3", "mpg": "mp2", "ts": "aac", "aac": "aac", "ac3": "ac3"}
LOSSLESS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
LOSSLESS |= {"FLOAT": 24, "DOUBLE": 24}
# soundfile fails to read what libsndfile writes of these.
UNREADABLE = {"DWVW_12", "DWVW_16", "DWVW_24"}


def written(path, kind, subtype):
    """Write a sound in a format at what rate and channels it can; None if at none."""
    for rate, channels in ((44100, 2), (16000, 1), (8000, 1)):
        try:
            soundfile.write(path, sound(rate, channels), rate, subtype, format=kind)
            return path
        except (RuntimeError, TypeError):
            path.unlink(missing_ok=True)
    return None


def tells_of_level_alone(error):
    """GSM overshoots full scale, and vocals lack what lies below hearing."""
    return all(re.search(": output made quieter by 0\\.[0-3]", line) for line in error.splitlines())


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
        assert code == 0 and tells_of_level_alone(error), (subtype, error)
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
        code, _, error = separate(capfd, source, output)
        assert code == 0 and tells_of_level_alone(error), error
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
    source = convert(tmp_path / "a.wav", tmp_path / f"a.{ending}", "-c:a", FILMS[ending])
    (tmp_path / "a.wav").unlink()
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
        b"wvpk",
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
    "loud": (lambda a: np.multiply(a, 500, out=a), True),
    "integers": (lambda a: np.multiply(a, 32768, out=a), False),
    "one spike": (lambda a: a.__setitem__(100, 1e3), True),
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
