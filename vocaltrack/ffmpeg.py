"""What libsndfile does not read (m4a, mp4, wma, video), through ffmpeg."""

import contextlib
import dataclasses
import os
import re
import shutil
import struct
import subprocess
import tempfile

import numpy as np

from vocaltrack.config import BLOCK
from vocaltrack.errors import UserError, one_line
from vocaltrack.tags import end_before_tags, skip_tags

HEADER = struct.Struct(">4sIIIII")  # of an AU stream
MAGIC = b".snd"
MOST_WORDS = 200  # characters of what ffmpeg says
SPEECHLESS = "ffmpeg did not say why"
# ffmpeg would read the files that these name, also where the ending is that of a song.
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"<")
_BEFORE_TEXT = b"\xef\xbb\xbf \t\r\n\v\f"
_TRACK = re.compile(rb"^ *Stream #0:\d+.*?: Audio: (.*)", re.MULTILINE)
_LENGTH = re.compile(rb"^  Duration: (\d+):(\d+):([\d.]+),(?: start: ([-\d.]+),)?", re.MULTILINE)
# Formats whose length is that from zero, not from the start of what they hold.
_FROM_ZERO = re.compile(rb"^Input #0, (matroska|mov|asf|nut),", re.MULTILINE)
_LOSSLESS_FLOATS = (b"pcm_f", b"wavpack")
_SPEAKER = re.compile(r"^(\[[^]]* @ 0x[0-9a-f]+\] )+")
# Of pictures, amidst which recordings begin and some of which ffmpeg looks at, and of tags.
_BESIDE_THE_SOUND = re.compile(
    r"\[(mpeg[12]video|mpeg4|msmpeg4(v\d)?|h26[1-4]|hevc|vvc|vc1|wmv\d|vp\d|libdav1d|av1|theora"
    r"|mjpe?g|png|gif|bmp|tiff|webp|jpeg2000|dvvideo|rv\d\d|svq\d|prores|dnxhd|ffv1|huffyuv) @"
    r"|(\[[^]]*\] )*(Cannot read BOM value|Error reading frame \w+, skipped)"
)
_AGAIN = "    Last message repeated"


class Stumbled(Exception):
    """What ffmpeg says of damage.

    Attributes:
        done: samples that came before.
        why: one line.
    """

    def __init__(self, done, why):
        super().__init__(why)
        self.done, self.why = done, why


@dataclasses.dataclass(frozen=True)
class Description:
    """What a file says of itself.

    Attributes:
        tracks: number of audio tracks, of which the first is read.
        seconds: length of the whole, or None where nothing tells it.
        is_guess: whether that follows from the bit rate, not from what the file says.
        subtype: sample format of the first track as libsndfile would name it, where it is
            of more than 16 bits and not lossy; of integers of 32 bits those 24 that are read.
    """

    tracks: int
    seconds: float | None
    is_guess: bool
    subtype: str | None


def probe(path, why, track=0):
    """Rate and channels of an audio track of a file.

    Args:
        path: the file.
        why: what libsndfile said of it, for the message.
        track: number of the audio track, from 0 up.

    Returns:
        (sample_rate in Hz, channels).

    Raises:
        UserError: there is no ffmpeg, or it finds no audio in the file.
    """
    if shutil.which("ffmpeg") is None:
        raise UserError(
            f"{path} cannot be read as audio ({why}); if it is m4a, mp4, wma or a video, install "
            "ffmpeg, else give a wav, flac, ogg, opus or mp3 file"
        )
    if _is_playlist(path):
        raise UserError(f"{path} is text, perhaps a playlist; give an audio file")
    with _decoder(path, track) as (process, messages):
        return _read_header(process, messages, path, track)


def decode(path, track=0):
    """Decode an audio track of a file, the first unless told.

    Yields:
        float32 [at most 131072, channels].

    Raises:
        UserError: ffmpeg finds no audio in the file.
        Stumbled: the file is damaged.
    """
    with _decoder(path, track, _decoder_choice(path, track)) as (process, messages):
        _, channels = _read_header(process, messages, path, track)
        frame, done = 4 * channels, 0
        while data := process.stdout.read(BLOCK * frame):
            whole = data[: len(data) - len(data) % frame]
            done += len(whole) // frame
            yield np.frombuffer(whole, ">f4").astype(np.float32).reshape(-1, channels)
        # Of much that it cannot read ffmpeg complains, and calls it a success.
        failed, complaint = process.wait(), _complaint(messages, path)
        if failed or complaint:
            raise Stumbled(done, complaint or SPEECHLESS)


