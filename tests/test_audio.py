"""Audio in: every sample that a file says it has, or a one-line refusal."""

import os
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.sounds import ape_footer, noise, refusal, sine, written
from vocaltrack.audio import open_audio, read_audio, resample
from vocaltrack.config import BLOCK
from vocaltrack.truncation import mp3_tells_length

SUBTYPES = {"a.ogg": "VORBIS", "a.opus": "OPUS"}


@pytest.mark.parametrize(
    ("name", "subtype", "kind"),
    [
        ("a.wav", "PCM_16", "float32"),
        ("a.wav", "PCM_32", "float64"),
        ("a.w64", "FLOAT", "float32"),
        ("a.aiff", "DOUBLE", "float64"),
        ("a.flac", "PCM_24", "float32"),
        ("a.caf", "ALAC_24", "float32"),
        ("a.ogg", "VORBIS", "float32"),
        ("a.mp3", "MPEG_LAYER_III", "float32"),
    ],
)
def test_blocks_are_the_whole_file_and_cuts_are_exact_slices_of_it(tmp_path, name, subtype, kind):
    path = written(tmp_path / name, noise(2 * BLOCK + 1), subtype=subtype)
    whole = soundfile.read(path, dtype=kind)[0]
    blocks = list(open_audio(path).blocks())
    assert [len(block) for block in blocks] == [BLOCK, BLOCK, 1]
    assert {str(block.dtype) for block in blocks} == {kind}
    np.testing.assert_array_equal(np.concatenate(blocks), whole)
    for start, duration in ((0.0, 0.3), (1.23457, 3.0), (3.5, None), (5.9, 100.0)):
        file = open_audio(path, start, duration)
        first = round(start * 44100)
        stop = len(whole) if duration is None else first + round(duration * 44100)
        cut = np.concatenate(list(file.blocks()))
        assert file.samples == len(cut)
        np.testing.assert_array_equal(cut, whole[first:stop])


def test_a_whole_file_is_read_as_float32(tmp_path):
    audio = noise(50, 1)
    again, rate = read_audio(written(tmp_path / "a.wav", audio, 8000, "DOUBLE"))
    assert (again.dtype, rate) == (np.float32, 8000)
    np.testing.assert_array_equal(again, audio.astype(np.float32))


def test_a_file_without_the_right_to_read_it_is_told_as_that(tmp_path, monkeypatch):
    path = written(tmp_path / "a.wav", noise(9))
    monkeypatch.setattr(os, "access", lambda given, mode: given != path)
    refusal(lambda: open_audio(path), f"{path} cannot be read (no permission)")


def test_a_folder_without_the_right_to_read_it_is_told_as_that(tmp_path, monkeypatch):
    """As lost+found, which a search of a disk comes upon."""
    monkeypatch.setattr(os, "access", lambda given, mode: False)
    refusal(lambda: open_audio(tmp_path), f"{tmp_path} cannot be read (no permission)")


@pytest.mark.parametrize("start", [0.0, 1.0])
def test_a_flac_is_told_to_be_whole_nearly_up_to_where_it_is_damaged(tmp_path, start):
    """libsndfile loses the block that fails, of three seconds; what came before is named."""
    path = written(tmp_path / "a.flac", noise(4 * 44100))
    whole = read_audio(path)[0]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    file = open_audio(path, start)
    message = refusal(lambda: list(file.blocks()), "damaged after 1.9", "--duration")
    duration = float(re.search(r"--duration ([\d.]+)", message)[1])
    assert 1.8 < start + duration < 2.0
    found = np.concatenate(list(open_audio(path, start, duration).blocks()))
    first = round(start * 44100)
    np.testing.assert_array_equal(found, whole[first : first + round(duration * 44100)])
    # Nor does libsndfile find a place behind the damage.
    message = refusal(lambda: list(open_audio(path, 3.0).blocks()), "damaged after 1.9")
    assert "--duration" not in message


