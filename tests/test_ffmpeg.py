"""ffmpeg: a fake one tells what we make of it, the real one that it is so."""

import io
import os
import re
import struct
import subprocess
import sys

import numpy as np
import pytest

from tests.paths import needs_ffmpeg
from tests.sounds import ape_footer, convert, noise, refusal, written
from vocaltrack.audio import open_audio, read_audio
from vocaltrack.config import BLOCK
from vocaltrack.errors import UserError
from vocaltrack.ffmpeg import Description, describe
from vocaltrack.file_separation import plan_targets
from vocaltrack.tags import end_before_tags, skip_tags

RATE = 32000
ID3_TAG = b"ID3\x04\0\0\0\0\x02\x01" + bytes(257)


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Puts an ffmpeg on the PATH that writes `stream` and `message`, then
    exits with `code`; returns the file to give to it."""

    def make(stream=b"", message="", code=0):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        (folder / "stream").write_bytes(stream)
        script = folder / "ffmpeg"
        script.write_text(
            f"#!{sys.executable}\nimport sys, os\n"
            f"assert 'file:' + {str(tmp_path / 'a.m4a')!r} in sys.argv\n"
            f"sys.stderr.write({message!r})\n"
            "try:\n"
            f"    sys.stdout.buffer.write(open({str(folder / 'stream')!r}, 'rb').read())\n"
            "    sys.stdout.flush()\n"
            "except BrokenPipeError:\n"
            "    os._exit(1)\n"
            f"os._exit({code})\n"
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))
        path = tmp_path / "a.m4a"
        path.write_bytes(b"\0" * 999)
        return path

    return make


def au(audio, rate=RATE, extra=b""):
    """An AU stream of unknown length, as ffmpeg writes one to a pipe."""
    header = struct.pack(">4sIIIII", b".snd", 24 + len(extra), 2**32 - 1, 6, rate, audio.shape[1])
    return header + extra + audio.astype(">f4").tobytes()


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_all_that_ffmpeg_writes_is_read_exactly(fake, channels):
    audio = noise(BLOCK + 5, channels).astype(np.float32)
    file = open_audio(fake(au(audio, extra=b"Lavf\0\0\0\0")))
    assert (file.sample_rate, file.channels, file.samples) == (RATE, channels, None)
    blocks = list(file.blocks())
    assert [len(block) for block in blocks] == [BLOCK, 5]
    np.testing.assert_array_equal(np.concatenate(blocks), audio)


def test_a_cut_is_exact_and_leaves_ffmpeg_early(fake):
    audio = noise(3 * BLOCK).astype(np.float32)
    path = fake(au(audio), code=1)  # which it would exit with at the end
    for start, duration in ((0.0, 1.0), (4.09, 0.1), (1.00003, 5.0)):
        cut = np.concatenate(list(open_audio(path, start, duration).blocks()))
        first = round(start * RATE)
        np.testing.assert_array_equal(cut, audio[first : first + round(duration * RATE)])
    file = open_audio(path, 20.0)
    assert "--duration" not in refusal(lambda: list(file.blocks()), "damaged")


def test_a_start_beyond_the_end_is_named(fake):
    file = open_audio(fake(au(noise(100))), 1.0)
    refusal(lambda: list(file.blocks()), "a.m4a ends before --start 1")


@pytest.mark.parametrize(
    ("message", "code"),
    [("[aac @ 0x5e] bad packet\nfailed\n", 1), ("[in#0 @ 0x5] [mkv @ 0x7] bad packet\n", 0)],
)
def test_a_failure_midway_is_one_line_with_the_cause(fake, message, code):
    file = open_audio(fake(au(noise(BLOCK + 5)), message, code))
    after = f"is damaged after {(BLOCK + 5) / RATE:.2f} s"
    refusal(lambda: list(file.blocks()), after, "(bad packet)", "--duration 4.09 takes")


@pytest.mark.parametrize(
    "message",
    [
        "[mjpeg @ 0x5] No JPEG data found in image\n[png @ 0x5] bad\n",
        "[mpeg2video @ 0x5] Invalid frame dimensions 0x0.\n    Last message repeated 7 times\n",
        "[in#0 @ 0x5] Cannot read BOM value, input too short\nError reading frame TENC, skipped\n",
    ],
)
def test_what_ffmpeg_says_of_pictures_and_tags_is_no_damage(fake, message):
    audio = noise(1000).astype(np.float32)
    np.testing.assert_array_equal(read_audio(fake(au(audio), message))[0], audio)
    path = fake(au(audio), message + "    Last message repeated 2 times\n[aac @ 0x5] bad\n")
    refusal(lambda: read_audio(path), "damaged after 0.03 s (bad)")


@pytest.mark.parametrize(
    ("message", "why"), [("Invalid\tdata\n", "Invalid data"), ("", "did not say why")]
)
def test_a_file_in_which_ffmpeg_finds_no_audio_is_refused(fake, message, why):
    path = fake(b".snd", message, 1)
    refusal(lambda: open_audio(path), path, "cannot be read as audio", why)


@pytest.mark.parametrize("rate", [0, RATE])
def test_a_stream_without_rate_or_channels_is_refused(fake, rate):
    path = fake(au(np.zeros((0, 2 if rate == 0 else 0)), rate))
    refusal(lambda: open_audio(path), path, "sample rate of 0" if rate == 0 else "has 0 channels")


@pytest.mark.parametrize("tags", [b"", ID3_TAG, ID3_TAG * 2])
@pytest.mark.parametrize(
    "start", ["#EXTM3U\n", "\ufeff\n ffconcat version 1.0\n", " " * 200000 + "<MPD>"]
)
def test_lists_of_other_files_are_refused(fake, start, tags):
    path = fake(au(noise(100)))
    path.write_bytes(tags + (start + "secret.wav\n").encode())
    refusal(lambda: open_audio(path), path, "perhaps a playlist")


def test_a_long_complaint_is_cut_and_does_not_name_the_file_again(fake):
    path = fake(b"", "", 1)
    script = path.parent / "bin" / "ffmpeg"
    complaint = f"file:{path}: {'word ' * 9999}"
    script.write_text(f"#!{sys.executable}\nimport sys\nsys.stderr.write({complaint!r})\n")
    message = refusal(lambda: open_audio(path), "(word word")
    assert message.count(str(path)) == 1 and len(message) < 400


def test_what_is_no_ffmpeg_is_told(fake):
    path = fake(b"usage: ffmpeg is something else")
    refusal(lambda: open_audio(path), path, "what the PATH has by that name is none")
    (path.parent / "bin" / "ffmpeg").write_text("no program")
    refusal(lambda: open_audio(path), path, "does not run", "install ffmpeg again")


def test_no_samples_are_refused(fake):
    file = open_audio(fake(au(np.zeros((0, 2)))))
    refusal(lambda: list(file.blocks()), "holds no samples")


def test_without_ffmpeg_the_message_names_it(tmp_path, no_ffmpeg):
    (tmp_path / "a.m4a").write_bytes(b"\0" * 999)
    refusal(lambda: open_audio(tmp_path / "a.m4a"), "a.m4a", "install ffmpeg", "wav")


def test_what_libsndfile_reads_needs_no_ffmpeg(tmp_path, no_ffmpeg):
    for name in ("a.wav", "a.flac", "a.ogg", "a.mp3"):
        assert len(read_audio(written(tmp_path / name, noise(5000)))[0]) == 5000


@needs_ffmpeg
def test_lossless_m4a_gives_the_samples_of_the_wav(tmp_path):
    wav = written(tmp_path / "a.wav", noise(3 * RATE), RATE, "PCM_16")
    audio, _ = read_audio(wav)
    m4a = convert(wav, tmp_path / "a -x'%s.m4a", "-c:a", "alac")
    again, rate = read_audio(m4a)
    assert rate == RATE
    np.testing.assert_array_equal(again, audio)
    cut = np.concatenate(list(open_audio(m4a, 1.00003, 0.7).blocks()))
    np.testing.assert_array_equal(cut, audio[RATE + 1 : RATE + 1 + round(0.7 * RATE)])


@needs_ffmpeg
def test_a_flac_that_was_cut_out_of_another_is_read_from_its_own_start(tmp_path):
    """Its frames keep their numbers, by which libsndfile seeks."""
    wav = written(tmp_path / "a.wav", noise(5 * RATE), RATE, "PCM_16")
    whole = read_audio(convert(wav, tmp_path / "whole.flac"))[0]
    options = "-ss", "2", "-i", tmp_path / "whole.flac", "-map", "1:a", "-c:a", "copy"
    cut = convert(wav, tmp_path / "cut.flac", *options)
    audio, rate = read_audio(cut)
    assert rate == RATE and 2.8 * RATE < len(audio) < 3.2 * RATE
    np.testing.assert_array_equal(audio, whole[-len(audio) :])
    part = np.concatenate(list(open_audio(cut, 1.5, 0.5).blocks()))
    np.testing.assert_array_equal(part, audio[round(1.5 * RATE) : 2 * RATE])


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "options"),
    [("a.m4a", ["-movflags", "+faststart"]), ("a.mkv", []), ("a.mp3", ["-write_xing", "0"])],
)
def test_lossy_files_keep_time_and_length(tmp_path, name, options):
    time = np.arange(4 * 44100) / 44100
    chirp = 0.5 * np.sin(2 * np.pi * (300 + 400 * time) * time)[:, np.newaxis]
    path = convert(written(tmp_path / "a.wav", chirp), tmp_path / name, *options)
    again = read_audio(path)[0]
    # Encoders fill up to whole frames; an mp3 without a header keeps its padding.
    assert 0 <= len(again) - len(chirp) < 3000
    first = 1105 if name == "a.mp3" else 0
    error = (again[first : first + len(chirp)] - chirp)[5000:-5000]
    assert 20 * np.log10(0.35 / np.sqrt(np.mean(error**2))) > 20


@needs_ffmpeg
def test_audio_tracks_are_counted_and_the_first_is_read(tmp_path):
    wavs = [written(tmp_path / f"{i}.wav", noise(RATE) * i, RATE, "PCM_16") for i in (0, 1)]
    inputs = [word for wav in wavs for word in ("-i", wav)]
    one = convert(wavs[1], tmp_path / "one.mka", "-c:a", "flac")
    maps = ["-map", "0:a", "-map", "1:a", "-c:a", "flac"]
    two = convert(wavs[0], tmp_path / "Stream #0:7: Audio: .mka", *inputs[2:], *maps)
    assert describe(one) == Description(1, 1.0, False, None)
    assert describe(two) == Description(2, 1.0, False, None)
    assert not read_audio(two)[0].any() and read_audio(one)[0].any()


@needs_ffmpeg
@pytest.mark.parametrize("track", (0, 1))
def test_peaks_beyond_full_scale_are_kept(tmp_path, track):
    """A lossy codec makes them of music that nearly reaches it."""
    loud = written(tmp_path / "loud.wav", 0.99 * np.sign(noise(RATE)), RATE, "PCM_16")
    codecs = ["-map", "0:a", "-map", "0:a", f"-c:a:{track}", "mp2", f"-c:a:{1 - track}", "flac"]
    film = open_audio(convert(loud, tmp_path / "a.mkv", *codecs), track=track)
    peak = max(np.abs(block).max() for block in film.blocks())
    assert peak > 1.1


@needs_ffmpeg
def test_a_length_that_is_guessed_from_the_bit_rate_is_told_as_that(tmp_path):
    sound = np.concatenate([np.zeros((12 * RATE, 2)), noise(18 * RATE)])
    wav = written(tmp_path / "a.wav", sound, RATE, "PCM_16")
    path = convert(wav, tmp_path / "a.mp3", "-q:a", "4", "-write_xing", "0")
    guessed, told = describe(path), describe(wav)
    assert guessed.is_guess and guessed.seconds > 35.0  # of the silence's bit rate
    assert not told.is_guess and told.seconds == 30.0


@needs_ffmpeg
def test_a_film_without_sound_is_refused(tmp_path):
    picture = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=d=1:s=16x16"]
    path = tmp_path / "a.mkv"
    if subprocess.run([*picture, "-c:v", "ffv1", path]).returncode:
        pytest.skip("this ffmpeg makes no pictures")
    refusal(lambda: open_audio(path), path, "cannot be read as audio (it holds no sound)")


@needs_ffmpeg
@pytest.mark.parametrize("way", ["a hole", "a tail of zeros"])
def test_a_film_with_damage_that_ffmpeg_takes_for_a_success_is_refused(tmp_path, way):
    path = convert(written(tmp_path / "a.wav", noise(10 * 44100)), tmp_path / "a.mka")
    data = bytearray(path.read_bytes())
    half = len(data) // 2
    end = half + 2000 if way == "a hole" else len(data)
    data[half:end] = bytes(end - half)
    path.write_bytes(data)
    refusal(lambda: read_audio(path), path, "damaged after")


@needs_ffmpeg
def test_what_comes_before_damage_is_counted_from_the_start_given(tmp_path):
    path = convert(written(tmp_path / "a.wav", noise(10 * 44100)), tmp_path / "a.mka")
    data = bytearray(path.read_bytes())
    half = len(data) // 2
    data[half : half + 2000] = bytes(2000)
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        list(open_audio(path, start=2.0).blocks())
    damaged, advised = map(
        float, re.findall(r"after ([\d.]+) s.*--duration ([\d.]+)", str(caught.value))[0]
    )
    assert 4 < damaged < 6 and advised == pytest.approx(damaged - 2, abs=0.011)
    audio = np.concatenate(list(open_audio(path, start=2.0, duration=advised).blocks()))
    assert len(audio) == round(44100 * advised)


@needs_ffmpeg
def test_what_changes_its_channels_is_refused_there(tmp_path):
    """ffmpeg would make two channels of the six."""
    for channels in (2, 6):
        wav = written(tmp_path / "a.wav", noise(2 * 44100, channels))
        convert(wav, tmp_path / f"{channels}.ac3")
    path = tmp_path / "both.ac3"
    path.write_bytes((tmp_path / "2.ac3").read_bytes() + (tmp_path / "6.ac3").read_bytes())
    message = refusal(lambda: read_audio(path), "its channels or their layout change there")
    advised = float(re.search(r"--duration ([\d.]+)", message)[1])
    assert advised == pytest.approx(2, abs=0.1)
    cut = np.concatenate(list(open_audio(path, duration=advised).blocks()))
    np.testing.assert_array_equal(cut, read_audio(tmp_path / "2.ac3")[0][: len(cut)])


@needs_ffmpeg
@pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="needs /dev/fd")
def test_a_file_that_the_shell_opened_is_read(tmp_path):
    """As in `separate.py /dev/stdin out.wav < song.m4a`; ffmpeg's stdin is another."""
    path = convert(written(tmp_path / "a.wav", noise(44100)), tmp_path / "a.m4a")
    with open(path, "rb") as file:
        audio, _ = read_audio(f"/dev/fd/{file.fileno()}")
    np.testing.assert_array_equal(audio, read_audio(path)[0])


