"""Audio files in and out: soundfile for the formats, soxr for the rates."""

import io
from pathlib import Path

import numpy as np
import soundfile
import soxr

from vocaltrack.errors import UserError, one_line
from vocaltrack.files import check_folder_writable, write_atomically

WRITE_BLOCK = 65536


def read_audio(path):
    """Read a whole audio file.

    Args:
        path: any file that libsndfile reads (wav, flac, ogg, opus, mp3, ...).

    Returns:
        (audio, sample_rate): float32 array [samples, channels], full scale
        at 1.0, and the rate in Hz.

    Raises:
        UserError: the file is absent, empty, not audio, or holds values that
            are not numbers.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path}: no such file")
    if path.is_dir():
        raise UserError(f"{path} is a folder; give an audio file")
    if path.stat().st_size == 0:
        raise UserError(f"{path} is an empty file; give an audio file")
    try:
        audio, sample_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, RuntimeError, TypeError) as error:
        raise UserError(
            f"{path} cannot be read as audio ({one_line(error)}); "
            "give a wav, flac, ogg, opus or mp3 file"
        ) from error
    if len(audio) == 0:
        raise UserError(f"{path} holds no samples")
    if not np.isfinite(audio).all():
        raise UserError(f"{path} holds samples that are not finite numbers (NaN or infinity)")
    return audio, sample_rate


def subtype_of(path):
    """The sample format of an audio file as libsndfile names it, e.g. PCM_16."""
    return soundfile.info(path).subtype


def check_target(path, sample_rate, channels, subtype=None):
    """Refuse a target that cannot be written, before any work is done.

    Args:
        path: the target file; its ending chooses the format.
        sample_rate: Hz.
        channels: number of channels.
        subtype: sample format wanted; the format's default where it lacks it.

    Returns:
        (format, subtype) as libsndfile names them.

    Raises:
        UserError: the ending names no format, the format cannot hold such
            audio, or the folder does not exist or cannot be written.
    """
    path = Path(path)
    ending = path.suffix[1:].upper()
    kind = {"OPUS": "OGG", "AIF": "AIFF"}.get(ending, ending)
    if path.is_dir():
        raise UserError(f"{path} is a folder; give the file to write")
    if kind == "RAW" or kind not in soundfile.available_formats():
        raise UserError(f"{path}: no audio format ends in {path.suffix!r}; use .wav, .flac or .ogg")
    check_folder_writable(path.parent)
    if ending == "OPUS":
        subtype = "OPUS"
    elif not (subtype and soundfile.check_format(kind, subtype)):
        subtype = soundfile.default_subtype(kind)
    try:
        soundfile.SoundFile(
            io.BytesIO(), "w", sample_rate, channels, subtype=subtype, format=kind
        ).close()
    except (RuntimeError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: {kind} cannot hold {channels} channels at {sample_rate} Hz "
            f"({one_line(getattr(error, 'error_string', error))}); use .wav or .flac"
        ) from error
    return kind, subtype


def write_audio(path, audio, sample_rate, subtype=None):
    """Write an audio file whole or not at all.

    Args:
        path: target; its ending chooses the format.
        audio: float array [samples] or [samples, channels]. Integer formats
            clip what exceeds full scale.
        sample_rate: Hz.
        subtype: sample format, e.g. "PCM_16"; the format's default where it
            lacks it.

    Raises:
        UserError: the target cannot be written.
    """
    channels = 1 if audio.ndim == 1 else audio.shape[1]
    kind, subtype = check_target(path, sample_rate, channels, subtype)

    def write(temporary):
        # In blocks: libsndfile's Ogg encoder overflows its stack on long writes.
        with soundfile.SoundFile(
            temporary, "w", sample_rate, channels, subtype=subtype, format=kind
        ) as file:
            for start in range(0, len(audio), WRITE_BLOCK):
                file.write(audio[start : start + WRITE_BLOCK])

    write_atomically(path, write)


def resample(audio, source_rate, target_rate):
    """Resample with soxr's high quality filter (linear phase, no delay).

    Args:
        audio: float32 array [samples] or [samples, channels].
        source_rate: Hz.
        target_rate: Hz.

    Returns:
        float32 array with round(samples * target_rate / source_rate) samples.
    """
    if source_rate == target_rate:
        return audio
    return soxr.resample(audio, source_rate, target_rate)


def fit_length(audio, samples):
    """Cut or zero-pad the end by the few samples that resampling there and
    back may differ by.

    Args:
        audio: array [n, ...].
        samples: the length wanted.
    """
    if len(audio) >= samples:
        return audio[:samples]
    return np.pad(audio, [(0, samples - len(audio))] + [(0, 0)] * (audio.ndim - 1))