@pytest.mark.parametrize("part", [0.9, 0.5, 0.03])
@pytest.mark.parametrize(
    ("name", "subtype", "format"),
    [
        ("a.wav", "PCM_16", "WAV"),
        ("a.wav", "MS_ADPCM", "WAV"),
        ("a.wav", "PCM_24", "WAVEX"),
        ("a.rf64", "PCM_16", "RF64"),
        ("a.w64", "PCM_16", "W64"),
        ("a.aiff", "PCM_24", "AIFF"),
        ("a.au", "PCM_16", "AU"),
        ("a.flac", "PCM_16", "FLAC"),
        ("a.ogg", "VORBIS", "OGG"),
        ("a.opus", "OPUS", "OGG"),
        ("a.mp3", "MPEG_LAYER_III", "MP3"),
    ],
)
def test_a_file_that_was_cut_short_is_refused(tmp_path, no_ffmpeg, name, subtype, format, part):
    path = written(tmp_path / name, noise(5 * 48000), 48000, subtype, format)
    whole = read_audio(path)[0]
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    message = refusal(lambda: read_audio(path), path)
    assert "damaged" in message or "cannot be read as audio" in message
    if "--duration" in message:  # which must then work, and give the right samples
        good = float(message.split("--duration ")[1].split()[0])
        assert 0 < good < 5 * part + 0.6
        cut = np.concatenate(list(open_audio(path, 0.0, good).blocks()))
        np.testing.assert_allclose(cut, whole[: round(good * 48000)], atol=1e-6)


@pytest.mark.parametrize("claimed", [0x7FFFF000, 0x80000000, 0xFFFFFFFF])
def test_a_wav_written_to_a_pipe_is_read_to_its_end(tmp_path, claimed):
    path = written(tmp_path / "a.wav", noise(1000))
    data = bytearray(path.read_bytes())
    data[40:44] = struct.pack("<I", claimed)
    path.write_bytes(data)
    assert len(read_audio(path)[0]) == 1000


def test_trailing_and_missing_bytes_of_careless_headers_are_no_damage(tmp_path):
    path = written(tmp_path / "a.wav", noise(1000))
    data = bytearray(path.read_bytes())
    path.write_bytes(data + b"junk" * 100)
    assert len(read_audio(path)[0]) == 1000
    data[40:44] = struct.pack("<I", 4000 + 44)  # the file's size for the data's
    path.write_bytes(data)
    assert len(read_audio(path)[0]) == 1000


def test_flac_files_behind_each_other_are_refused(tmp_path):
    """libsndfile reads the first alone."""
    path = written(tmp_path / "a.flac", noise(8000), 8000, "PCM_16")
    open_audio(path)
    path.write_bytes(2 * path.read_bytes())
    refusal(lambda: open_audio(path), path, "holds several FLAC files")


@pytest.mark.parametrize("sync", [b"\xff\xf8", b"\xff\xf9"])
def test_a_flac_that_was_cut_out_of_another_needs_ffmpeg(tmp_path, no_ffmpeg, sync):
    path = written(tmp_path / "a.flac", noise(8000), 8000, "PCM_16")
    content = path.read_bytes()
    first = next(at for at in range(42, len(content)) if content[at : at + 2] == b"\xff\xf8")
    assert content[first + 4] == 0
    frame = sync + content[first + 2 : first + 4] + b"\7" + content[first + 5 :]
    path.write_bytes(content[:first] + frame)
    refusal(lambda: open_audio(path), path, "cut out of a longer flac", "install ffmpeg")


def test_ogg_streams_in_a_row_are_refused_since_only_the_first_would_be_read(tmp_path):
    path = written(tmp_path / "a.ogg", noise(44100))
    path.write_bytes(2 * path.read_bytes())
    refusal(lambda: open_audio(path), path, "several Ogg streams")


def test_ogg_streams_side_by_side_are_refused_too(tmp_path):
    one, two = (written(tmp_path / f"{i}.ogg", noise(44100)).read_bytes() for i in (1, 2))
    path, head = tmp_path / "both.ogg", 27 + 1 + 30  # the page of Vorbis's first header
    path.write_bytes(one[:head] + two[:head] + one[head:] + two[head:])
    refusal(lambda: open_audio(path), path, "several Ogg streams")