@needs_ffmpeg
@pytest.mark.parametrize("tags", ["APE", "APE without header", "ID3", "APE, ID3", "ID3, APE, APE"])
def test_wavpack_with_tags_is_read(tmp_path, tags):
    wav = written(tmp_path / "a.wav", noise(44100), 44100, "PCM_16")
    path = convert(wav, tmp_path / "a, b.wv")
    item = struct.pack("<II", 4, 0) + b"Title\0song"

    def end(flags):
        return ape_footer(len(item) + 32, flags)

    ape, id3 = end(0xA0000000) + item + end(0x80000000), b"TAG" + bytes(125)
    ends = {"APE": ape, "APE without header": item + end(0), "ID3": id3}
    path.write_bytes(path.read_bytes() + b"".join(ends[tag] for tag in tags.split(", ")))
    np.testing.assert_array_equal(read_audio(path)[0], read_audio(wav)[0])


@pytest.mark.parametrize(("length", "end"), [(32, 400), (132, 300), (200, None), (9999, None)])
def test_a_tag_that_is_not_as_long_as_it_says_takes_no_sound_away(tmp_path, length, end):
    """The first has no header, those that follow say that they have one."""
    (tmp_path / "a.wv").write_bytes(
        (b"wvpk" + bytes(296) + b"APETAGEX" + bytes(92))[:400]
        + ape_footer(length - (32 if length > 32 else 0), (length > 32) << 31)
    )
    assert end_before_tags(tmp_path / "a.wv") == end