def describe(path):
    """What a file says of itself: a `Description`."""
    listing = _listing(path)
    length = _LENGTH.search(listing)
    seconds = length and sum(float(n) * u for n, u in zip(length.groups(), (3600, 60, 1)))
    start = float(length[4] or 0.0) if length else 0.0
    # New ffmpegs count an mp4 from its start, which shows where that is later than its end.
    if start < (seconds or 0.0) and _FROM_ZERO.search(listing):
        seconds -= start
    tracks = _TRACK.findall(listing)
    is_guess = b"Estimating duration from bitrate" in listing
    return Description(len(tracks), seconds, is_guess, _subtype(tracks[0]) if tracks else None)


def _listing(path):
    command = ["ffmpeg", "-nostdin", "-hide_banner", "-i", _input(path)]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).stderr


def _subtype(track):
    """The sample format of a track of more than 16 bits, by what ffmpeg says of it; None of
    another, and of lossy ones that are decoded to floating point."""
    if re.search(rb", s(32|64)p?\b", track):
        return "PCM_24"
    if track.startswith(_LOSSLESS_FLOATS) and re.search(rb", (flt|dbl)p?\b", track):
        return "FLOAT"
    return None


@contextlib.contextmanager
def _decoder(path, track, choice=()):
    # A change of rate or channels is an error, where ffmpeg would adapt what follows.
    command = ["ffmpeg", "-nostdin", "-v", "error", "-xerror", "-reinit_filter", "0", *choice]
    # The times in the file are of no use here, and make AU's writer complain.
    command += ["-i", _input(path), "-map", f"0:a:{track}", "-af", "asetpts=N/SR/TB"]
    # The AU header tells rate and channels before the first sample, in a pipe too.
    command += ["-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
    with tempfile.TemporaryFile() as messages:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=messages
            )
        except OSError as error:
            raise UserError(
                f"{path} needs ffmpeg, and the one on the PATH does not run ({error.strerror}); "
                "install ffmpeg again"
            ) from error
        try:
            yield process, messages
        finally:
            process.kill()
            process.stdout.close()
            process.wait()


def _decoder_choice(path, track):
    """For MPEG layer II, ffmpeg's own choice cuts peaks at full scale."""
    codecs = _TRACK.findall(_listing(path))[track:]
    return [f"-c:a:{track}", "mp2float"] if codecs and codecs[0].startswith(b"mp2") else []


def _is_playlist(path):
    """By its first words, before which ffmpeg passes over tags and blanks."""
    with open(path, "rb") as file:
        skip_tags(file)
        while block := file.read(BLOCK):
            if text := block.lstrip(_BEFORE_TEXT):
                return text.startswith(_PLAYLISTS)
    return False


def _input(path):
    end = end_before_tags(path)
    if str(path).startswith("/dev/"):  # of which stdin would be ffmpeg's own
        path = os.path.realpath(path)
    return f"file:{path}" if end is None else f"subfile,,start,0,end,{end},,:file:{path}"


def _read_header(process, messages, path, track):
    start = process.stdout.read(HEADER.size)
    if len(start) == HEADER.size and start[:4] != MAGIC:
        raise UserError(f"{path} needs ffmpeg, and what the PATH has by that name is none")
    if len(start) < HEADER.size:
        process.wait()
        why = _complaint(messages, path) or SPEECHLESS
        if "matches no streams" in why:
            why = f"it has no audio track {track + 1}" if track else "it holds no sound"
        raise UserError(f"{path} cannot be read as audio ({why}); give an audio file")
    _, offset, _, _, sample_rate, channels = HEADER.unpack(start)
    process.stdout.read(offset - HEADER.size)
    return sample_rate, channels


def _complaint(messages, path):
    """The first that ffmpeg says of the sound, which is nearest to the cause, in one
    line; "" where it says nothing."""
    messages.seek(0)
    beside = False
    for line in messages.read().decode(errors="replace").splitlines():
        beside = beside if line.startswith(_AGAIN) else _BESIDE_THE_SOUND.match(line)
        if line.strip() and not beside:
            line = _SPEAKER.sub("", line)
            line = re.sub(rf"^(subfile,[^:]*:)?file:{re.escape(str(path))}: ", "", line)
            if line.startswith("Changing audio frame properties"):
                return "its rate, its channels or their layout change there"
            return one_line(line)[:MOST_WORDS]
    return ""