@pytest.mark.parametrize("name", ["a.ogg", "a.opus"])
def test_one_wrong_bit_in_an_ogg_file_is_refused(tmp_path, name):
    """libsndfile leaves such a page out, and what follows moves up."""
    path = tmp_path / name
    soundfile.write(path, noise(96000), 48000, format="OGG", subtype=SUBTYPES[name])
    data, rng = path.read_bytes(), np.random.default_rng(0)
    assert data.count(b"OggS") > 3
    for place in rng.integers(len(data), size=30):
        wrong = bytearray(data)
        wrong[place] ^= 1 << rng.integers(8)
        path.write_bytes(wrong)
        refusal(lambda: open_audio(path), path)
    path.write_bytes(data)
    assert len(read_audio(path)[0]) == 96000


def test_an_ogg_file_that_lacks_a_page_is_refused(tmp_path):
    path = tmp_path / "a.opus"
    soundfile.write(path, noise(4 * 48000), 48000, format="OGG", subtype="OPUS")
    pages = path.read_bytes().split(b"OggS")
    assert len(pages) > 6
    path.write_bytes(b"OggS".join(pages[:4] + pages[5:]))
    refusal(lambda: open_audio(path), path, "damaged", "missing")


@pytest.mark.parametrize("name", SUBTYPES)
def test_an_ogg_file_that_lacks_its_last_page_is_refused(tmp_path, name):
    """Whose other pages are whole, and the last of them counts what is there."""
    path = written(tmp_path / name, noise(4 * 48000), 48000, SUBTYPES[name], "OGG")
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"OggS")])
    refusal(lambda: read_audio(path), path, "it is cut short")


def end_of_ogg(path, position):
    """Let the last page of an Ogg file end at another sample."""
    data, layout = bytearray(path.read_bytes()), struct.Struct("<6sqIII")
    page = data.rindex(b"OggS")
    start, _, serial, number, _ = layout.unpack_from(data, page)
    layout.pack_into(data, page, start, position, serial, number, 0)
    checksum = 0
    for byte in data[page:]:
        checksum ^= byte << 24
        for _ in range(8):
            high = checksum >> 31
            checksum = (checksum << 1 ^ high * 0x04C11DB7) & 0xFFFFFFFF
    layout.pack_into(data, page, start, position, serial, number, checksum)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("more", "whole"), [(144, True), (959, True), (960, False), (48000, False)]
)
def test_an_opus_file_may_count_a_part_of_a_packet_too_many(tmp_path, more, whole):
    """As ffmpeg writes them: the last page ends later than what the packets hold."""
    path, skipped = tmp_path / "a.opus", 312
    soundfile.write(path, noise(48000), 48000, format="OGG", subtype="OPUS")
    end_of_ogg(path, 10**6)
    held = len(soundfile.read(path)[0])
    assert 48000 <= held < 49000
    end_of_ogg(path, held + skipped + more)
    assert soundfile.info(path).frames == held + more
    if whole:
        assert len(read_audio(path)[0]) == held
    else:
        refusal(lambda: read_audio(path), path, "it is cut short")


def test_an_ogg_that_counts_a_little_too_much_is_refused(tmp_path):
    path = written(tmp_path / "a.ogg", noise(44100))
    end_of_ogg(path, 44200)
    refusal(lambda: read_audio(path), path, "it is cut short")


@pytest.mark.parametrize(("more", "whole"), [(2, True), (3, False)])
def test_an_mp3_may_count_two_frames_too_many(tmp_path, more, whole):
    path = written(tmp_path / "a.mp3", noise(44100))
    content = bytearray(path.read_bytes())
    at = content.index(b"Xing") + 8
    struct.pack_into(">I", content, at, struct.unpack_from(">I", content, at)[0] + more)
    path.write_bytes(content)
    assert soundfile.info(path).frames == 44100 + more * 1152
    if whole:
        assert 44100 <= len(read_audio(path)[0]) < 44100 + 1152
    else:
        refusal(lambda: read_audio(path), path, "it is cut short")


def test_an_mp3_that_says_no_length_is_refused_rather_than_read_in_part(tmp_path, no_ffmpeg):
    """libsndfile guesses its length from the first bit rate, here about half."""
    loud_first = noise(8 * 44100) * np.where(np.arange(8 * 44100) < 4 * 44100, 1, 1e-5)[:, None]
    path = tmp_path / "a.mp3"
    with soundfile.SoundFile(path, "w", 44100, 2, bitrate_mode="VARIABLE") as file:
        file.write(loud_first)
    data = path.read_bytes()
    at = max(data.find(b"Xing"), data.find(b"Info"))
    assert len(read_audio(path)[0]) == len(loud_first)
    path.write_bytes(data.replace(data[at : at + 4], b"\0\0\0\0", 1))
    assert soundfile.info(path).frames < 7 * 44100
    refusal(lambda: read_audio(path), path, "install ffmpeg")
    assert sum(map(len, open_audio(path, 0.0, 1.0).blocks())) == 44100  # which needs no length