@pytest.mark.parametrize(("flags", "footer"), [(0, 0), (16, 10), (224, 0)])
def test_a_tag_before_the_sound_ends_behind_its_footer(flags, footer):
    tag = ID3_TAG[:5] + bytes([flags]) + ID3_TAG[6:]
    file = io.BytesIO(tag + bytes(footer) + b"RIFF")
    assert skip_tags(file) == len(tag) + footer and file.read() == b"RIFF"


@pytest.mark.parametrize("size", [4, 14, 28, 31])
def test_a_file_too_short_for_a_tag_has_none(tmp_path, size):
    (tmp_path / "a.wv").write_bytes((b"wvpk" + bytes(28))[:size])
    assert end_before_tags(tmp_path / "a.wv") is None


@needs_ffmpeg
def test_wavpack_that_lost_its_last_blocks_is_refused(tmp_path):
    path = convert(written(tmp_path / "a.wav", noise(3 * 44100)), tmp_path / "a.wv")
    assert open_audio(path).samples == 3 * 44100
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"wvpk")])
    message = refusal(lambda: read_audio(path), "cut short", "--duration")
    advised = float(re.search(r"--duration ([\d.]+)", message)[1])
    assert 1 < advised < 3
    cut = np.concatenate(list(open_audio(path, duration=advised).blocks()))
    assert len(cut) == round(44100 * advised)


