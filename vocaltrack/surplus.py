"""Files that hold more than their header counts: those that outgrew its 32 bits, whose
header was not brought up to date, or that are several in a row. libsndfile reads what is
counted, and passes over the rest in silence."""

import struct

from vocaltrack.tags import end_of_sound

MOST_BEHIND = 4096  # bytes of padding or unknown tags that may follow the sound
LITTLE, BIG, LONG = struct.Struct("<4sI"), struct.Struct(">4sI"), struct.Struct(">4sq")
# By what a file begins with: where its first chunk is, and how a chunk begins.
CHUNKS = {
    b"RIFF": (12, LITTLE),
    b"RF64": (12, LITTLE),
    b"BW64": (12, LITTLE),
    b"RIFX": (12, BIG),
    b"FORM": (12, BIG),
    b"caff": (8, LONG),
}
AU, AU_HEADER = b".snd", struct.Struct(">4sII")  # which has no chunks
KINDS = (b"WAVE", b"AIFF", b"AIFC", b"8SVX")  # RIFF is of films too
SOUNDS = (b"data", b"SSND", b"BODY")
LARGE = (b"RF64", b"BW64")
IN_DS64 = 2**32 - 1  # the size of a chunk whose real one stands in the first chunk, "ds64"


def holds_more(path):
    """Whether a wav, rf64, aiff, caf or au file goes on behind what its header counts, but
    for chunks and tags; False for any other.

    Args:
        path: the file, a `Path`.
    """
    whole = path.stat().st_size
    with open(path, "rb") as file:
        counted = _counted(file, whole)
        file.seek(counted)
        behind = file.read(4)
        if behind in CHUNKS or behind == AU:  # the next of several
            return True
        return behind[:3] != b"ID3" and end_of_sound(file, whole) - counted > MOST_BEHIND


def _counted(file, whole):
    """Where in an open file the last byte is that is counted; `whole`, its size, where the
    header says more than there is, or nothing, as that of a recorder which lost its power,
    and where no sound was found."""
    start = file.read(12)
    if start[:4] == AU and len(start) == AU_HEADER.size:
        _, first, length = AU_HEADER.unpack(start)
        return min(whole, first + length)
    is_sound = start[8:] in KINDS or start.startswith(b"caff")
    at, header = CHUNKS.get(start[:4], (whole, LITTLE)) if is_sound else (whole, LITTLE)
    has_sound, data_length = False, 0
    while at + header.size <= whole:
        file.seek(at)
        name, length = header.unpack(file.read(header.size))
        if name in CHUNKS or not _is_name(name):
            return at if has_sound else whole
        has_sound = has_sound or name in SOUNDS
        if name == b"ds64":
            data_length = int.from_bytes(file.read(16)[8:], "little")
        if name == b"data" and length == IN_DS64 and start[:4] in LARGE:
            length = data_length
        if length < 0 or length == 0 and name in SOUNDS:
            return whole
        at += header.size + length
        file.seek(at)
        if length % 2 and header is not LONG and not _is_name(file.read(4)):
            at += 1  # the padding, which careless writers leave out
    return min(whole, at)


def _is_name(name):
    return len(name) == 4 and all(32 <= letter < 127 for letter in name)