@pytest.mark.parametrize(("at", "width", "value"), [(24, "I", 0), (24, "I", 2**31), (22, "H", 0)])
def test_impossible_rates_and_channels_are_refused(tmp_path, at, width, value):
    path = written(tmp_path / "a.wav", noise(1000))
    data = bytearray(path.read_bytes())
    struct.pack_into("<" + width, data, at, value)
    path.write_bytes(data)
    refusal(lambda: open_audio(path), path)


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX alone")
@pytest.mark.parametrize("name", [b"\xff\xfe.wav", "\u65e5 \u266b.wav".encode(), b"-x'\"%s {}.wav"])
def test_odd_names_are_read(tmp_path, name):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    try:
        path.write_bytes(written(tmp_path / "a.wav", noise(100)).read_bytes())
    except OSError:
        pytest.skip("no such names in this file system")
    assert len(read_audio(path)[0]) == 100


@pytest.mark.parametrize(
    ("start", "duration"),
    [(-1.0, None), (np.nan, None), (np.inf, None), (0.0, 0.0), (0.0, -1.0), (0.0, np.inf)],
)
def test_impossible_cuts_are_refused(tmp_path, start, duration):
    path = written(tmp_path / "a.wav", noise(100))
    refusal(lambda: open_audio(path, start, duration), "seconds from 0 up")


def test_a_start_beyond_the_end_is_refused(tmp_path):
    path = written(tmp_path / "a.wav", noise(44100))
    refusal(lambda: open_audio(path, 1.0), path, "ends at 1.00 s, before --start 1")
    assert len(next(open_audio(path, 0.9999).blocks())) == 4


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


def test_reading_refuses_what_is_no_audio(tmp_path, no_ffmpeg):
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
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.wav")
        refusal(lambda: read_audio(tmp_path / "pipe.wav"), "pipe.wav is no ordinary file")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_reading_refuses_what_is_no_number(tmp_path, value):
    audio = np.zeros(100, np.float32)
    audio[50] = value
    soundfile.write(tmp_path / "a.wav", audio, 8000, subtype="FLOAT")
    refusal(lambda: read_audio(tmp_path / "a.wav"), "a.wav", "not finite", "at 0.006 s")


def test_the_place_of_what_is_no_number_is_counted_from_the_files_start(tmp_path):
    audio = np.zeros(16000)
    audio[12000] = np.nan
    file = open_audio(written(tmp_path / "a.wav", audio, 8000, "FLOAT"), start=1.0)
    refusal(lambda: list(file.blocks()), "not finite", "the first at 1.500 s")


def test_tags_behind_an_mp3_are_no_music(tmp_path, monkeypatch):
    """Nor a reason to ask ffmpeg, of which some count the encoder's padding."""
    path = written(tmp_path / "a.mp3", noise(44100))
    cover = bytes(20_000)
    path.write_bytes(path.read_bytes() + cover + ape_footer(len(cover) + 32))
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    file = open_audio(path)
    assert (file.samples, file.exact, file.subtype) == (44100, True, "MPEG_LAYER_III")
    assert len(read_audio(path)[0]) == 44100


def test_a_tag_alone_is_no_mp3(tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"TAG" + bytes(125))
    assert not mp3_tells_length(tmp_path / "a.mp3")


def test_a_flac_that_does_not_know_its_length_needs_ffmpeg(tmp_path, monkeypatch):
    """As one is that was written to a pipe."""
    path = written(tmp_path / "a.flac", noise(44100))
    data = bytearray(path.read_bytes())
    assert data[:4] == b"fLaC" and int.from_bytes(data[22:26], "big") == 44100
    data[22:26] = bytes(4)
    path.write_bytes(data)
    monkeypatch.setattr("shutil.which", lambda name: None)
    refusal(lambda: open_audio(path), f"{path} does not say how long it is; install ffmpeg")
