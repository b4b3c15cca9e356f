"""Films that lost their end: known by their bytes, and as ffmpeg writes them."""

import re

import numpy as np
import pytest

from tests.paths import needs_ffmpeg
from tests.sounds import convert, noise, refusal, written
from vocaltrack.audio import open_audio, read_audio
from vocaltrack.films import film_is_cut

PICTURES = ["-f", "lavfi", "-i", "testsrc=d=4:s=160x120", "-map", "0:a", "-map", "1:v"]
OLD = [*PICTURES, "-c:v", "mpeg2video"]
OPTIONS = {"a.m4a": ["-movflags", "+faststart"], "b.mpg": PICTURES, "b.ts": PICTURES}


def riff(form, size, content):
    return b"RIFF" + size.to_bytes(4, "little") + form + content


def flv(*tags):
    """Tags of (type, length of the content), each followed by its own length."""
    lengths = [(11 + length).to_bytes(4, "big") for _, length in tags]
    bodies = [bytes([kind]) + bytes(10 + length) for kind, length in tags]
    return b"FLV\1\5\0\0\0\x09" + bytes(4) + b"".join(sum(zip(bodies, lengths), ()))


def transport(packet, before, number):
    """Packets of a transport stream, whose first byte comes after `before` others."""
    return (bytes(before) + b"\x47" + bytes(range(packet - before - 1))[::-1]) * number


def asf(size, broadcast=b"\2"):
    """A header of ASF (WMA, WMV) that tells the file's size, and as many bytes in all."""
    header = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(14)
    header += bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365") + bytes(24)
    header += size.to_bytes(8, "little") + bytes(40) + broadcast
    return header + bytes(1000 - len(header))


def mpeg_1(*lengths):
    """A pack of MPEG-1 with packets of so many bytes, some of which look like packs."""
    packs = [b"\0\0\1\xba" + b"\x21" + b"\x80" * 7]
    packs += [b"\0\0\1\xc0" + n.to_bytes(2, "big") + (b"\0\0\1\xba" * n)[:n] for n in lengths]
    return b"".join(packs)


def mpeg_2(*lengths):
    """The same of MPEG-2, with stuffing in the pack's header."""
    return b"\0\0\1\xba" + b"\x44" + b"\x80" * 8 + b"\xfb" + b"\xff" * 3 + mpeg_1(*lengths)[12:]


@pytest.mark.parametrize(
    ("film", "lost"),
    [
        (riff(b"AVI ", 1004, bytes(1000)), 129),
        (riff(b"AVI ", 1004, bytes(1000)) + riff(b"AVIX", 503, bytes(500)), 129),
        (asf(1000), 1),
        (flv((18, 100), (8, 300), (9, 5000)), 1),
        (flv((18, 100), (8, 300), (9, 5000)), 5100),
        (flv((8, 300), (18, 50)), 1),
        (transport(188, 0, 9), 1),
        (transport(192, 4, 9), 187),
        (transport(204, 0, 9), 150),
        (mpeg_1(200, 2000), 1),
        (mpeg_1(200, 2000), 1999),
        (mpeg_2(200, 300), 1),
        (mpeg_2(200) * 3000, 202),
        (mpeg_2(60000, 60000), 1),
        (mpeg_2(200) + bytes(3000) + b"\0\0\1\xb9" + mpeg_2(40), 10),
    ],
)
def test_films_that_tell_their_size_are_known_to_be_cut(tmp_path, film, lost):
    path = tmp_path / "film"
    path.write_bytes(film)
    assert not film_is_cut(path)
    path.write_bytes(film[:-lost])
    assert film_is_cut(path)


@pytest.mark.parametrize(
    "film",
    [
        riff(b"AVI ", 0, bytes(1000)),  # as they are written to a pipe
        riff(b"AVI ", 2**32 - 1, bytes(1000)),
        riff(b"AVI ", 1004, bytes(872)),  # as a careless header has it
        asf(2000, broadcast=b"\1"),
        asf(2000, broadcast=b"\3"),
        asf(2000)[:110],
        mpeg_1(200, 2000)[:-2006],  # between two packets
        mpeg_1(200) + b"\0\0\1\xb9",
        mpeg_2(200) + bytes(5000),
        transport(188, 0, 9) + bytes(100),  # padding
        transport(192, 4, 9) + b"TAG",
        transport(188, 0, 9)[:376],  # too little to know what it is
        b"\x47" * 2 + bytes(1000),
        mpeg_1() * 20000 + b"junk",  # all ways lead to it, and are gone once
        b"",
    ],
)
def test_what_does_not_tell_that_it_is_cut_is_let_pass(tmp_path, film):
    path = tmp_path / "film"
    path.write_bytes(film)
    assert not film_is_cut(path)


def film_of(tmp_path, name, *options):
    """A film with 4 s of sound."""
    wav = written(tmp_path / "a.wav", noise(4 * 44100))
    path = convert(wav, tmp_path / name, *options)
    assert len(read_audio(path)[0]) > 3.99 * 44100
    return path


@needs_ffmpeg
@pytest.mark.parametrize(
    "name", ["a.m4a", "a.mkv", "a.avi", "a.flv", "a.wma", "a.mpg", "a.ts", "a.m2ts", *OPTIONS]
)
@pytest.mark.parametrize("share", [0.3, 0.5, 0.97])
def test_a_film_that_was_cut_short_is_refused(tmp_path, name, share):
    path = film_of(tmp_path, name, *OPTIONS.get(name, []))
    # At a size at which no packet of a transport stream ends, nor only just begins.
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share) | 15])
    refusal(lambda: read_audio(path), path, "damaged")


@needs_ffmpeg
@pytest.mark.parametrize("name", ["a.avi", "a.flv", "b.mpg", "b.ts"])
def test_of_a_film_that_was_cut_short_a_part_can_be_taken(tmp_path, name):
    path = film_of(tmp_path, name, *OPTIONS.get(name, []))
    whole = read_audio(path)[0]
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    refusal(lambda: open_audio(path), "cut short", "take a part with --duration")
    file = open_audio(path, start=0.5, duration=3.5)
    advised = float(re.search(r"--duration ([\d.]+)", refusal(lambda: list(file.blocks())))[1])
    assert 1.0 < advised < 2.5
    part = np.concatenate(list(open_audio(path, start=0.5, duration=advised).blocks()))
    np.testing.assert_array_equal(part, whole[22050 : 22050 + len(part)])
    assert len(part) == round(44100 * advised)


@needs_ffmpeg
def test_a_dvds_film_is_whole(tmp_path):
    """To whose times the format that ffmpeg decodes into objected."""
    path = film_of(tmp_path, "a.vob", *OLD, "-c:a", "ac3")
    assert 0 <= len(read_audio(path)[0]) - 4 * 44100 < 2000


@needs_ffmpeg
def test_a_recording_may_begin_amidst_its_pictures(tmp_path):
    path = film_of(tmp_path, "a.ts", *OLD, "-c:a", "mp2")
    whole = read_audio(path)[0]
    path.write_bytes(path.read_bytes()[188 * 5 + 77 :])
    late = read_audio(path)[0]
    assert len(whole) - 0.2 * 44100 < len(late) <= len(whole)
    np.testing.assert_allclose(late[-44100:], whole[-44100:], atol=1e-4)
