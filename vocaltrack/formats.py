"""The formats of the files: the endings of those read, and of those written also the
sample formats and what each can hold."""

import functools
import io
from pathlib import Path

import numpy as np
import soundfile

from vocaltrack.errors import UserError, number_of, one_line
from vocaltrack.files import check_file_writable

# What folders are searched for, beside all that libsndfile knows.
OTHER_ENDINGS = """3g2 3gp aa3 aac ac3 aif aifc amr ape asf avi dff dsf dts dtshd eac3 ec3 f4a f4v
flv m2ts m4a m4b m4r m4v mka mkv mlp mov mp2 mp4 mpa mpc mpeg mpg mpga mts mxf nut oga ogm ogv oma
opus ra rm rmvb shn spx tak thd ts tta vob wave weba webm wma wmv wv""".split()
INTEGER_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
INTEGER_BITS |= {"ULAW": 16, "ALAW": 16}  # what they decode to
FLOAT_SUBTYPES = ("FLOAT", "DOUBLE")
BITS = INTEGER_BITS | {"FLOAT": 32, "DOUBLE": 64}
# What is read but not written, and what holds as much.
SAME_SUBTYPE = {"ALAC_16": "PCM_16", "ALAC_20": "PCM_24", "ALAC_24": "PCM_24", "ALAC_32": "PCM_32"}
WAV_BYTES = 4_000_000_000
# By format, the default first. What libsndfile writes beside these changes the rate
# (htk, sds, svx, voc, wve, xi), pads the end (ADPCM, GSM, paf, odd 8-bit aiff) or
# breaks the sound (20 to 32 bit ALAC).
_WIDE = ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")
SUBTYPES = {
    "WAV": (*_WIDE, "PCM_U8", "ULAW", "ALAW"),
    "RF64": (*_WIDE, "PCM_U8", "ULAW", "ALAW"),
    "W64": (*_WIDE, "PCM_U8", "ULAW", "ALAW"),
    "CAF": (*_WIDE, "PCM_S8", "ULAW", "ALAW"),
    "AU": (*_WIDE, "PCM_S8", "ULAW", "ALAW"),
    "AIFF": _WIDE,
    "FLAC": ("PCM_16", "PCM_24", "PCM_S8"),
    "OGG": ("VORBIS", "OPUS"),
    "OPUS": ("OPUS",),
    "MP3": ("MPEG_LAYER_III",),
}
SAME_FORMAT = {"AIF": "AIFF", "AIFC": "AIFF", "OGA": "OGG"}
VORBIS_RATE = 200_000  # Hz; beyond, libsndfile crashes
LIMITED = ("WAV", "AIFF")  # formats whose headers have 32 bits for the size


def is_audio(path):
    """Whether a file's ending is one of those that folders are searched for."""
    return Path(path).suffix[1:].lower() in _audio_endings()


@functools.cache
def _audio_endings():
    known = {name.lower() for name in soundfile.available_formats()} | set(OTHER_ENDINGS)
    return known - {"raw"}  # which needs to be told its format; cameras write it too


def check_holds_float(path):
    """Refuse a target whose format cannot hold samples beyond full scale.

    Raises:
        UserError: it cannot.
    """
    if "FLOAT" not in SUBTYPES[_kind(path)]:
        raise UserError(f"{path}: its format holds no floating point; use .wav, or another --clip")


def writable_format(path):
    """The format that a file's ending stands for, as libsndfile names it; None
    for an ending that is not written."""
    kind = _kind(path)
    kind = "OGG" if kind == "OPUS" else kind
    return kind if kind in SUBTYPES and kind in soundfile.available_formats() else None


def _kind(path):
    ending = Path(path).suffix[1:].upper()
    return SAME_FORMAT.get(ending, ending)


def choose_subtype(path, wanted=None, source=None):
    """The sample format to write a target in.

    Args:
        path: the target; its ending chooses the format.
        wanted: what the user asks for, one of `SUBTYPES`.
        source: what the input has; taken where the format has it.

    Returns:
        subtype as libsndfile names it.

    Raises:
        UserError: the ending names no format, or the format has no such
            subtype.
    """
    kind = writable_format(path)
    if kind is None:
        ending = Path(path).suffix
        what = f"no audio format ends in {ending!r}" if ending else "its name has no ending"
        raise UserError(f"{path}: {what}; use .wav, .flac or .ogg")
    known = SUBTYPES[_kind(path)]
    if wanted and wanted not in known:
        names = ", ".join(known)
        raise UserError(f"{path}: {kind} cannot be written as {wanted}; it can as {names}")
    source = SAME_SUBTYPE.get(source, source)
    return wanted or (source if source in known else known[0])


def container(path, channels, subtype, samples):
    """The format to write, as libsndfile names it: that of the file's ending,
    but RF64 for a .wav of more than 4 GB.

    Args:
        path: the target.
        channels: number of channels.
        subtype: sample format, see `choose_subtype`.
        samples: length; None where it is not known yet.
    """
    kind = writable_format(path)
    large = outgrows(kind, samples or 0, channels, subtype)
    return "RF64" if kind == "WAV" and large else kind


def outgrows(kind, samples, channels, subtype):
    """Whether so many samples are more than the header of a format can count."""
    size = samples * channels * BITS.get(subtype, 32) // 8
    return kind in LIMITED and size > WAV_BYTES


def check_target(path, sample_rate, channels, subtype, samples=None):
    """Refuse a target that cannot be written, before any work is done.

    Args:
        path: the target file; its ending chooses the format.
        sample_rate: Hz.
        channels: number of channels.
        subtype: sample format, see `choose_subtype`.
        samples: length; None where it is not known yet.

    Raises:
        UserError: the format cannot hold such audio, or the file cannot be
            written.
    """
    check_file_writable(path)
    kind = container(path, channels, subtype, samples)
    if outgrows(kind, samples or 0, channels, subtype):
        raise too_large(path, kind)
    try:
        if subtype == "VORBIS" and sample_rate > VORBIS_RATE:
            raise ValueError("the rate is too high")
        with soundfile.SoundFile(
            io.BytesIO(), "w", sample_rate, channels, subtype=subtype, format=kind
        ) as probe:
            probe.write(np.zeros((1, channels)))
    except (RuntimeError, TypeError, ValueError) as error:
        why = one_line(getattr(error, "error_string", error)).removeprefix("Error : ").rstrip(".")
        raise UserError(
            f"{path}: {kind} cannot hold {number_of(channels, 'channel')} at {sample_rate} Hz as "
            f"{subtype} ({why}); use .wav or .flac"
        ) from error


def too_large(path, kind):
    """The error for a target that outgrows its format."""
    return UserError(f"{path} outgrows the 4 GB of {kind}; write .flac, .rf64 or .w64")
