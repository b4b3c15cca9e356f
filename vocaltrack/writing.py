"""Audio out: targets checked before any work, samples to integers, whole files."""

import contextlib
import io
from pathlib import Path

import numpy as np
import soundfile

from vocaltrack.audio import MP3_SUBTYPES
from vocaltrack.errors import UserError, one_line
from vocaltrack.files import check_folder_writable, temporary_beside
from vocaltrack.watched import WatchedFile, uninterrupted

WRITE_BLOCK = 65536
INTEGER_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
INTEGER_BITS |= {"ALAC_16": 16, "ALAC_20": 20, "ALAC_24": 24, "ALAC_32": 32}
INTEGER_BITS |= {"ULAW": 16, "ALAW": 16, "IMA_ADPCM": 16, "MS_ADPCM": 16}  # what they decode to
BITS = INTEGER_BITS | {"FLOAT": 32, "DOUBLE": 64}
WAV_BYTES = 4_000_000_000
PADDED_SUBTYPES = ("IMA_ADPCM", "MS_ADPCM", "GSM610")  # fill up their last block, and get longer
NOT_WRITTEN = ("RAW", "SD2")  # has no header; has it in a second file
LIMITED = ("WAV", "WAVEX", "AIFF")  # formats whose headers have 32 bits for the size


def float_subtype(path):
    """The subtype in which a target holds samples beyond full scale.

    Raises:
        UserError: its format has none.
    """
    if not soundfile.check_format(writable_format(path), "FLOAT"):
        raise UserError(f"{path}: its format holds no floating point; use .wav, or another --clip")
    return "FLOAT"


def writable_format(path):
    """The format that a file's ending stands for, as libsndfile names it; None
    for an ending that it does not write."""
    ending = Path(path).suffix[1:].upper()
    kind = {"OPUS": "OGG", "AIF": "AIFF"}.get(ending, ending)
    return kind if kind not in NOT_WRITTEN and kind in soundfile.available_formats() else None


def choose_subtype(path, wanted=None, source=None):
    """The sample format to write a target in.

    Args:
        path: the target; its ending chooses the format.
        wanted: what the user asks for, e.g. "PCM_24"; must be possible.
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
        raise UserError(f"{path}: no audio format ends in {ending!r}; use .wav, .flac or .ogg")
    if wanted:
        if not soundfile.check_format(kind, wanted):
            names = ", ".join(soundfile.available_subtypes(kind))
            raise UserError(f"{path}: {kind} has no subtype {wanted}; it has {names}")
        return wanted
    if Path(path).suffix.lower() == ".opus":
        return "OPUS"
    # libsndfile says that a wav can hold mp3, and then does not write it.
    possible = kind == "MP3" or source not in (*MP3_SUBTYPES, *PADDED_SUBTYPES)
    if source and possible and soundfile.check_format(kind, source):
        return source
    return soundfile.default_subtype(kind)


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
    large = _outgrows(kind, samples or 0, channels, subtype)
    return "RF64" if kind == "WAV" and large else kind


def _outgrows(kind, samples, channels, subtype):
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
        UserError: the format cannot hold such audio, or the folder cannot be
            written.
    """
    check_folder_writable(Path(path).parent)
    kind = container(path, channels, subtype, samples)
    if _outgrows(kind, samples or 0, channels, subtype):
        raise _too_large(path, kind)
    try:
        soundfile.SoundFile(
            io.BytesIO(), "w", sample_rate, channels, subtype=subtype, format=kind
        ).close()
    except (RuntimeError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: {kind} cannot hold {channels} channels at {sample_rate} Hz as {subtype} "
            f"({one_line(getattr(error, 'error_string', error))}); use .wav or .flac"
        ) from error


def _too_large(path, kind):
    return UserError(f"{path} outgrows the 4 GB of {kind}; write .flac, .rf64 or .w64")


def to_integers(audio, bits):
    """Samples as integers of a format, rounded and clipped at full scale.

    libsndfile's own conversion scales by 32767 what it reads by 32768, so
    that two stems would not add up to their mixture.

    Args:
        audio: float array [samples, channels], full scale at 1.0.
        bits: of the format.

    Returns:
        int32 array with the value in the upper bits.
    """
    if bits > 24:  # more digits than float32 has
        audio = audio.astype(np.float64)
    scale = audio.dtype.type(2 ** (bits - 1))
    values = np.rint(audio * scale)
    np.clip(values, -scale, scale - 1, out=values)
    return values.astype(np.int32) << (32 - bits)


class AudioWriter:
    """Writes one file, block by block.

    Args:
        file: `soundfile.SoundFile` open for writing.
        watched: the `WatchedFile` that it writes to.
        target: the path that the user gave, for messages.
        gain: factor for all samples.

    Attributes:
        peak: largest absolute value so far, after the gain.
        samples: number of samples so far.
    """

    def __init__(self, file, watched, target, gain=1.0):
        self.file, self.watched, self.target, self.gain = file, watched, target, gain
        self.bits = INTEGER_BITS.get(file.subtype)
        self.peak = 0.0
        self.samples = 0

    @property
    def clips(self):
        """Whether what was written so far went beyond an integer format."""
        # Half a step of rounding is no clipping.
        return self.bits is not None and self.peak >= 1.0 + 0.5 ** min(self.bits, 24)

    def write(self, audio):
        """Append float [samples, channels].

        Raises:
            UserError: the file would outgrow its format, or cannot be written.
        """
        if self.gain != 1.0:
            audio = audio * self.gain
        self.peak = max(self.peak, float(np.max(np.abs(audio), initial=0.0)))
        if self.bits is not None:
            audio = to_integers(audio, self.bits)
        self.samples += len(audio)
        if _outgrows(self.file.format, self.samples, self.file.channels, self.file.subtype):
            raise _too_large(self.target, self.file.format)
        # In blocks: libsndfile's Ogg encoder overflows its stack on long writes.
        for start in range(0, len(audio), WRITE_BLOCK):
            with _telling(self.target, self.watched):
                self.file.write(audio[start : start + WRITE_BLOCK])

    def close(self):
        """Write what is left of the file.

        Raises:
            UserError: it cannot be written.
        """
        with _telling(self.target, self.watched):
            self.file.close()


@contextlib.contextmanager
def audio_writer(path, sample_rate, channels, subtype, samples=None, gain=1.0):
    """Write an audio file whole or not at all.

    Args:
        path: target; its ending chooses the format.
        sample_rate: Hz.
        channels: number of channels.
        subtype: sample format, see `choose_subtype`.
        samples: length; None where it is not known yet.
        gain: factor for all samples.

    Yields:
        `AudioWriter`. The file takes its place when the block ends without
        an error.

    Raises:
        UserError: the target cannot be written.
    """
    kind = container(path, channels, subtype, samples)
    with temporary_beside(path) as temporary, WatchedFile(temporary) as watched:
        with _telling(path, watched):
            file = soundfile.SoundFile(
                watched, "w", sample_rate, channels, subtype=subtype, format=kind
            )
        with contextlib.closing(AudioWriter(file, watched, path, gain)) as writer:
            yield writer


@contextlib.contextmanager
def _telling(path, watched):
    """Tell libsndfile's errors, and those of the file, as failures to write it."""
    try:
        with uninterrupted():
            yield
        if watched.error:
            raise watched.error
    except (OSError, RuntimeError, AssertionError) as error:
        # soundfile asserts that every sample was written.
        why = getattr(error, "strerror", None) or one_line(error)
        raise UserError(f"{path} cannot be written ({why}); is the disk full?") from error