@needs_ffmpeg
def test_any_track_of_several_is_read_and_one_that_is_absent_told(tmp_path):
    first, second = noise(RATE), np.concatenate([noise(RATE) / 2, noise(RATE)])
    for name, samples in (("a.wav", first), ("b.wav", second)):
        written(tmp_path / name, samples, RATE)
    options = ["-i", tmp_path / "b.wav", "-map", "0:a", "-map", "1:a", "-c:a", "flac"]
    path = convert(tmp_path / "a.wav", tmp_path / "a.mka", *options)
    for track, samples in enumerate((first, second)):
        audio, rate = read_audio(os.fspath(path), track)
        assert rate == RATE
        np.testing.assert_allclose(audio, samples, atol=1e-4)
    refusal(lambda: read_audio(path, 2), "it has no audio track 3")
    refusal(lambda: read_audio(tmp_path / "a.wav", 1), "it has no audio track 2")
    refusal(lambda: read_audio(tmp_path / "b.mka", 1), "no such file")


@needs_ffmpeg
def test_a_track_that_is_no_sound_is_told(tmp_path):
    samples = noise(RATE)
    samples[RATE // 2, 0] = np.nan
    for name, content in (("a.wav", noise(RATE)), ("b.wav", samples)):
        written(tmp_path / name, content, RATE, "FLOAT")
    options = ["-i", tmp_path / "b.wav", "-map", "0:a", "-map", "1:a", "-c:a", "copy"]
    path = convert(tmp_path / "a.wav", tmp_path / "a.mka", *options)
    refusal(lambda: read_audio(path, 1), "NaN or infinity", "0.500 s")


@needs_ffmpeg
def test_the_length_in_a_films_header_chooses_rf64(tmp_path, monkeypatch):
    path = convert(written(tmp_path / "a.wav", noise(2 * RATE, 1), RATE), tmp_path / "a.m4a")
    monkeypatch.setattr("vocaltrack.formats.WAV_BYTES", 2 * RATE)  # a second of 16 bit
    for cut, wanted in (((), "RF64"), ((0.5, 1.2), "RF64"), ((0.5, 0.9), "WAV"), ((1.2,), "WAV")):
        file = open_audio(path, *cut)
        assert file.samples is None
        assert plan_targets(file, {"vocals": tmp_path / "v.wav"})["vocals"][2] == wanted
    # A header may be wrong: what it says is no reason to refuse.
    assert plan_targets(open_audio(path), {"vocals": tmp_path / "v.aiff"})


@needs_ffmpeg
def test_a_guessed_length_chooses_rf64_too(tmp_path, monkeypatch):
    """An mp3 or aac of hours failed at the end, where it outgrew wav."""
    path = convert(written(tmp_path / "a.wav", noise(4 * RATE, 1), RATE), tmp_path / "a.aac")
    assert describe(path).is_guess
    monkeypatch.setattr("vocaltrack.formats.WAV_BYTES", 2 * RATE)
    for cut, wanted in (((0.5, 1.2), "RF64"), ((0.5, 0.9), "WAV"), ((), "RF64")):
        file = open_audio(path, *cut)
        assert plan_targets(file, {"vocals": tmp_path / "v.wav"})["vocals"][2] == wanted


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("00:01:02.50, start: 0.500000", 62.0),
        ("00:00:02.00, start: 5.000000", 2.0),  # by a new ffmpeg, from the start on
        ("N/A, start: 5.000000", None),  # of a live stream
    ],
)
def test_a_length_from_zero_is_taken_from_the_start(monkeypatch, told, seconds):
    listing = f"Input #0, matroska,webm, from 'a.mkv':\n  Duration: {told}, bitrate: N/A\n"
    monkeypatch.setattr("vocaltrack.ffmpeg._listing", lambda path: listing.encode())
    assert describe("a.mkv") == Description(0, seconds, False, None)


