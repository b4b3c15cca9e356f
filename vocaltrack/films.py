"""Films that end before their end, which ffmpeg takes for whole, or nearly so."""

from vocaltrack.truncation import SLACK

ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
ASF_HEADER = 65536  # bytes in which the properties are
FLV_HEADER = 12  # bytes, before which no tag begins
FLV_TAGS = (b"\x08", b"\x09", b"\x12")  # audio, video, script
AVI_PARTS = (b"AVI ", b"AVIX")
TS_SYNC = 0x47  # the first byte of a packet
TS_PACKETS = ((188, 0), (192, 4), (204, 0))  # bytes, and where in it that byte is
PS_PACK = b"\0\0\1\xba"
PS_END = 0xB9
PS_HEADER = 14  # bytes; the longest
PS_TAIL = 1 << 18  # bytes at the end in which a pack begins; packets have 65541 at most


def film_is_cut(path):
    """Whether an AVI, FLV, WMV (or WMA) or MPEG film ends before its end.

    An MPEG film has no end; one that was cut between two of its packets is as
    good as whole.

    Args:
        path: the file.

    Returns:
        bool; False for what is none of these.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        start = file.read(16)
        if start == ASF:
            return _asf_is_cut(file.read(ASF_HEADER), size)
        if start[:3] == b"FLV":
            return _flv_is_cut(file, size)
        if start[:4] == PS_PACK:
            return _ps_is_cut(file, size)
        return _avi_is_cut(file, size) or _ts_is_cut(file, size)


def _asf_is_cut(header, size):
    """By the size in its properties, which counts unless the film is live."""
    at = header.find(ASF_PROPERTIES)
    live = at < 0 or header[at + 88 : at + 89] in (b"", b"\1", b"\3")
    return not live and int.from_bytes(header[at + 40 : at + 48], "little") > size


def _flv_is_cut(file, size):
    """By its last tag: each is followed by its length."""
    file.seek(max(0, size - 4))
    last = size - 4 - int.from_bytes(file.read(4), "big")
    file.seek(max(0, last))
    return last < FLV_HEADER or file.read(1) not in FLV_TAGS


def _avi_is_cut(file, size):
    """By the sizes of its parts; False for what is no AVI."""
    end = 0
    file.seek(end)
    while (start := file.read(12))[:4] == b"RIFF" and start[8:] in AVI_PARTS and any(start[4:8]):
        end += 8 + int.from_bytes(start[4:8], "little")
        end += end % 2
        file.seek(end)
    return end > size + SLACK and end - size < 2**31


def _ts_is_cut(file, size):
    """By its last packet, for all have one length; False for what is no transport stream."""
    file.seek(0)
    start = file.read(4 * TS_PACKETS[-1][0])
    for packet, sync in TS_PACKETS:
        if len(start) > 3 * packet and set(start[sync::packet]) == {TS_SYNC}:
            file.seek(size - size % packet + sync)
            return file.read(1) == bytes([TS_SYNC])  # else it is padding, or a tag
    return False


def _ps_is_cut(file, size):
    """By its last packet, for each tells its length. What looks like a pack near the
    end may be a part of a packet, from which no way leads on."""
    file.seek(max(0, size - PS_TAIL))
    tail = file.read()
    sounding = len(tail.rstrip(b"\0"))  # what follows is padding
    padded, tried = tail + bytes(PS_HEADER), set()
    at = tail.find(PS_PACK)
    while at >= 0:
        end = _ps_end(padded, at, sounding, tried)
        if end is not None:
            return end > len(tail)
        at = tail.find(PS_PACK, at + 1)
    return False


def _ps_end(tail, at, end, tried):
    """Where the packets end that follow each other from the pack at `at` on to `end` or
    beyond; None where they lead to what is no packet, or where one of `tried` begins, to
    which theirs are added."""
    while at < end:
        header = tail[at : at + PS_HEADER]
        if at in tried or header[:3] != PS_PACK[:3] or header[3] < PS_END:
            return None
        tried.add(at)
        at += _ps_length(header)
    return at


def _ps_length(header):
    """Bytes of the pack header (of MPEG-1 or 2), end or packet that begins so."""
    if header[3] == PS_END:
        return 4
    if header[3] != PS_PACK[3]:
        return 6 + int.from_bytes(header[4:6], "big")
    return 12 if header[4] >> 4 == 2 else PS_HEADER + (header[-1] & 7)
