"""Files that hold less than they say, or more than libsndfile reads of them:
it passes over both in silence."""

import re

SLACK = 128  # bytes; headers are written carelessly
# What is written to a pipe does not know its size and gives the largest there is.
UNKNOWN_SIZES = (range(0x7FF00000, 0x80000001), range(0xFFF00000, 0x100000000))
_SIZE = re.compile(
    r"^ *(?:data|SSND|Data [Ss]ize) *: (\d+)\b(?: \(should be (\d+)\))?", re.MULTILINE
)


def says_more(path, info):
    """Whether the header of a wav, rf64, w64, aiff or au file claims more than
    the file holds.

    Args:
        path: the file.
        info: what `soundfile.info` says of it.
    """
    match = _SIZE.search(info.extra_info)
    if match is None or info.format not in ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU"):
        return False
    claimed, held = int(match[1]), int(match[2] or path.stat().st_size)
    unknown = claimed >= 2**62 or any(claimed in sizes for sizes in UNKNOWN_SIZES)
    return not unknown and claimed > held + SLACK


def ogg_state(path):
    """How an Ogg file ends: "whole", "cut", or "chained" where a second
    stream follows the first, which is all that libsndfile reads."""
    running, ended = set(), False
    with open(path, "rb") as file:
        while len(header := file.read(27)) == 27 and header[:4] == b"OggS":
            flags, serial = header[5], header[14:18]
            if flags & 2:
                if ended and not running:
                    return "chained"
                running.add(serial)
            if flags & 4:
                running.discard(serial)
                ended = True
            file.seek(sum(file.read(header[26])), 1)
        return "cut" if running or file.tell() > path.stat().st_size else "whole"


def mp3_tells_length(path):
    """Whether an mp3 file has the Xing or Info header, which holds its length.

    Of a file without, libsndfile reads as much as it guesses from the first
    bit rate, perhaps a part.
    """
    with open(path, "rb") as file:
        start = file.read(10)
        if start[:3] == b"ID3":
            file.seek(sum((byte & 127) << 7 * (3 - i) for i, byte in enumerate(start[6:10])) + 10)
            start = b""
        start += file.read(4096)
    return b"Xing" in start or b"Info" in start
