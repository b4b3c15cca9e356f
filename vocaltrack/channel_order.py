"""The order of channels in Ogg files, which is another than that of all others.

libsndfile passes it on: the second of six channels of an Ogg file is the centre, of a wav
file the right one.
"""

import numpy as np

# For each number of channels: where those of Vorbis (I specification, 4.3.9), and of Opus
# (RFC 7845, 5.1.1.2), stand in the order of wav files.
_VORBIS = {
    3: (0, 2, 1),
    5: (0, 2, 1, 3, 4),
    6: (0, 2, 1, 4, 5, 3),
    7: (0, 2, 1, 5, 6, 4, 3),
    8: (0, 2, 1, 6, 7, 4, 5, 3),
}
OGG_SUBTYPES = ("VORBIS", "OPUS")
_HEAD = b"OpusHead"
_FAMILY = 18  # bytes behind the head's begin


def is_vorbis_order(path, subtype):
    """Whether an audio file has its channels in that order: Vorbis, and Opus but for what
    has no order, or is no speakers (RFC 7845, 5.1.1).

    Args:
        path: the file.
        subtype: sample format as libsndfile names it.
    """
    if subtype != "OPUS":
        return subtype == "VORBIS"
    with open(path, "rb") as file:
        start = file.read(512)
    at = start.find(_HEAD) + _FAMILY
    return start[at : at + 1] == b"\1"


def from_ogg(audio):
    """Channels of an Ogg file in the order of wav files.

    Args:
        audio: array [samples, channels]; of 1, 2, 4 and more than 8 channels the order is
            the same, or not defined.

    Returns:
        array of the same shape.
    """
    order = _VORBIS.get(audio.shape[1])
    return audio if order is None else audio[:, np.argsort(order)]


def to_ogg(audio):
    """The reverse of `from_ogg`."""
    order = _VORBIS.get(audio.shape[1])
    return audio if order is None else audio[:, order]
