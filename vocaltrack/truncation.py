"""Files that hold less than they say, and streams of which libsndfile reads a part:
it passes over both in silence."""

import mmap
import re
import zlib

from vocaltrack.tags import WAVPACK, end_of_sound, skip_tags

MP3_TAGS = 4096  # bytes of other tags that may follow the music
WAVPACK_HEADER = 32  # bytes
SLACK = 128  # bytes; headers are written carelessly
# What is written to a pipe does not know its size and gives the largest there is.
UNKNOWN_SIZES = (range(0x7FF00000, 0x80000001), range(0xFFF00000, 0x100000000))
SIZED = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "SVX", "WVE")
_SIZE = re.compile(
    r"^ *(?:data|SSND|BODY|Data (?:[Ss]ize|length)) *:? (\d+)\b(?: \(?should be (\d+))?",
    re.MULTILINE,
)
OGG_SOUNDS = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ")
OGG_FAULTS = {
    "several": "holds several Ogg streams; make one of them, e.g. a flac",
    "damaged": "is damaged (a page does not fit its checksum, or is missing); give a whole file",
}
FLAC = b"fLaC"
FLAC_STARTS = (b"\0\0\0\x22", b"\x80\0\0\x22")  # of what follows that
FLAC_FRAMES = (b"\xff\xf8", b"\xff\xf9")  # how a frame begins; its number is two bytes on
# Ogg's checksum goes through the bits the other way round than zlib's.
MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
COUNTED = ("AVR", "MPC2K", "MAT5", "NIST")
_FRAMES = re.compile(r"^ *(?:Frames *:|Rows : \d+ +Cols :|sample_count -i) (\d+)", re.MULTILINE)
NOTED = ("MAT4", "VOC")
_NOTE = re.compile(r"^(?:\*\*\* File seems|Seems) to be (?:a )?truncated", re.MULTILINE)


def says_more(path, info):
    """Whether a file's header claims more than the file holds.

    PAF, PVF, IRCAM and XI files do not say how long they are.

    Args:
        path: the file.
        info: what `soundfile.info` says of it.
    """
    if info.format in NOTED:
        return _NOTE.search(info.extra_info) is not None
    if info.format in COUNTED:
        with open(path, "rb") as file:  # of which libsndfile does not show that of NIST
            header = file.read(1024).decode("latin1") if info.format == "NIST" else info.extra_info
        return max(map(int, _FRAMES.findall(header)), default=0) > info.frames
    match = _SIZE.search(info.extra_info)
    if match is None or info.format not in SIZED:
        return False
    claimed, held = int(match[1]), int(match[2] or path.stat().st_size)
    unknown = claimed >= 2**62 or any(claimed in sizes for sizes in UNKNOWN_SIZES)
    return not unknown and claimed > held + SLACK


def ogg_state(path):
    """How an Ogg file is: "whole", "cut", or one of `OGG_FAULTS`, which
    libsndfile passes over: "damaged", or "several" where a second sound follows
    the first or goes along with it; "whole" also for what is no Ogg file."""
    running, sounds = {}, 0
    with open(path, "rb") as file:
        while len(header := file.read(27)) == 27 and header[:4] == b"OggS":
            flags, serial = header[5], header[14:18]
            lengths = file.read(header[26])
            content = file.read(sum(lengths))
            if len(content) < sum(lengths):
                return "cut"
            page = header[:22] + bytes(4) + header[26:] + lengths + content
            if header[22:26] != ogg_checksum(page):
                return "damaged"
            if flags & 2:
                sounds += content.startswith(OGG_SOUNDS)
            elif serial in running and header[18:22] != running[serial]:
                return "damaged"
            number = int.from_bytes(header[18:22], "little") + 1
            running[serial] = (number % 2**32).to_bytes(4, "little")
            if flags & 4:
                del running[serial]
        rest = file.tell() - len(header)
        if sounds and _find(file, b"OggS", rest) >= 0:
            return "damaged"
        if sounds > 1:
            return "several"
        return "cut" if running else "whole"


def flac_state(path):
    """How a FLAC file is: "whole", or "later" for a part cut out of another, whose frames
    keep their numbers, by which libsndfile seeks, or "several" where a second begins behind the
    first, which it does not read; "whole" also for what is no FLAC file."""
    with open(path, "rb") as file:
        skip_tags(file)
        if file.read(len(FLAC)) != FLAC:
            return "whole"
        is_last = False
        while not is_last and len(block := file.read(4)) == 4:
            is_last = block[0] & 0x80
            file.seek(int.from_bytes(block[1:], "big"), 1)
        at = file.tell()
        frame = file.read(5)
        if frame[:2] in FLAC_FRAMES and any(frame[4:]):
            return "later"
        while (at := _find(file, FLAC, at)) >= 0:
            at = file.seek(at + len(FLAC))
            if file.read(4) in FLAC_STARTS:
                return "several"
    return "whole"


def _find(file, what, start):
    """Where in an open file that is not empty something is, from `start` on; -1 for nowhere."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(what, start)


def ogg_checksum(page):
    """CRC-32 of an Ogg page whose own checksum is 0, as its 4 bytes."""
    crc = zlib.crc32(page.translate(MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return crc.to_bytes(4, "big").translate(MIRRORED)


def mp3_tells_length(path):
    """Whether an mp3 file has the Xing or Info header, which holds its length,
    and no more music behind what that counts.

    Of a file without, libsndfile reads as much as it guesses from the first
    bit rate, perhaps a part.
    """
    with open(path, "rb") as file:
        first = skip_tags(file)
        start = file.read(4096)
        end = end_of_sound(file, path.stat().st_size)
    at = max(start.find(b"Xing"), start.find(b"Info"))
    counts = start[at + 4 : at + 16]
    if at >= 0 and counts[3:4] and counts[3] & 3 == 3:  # frames and bytes
        return end - first - at - int.from_bytes(counts[8:], "big") <= MP3_TAGS
    return at >= 0


def wavpack_samples(path):
    """How many samples a WavPack file says that it has in each channel; None for a file
    that is none or does not say it, and for DSD, which ffmpeg decodes into fewer."""
    with open(path, "rb") as file:
        header = file.read(WAVPACK_HEADER)
    samples, flags = (int.from_bytes(header[at : at + 4], "little") for at in (12, 24))
    told = header[:4] == WAVPACK and samples != 2**32 - 1 and not flags & 1 << 31
    return samples if told and len(header) == WAVPACK_HEADER else None