@needs_ffmpeg
@pytest.mark.parametrize("ending", ["mka", "m4a", "ts", "asf", "nut"])
def test_a_films_length_is_that_of_its_sound_whenever_it_starts(tmp_path, ending):
    """As in cuts whose times are those of the whole."""
    wav = written(tmp_path / "a.wav", noise(2 * RATE, 1), RATE)
    path = convert(wav, tmp_path / f"a.{ending}", "-output_ts_offset", "3600")
    assert describe(path).seconds == pytest.approx(2.0, abs=0.2)


@needs_ffmpeg
def test_more_than_16_bits_stay_more(tmp_path):
    wav = written(tmp_path / "a.wav", noise(44100), 44100, "PCM_24")
    for name, options, wanted in (
        ("a.m4a", ["-c:a", "alac", "-sample_fmt", "s32p"], "PCM_24"),
        ("b.m4a", ["-c:a", "alac", "-sample_fmt", "s16p"], "PCM_16"),
        ("c.m4a", [], "PCM_16"),
        ("d.wv", ["-sample_fmt", "fltp"], "FLOAT"),
        ("e.mkv", ["-c:a", "pcm_f32le"], "FLOAT"),
        ("f.mov", ["-c:a", "pcm_s32le"], "PCM_24"),
        ("g.mov", ["-c:a", "pcm_s16le"], "PCM_16"),
        ("h.mov", ["-c:a", "pcm_f64le"], "FLOAT"),
    ):
        file = open_audio(convert(wav, tmp_path / name, *options))
        assert plan_targets(file, {"vocals": tmp_path / "v.wav"})["vocals"][1] == wanted


