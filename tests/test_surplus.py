"""Files that hold more than their header counts, of which a part would be read."""

import struct

import numpy as np
import pytest
import soundfile

from tests.sounds import ape_footer, noise, refusal, written
from vocaltrack.audio import open_audio, read_audio
from vocaltrack.surplus import holds_more

RATE, SAMPLES = 44100, 5 * 44100
MORE = "its header counts no more, but more follows"
# Where each format counts the bytes of its sound: behind what, and how. AIFF counts 8 more.
COUNTS = {
    "wav": (b"data", 4, "<I", 0),
    "rf64": (b"ds64", 16, "<Q", 0),
    "aiff": (b"SSND", 4, ">I", 8),
    "caf": (b"data", 4, ">Q", 4),
    "au": (b".snd", 8, ">I", 0),
}


def counting(path, samples):
    """Let a stereo PCM_16 file's header count so many of its samples."""
    mark, at, layout, more = COUNTS[path.suffix[1:]]
    content = bytearray(path.read_bytes())
    struct.pack_into(layout, content, content.index(mark) + at, 4 * samples + more)
    path.write_bytes(content)


@pytest.mark.parametrize("ending", COUNTS)
def test_a_file_that_goes_on_behind_what_it_counts_is_refused(tmp_path, ending):
    path = written(tmp_path / f"a.{ending}", noise(SAMPLES), RATE, "PCM_16")
    whole, _ = read_audio(path)
    assert len(whole) == SAMPLES
    counting(path, RATE)
    message = refusal(lambda: read_audio(path), f"{path} is damaged after 1.00 s ({MORE})")
    assert "--duration 1.00" in message  # which works
    counted = np.concatenate(list(open_audio(path, 0.0, 1.0).blocks()))
    np.testing.assert_array_equal(counted, whole[:RATE])


def test_a_wav_that_outgrew_its_32_bits_is_refused(tmp_path):
    """Of which libsndfile reads what is left of the size: a minute of two hours."""
    frame, minute = 6, 60 * 96000
    size = frame * (2**32 // frame + minute)
    sparse = tmp_path / "a.wav"
    with open(sparse, "wb") as file:
        file.write(b"RIFF" + struct.pack("<I", (size + 36) % 2**32) + b"WAVEfmt ")
        file.write(struct.pack("<IHHIIHH", 16, 1, 2, 96000, 96000 * frame, frame, 24))
        file.write(b"data" + struct.pack("<I", size % 2**32))
        file.truncate(44 + size)
    assert soundfile.info(sparse).duration == pytest.approx(60.0, abs=1e-3)
    refusal(lambda: open_audio(sparse), MORE)
    assert open_audio(sparse, 0.0, 59.0).samples == 59 * 96000


@pytest.mark.parametrize("ending", ["wav", "aiff", "caf", "au"])
def test_files_in_a_row_are_refused(tmp_path, ending):
    path = written(tmp_path / f"a.{ending}", noise(100), RATE, "PCM_16")
    assert not holds_more(path)
    path.write_bytes(2 * path.read_bytes())
    refusal(lambda: read_audio(path), path, MORE)


def chunk(name, content):
    return name + struct.pack("<I", len(content)) + content


@pytest.mark.parametrize(
    "behind",
    [
        chunk(b"LIST", bytes(50_000)),
        chunk(b"LIST", bytes(999)) + b"\0" + chunk(b"id3 ", bytes(50_000)),
        chunk(b"LIST", bytes(999)) + chunk(b"id3 ", bytes(50_000)),  # without the padding
        b"ID3\x04" + bytes(50_000),
        b"TAG" + bytes(125),
        bytes(20_000) + ape_footer(20_032),
        bytes(4096),
    ],
    ids=["chunk", "chunks", "careless chunks", "ID3v2", "ID3v1", "APE", "padding"],
)
@pytest.mark.parametrize("samples", [1000, 1001])
def test_chunks_and_tags_are_no_sound(tmp_path, behind, samples):
    path = written(tmp_path / "a.wav", noise(samples, 1), RATE, "PCM_U8")
    with open(path, "ab") as file:
        file.write(behind)
    assert not holds_more(path)
    assert len(read_audio(path)[0]) == samples
    with open(path, "ab") as file:
        file.write(b"\xff" * 50_000)
    assert holds_more(path) == (behind[:3] != b"ID3")


@pytest.mark.parametrize("before", [b"", chunk(b"odd\0", bytes(9998))])
def test_what_is_no_wav_by_the_book_is_left_to_libsndfile(tmp_path, before):
    path = tmp_path / "a.wav"
    unsized = b"data" + struct.pack("<I", 2**32 - 1) + bytes(9999)  # and no ds64
    path.write_bytes(b"RF64" + bytes(4) + b"WAVE" + before + unsized)
    assert not holds_more(path)


def test_a_film_of_several_parts_is_no_sound_file(tmp_path):
    path = tmp_path / "a.avi"
    path.write_bytes(chunk(b"RIFF", b"AVI " + bytes(100)) + chunk(b"RIFF", b"AVIX" + bytes(9999)))
    assert not holds_more(path)


@pytest.mark.parametrize("between", [b"\0", b"TAG" + bytes(125)])
def test_what_stands_between_two_oggs_does_not_hide_the_second(tmp_path, between):
    path = written(tmp_path / "a.ogg", noise(RATE), RATE, "VORBIS")
    content = path.read_bytes()
    path.write_bytes(content + between)
    assert len(read_audio(path)[0]) == RATE
    path.write_bytes(content + between + content)
    refusal(lambda: open_audio(path), path, "is damaged")
