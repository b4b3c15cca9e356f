"""The tags before and behind the sound of a file (ID3, APE)."""

WAVPACK = b"wvpk"
ID3_SIZE = 128  # bytes, of ID3v1
APE = b"APETAGEX"
APE_FOOTER = 32  # bytes


def skip_tags(file):
    """Go to where an open file's ID3v2 tags end, at 0 where it begins with none; returns
    that place."""
    first = 0
    while (tag := file.read(10))[:3] == b"ID3" and len(tag) == 10:
        size = sum((byte & 127) << 7 * (3 - i) for i, byte in enumerate(tag[6:]))
        first = file.seek(first + size + (20 if tag[5] & 16 else 10))
    return file.seek(first)


def end_before_tags(path):
    """Where the sound of a WavPack file ends, of which ffmpeg takes the tags behind it
    for damage.

    Returns:
        bytes; None for a file that is none, or has no APE or ID3v1 tags.
    """
    whole = path.stat().st_size
    with open(path, "rb") as file:
        if file.read(4) != WAVPACK:
            return None
        end = end_of_sound(file, whole)
    return end if end < whole else None


def end_of_sound(file, end):
    """Where the APE and ID3v1 tags begin that an open file ends with."""
    while tag := _tag_length(file, end):
        end -= tag
    return end


def _tag_length(file, end):
    """Bytes of the APE or ID3v1 tag that ends at `end`; 0 where none does."""
    file.seek(max(0, end - ID3_SIZE))
    if end >= ID3_SIZE and file.read(3) == b"TAG":
        return ID3_SIZE
    file.seek(max(0, end - APE_FOOTER))
    footer = file.read(APE_FOOTER)
    if len(footer) < APE_FOOTER:
        return 0
    length, header = int.from_bytes(footer[12:16], "little"), footer[23] & 128
    length += APE_FOOTER if header else 0
    if footer[:8] != APE or not APE_FOOTER <= length < end:
        return 0
    file.seek(end - length)
    return length if not header or file.read(8) == APE else 0