@needs_ffmpeg
def test_joined_mp3s_are_read_whole(tmp_path):
    one = written(tmp_path / "a.mp3", noise(44100))
    (tmp_path / "b.mp3").write_bytes(one.read_bytes() * 2)
    assert len(read_audio(one)[0]) == 44100
    assert 2 * 44100 <= len(read_audio(tmp_path / "b.mp3")[0]) < 2 * 44100 + 6000


@needs_ffmpeg
def test_a_wav_that_says_that_it_is_empty_is_read(tmp_path):
    """As recorders leave it that lose their power."""
    path = written(tmp_path / "a.wav", noise(44100), 44100, "PCM_16")
    audio, _ = read_audio(path)
    data = path.read_bytes()
    path.write_bytes(data[:4] + bytes(4) + data[8:40] + bytes(4) + data[44:])
    advised = float(re.search(r"--duration ([\d.]+)", refusal(lambda: read_audio(path)))[1])
    assert advised > 0.9  # all but ffmpeg's last packet
    cut = np.concatenate(list(open_audio(path, duration=advised).blocks()))
    np.testing.assert_array_equal(cut, audio[: len(cut)])
    assert len(cut) == round(advised * 44100)


@needs_ffmpeg
def test_an_ogg_that_only_ffmpeg_reads_is_refused_when_it_was_cut_short(tmp_path):
    wav = written(tmp_path / "a.wav", noise(5 * 44100), 44100, "PCM_16")
    path = convert(wav, tmp_path / "a.ogg", "-c:a", "flac")
    assert len(read_audio(path)[0]) == 5 * 44100
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    refusal(lambda: read_audio(path), path, "damaged")
