"""Audio in: a look at any file, the reading of whole ones, and the changing of rates."""

import os
import shutil
from numbers import Real
from pathlib import Path

import numpy as np
import soundfile
import soxr

from vocaltrack import ffmpeg, truncation
from vocaltrack.config import MOST_SECONDS
from vocaltrack.decoding import COUNTS_LESS, CUT_SHORT, LOUDEST, MP3_SUBTYPES, TOO_LOUD, AudioFile
from vocaltrack.errors import UserError, one_line
from vocaltrack.files import file_name
from vocaltrack.films import film_is_cut
from vocaltrack.surplus import holds_more

MOST_HEADER = 65536  # bytes; so much may precede no samples at all
RATES = (4000, 384000)  # Hz
MOST_CHANNELS = 64


def open_audio(path, start=0.0, duration=None, track=0):
    """Look at an audio file and choose a cut of it; nothing is decoded yet.

    Args:
        path: any file that libsndfile reads (wav, flac, ogg, opus, mp3, ...),
            or, with ffmpeg on the PATH, any that ffmpeg finds audio in.
        start: seconds to leave out.
        duration: seconds to read; None for all.
        track: number of the audio track, from 0 up, where there are several, as in a
            MUSDB18 .stem.mp4.

    Returns:
        `AudioFile`.

    Raises:
        UserError: the file is absent, empty or not audio, has no such track, or
            nothing of it is left.
    """
    path = Path(path)
    refuse_what_is_no_file(path)
    given = (start,) if duration is None else (start, duration)
    if not all(isinstance(s, Real) and 0 <= s <= MOST_SECONDS for s in given) or duration == 0:
        raise UserError(f"start {start!r}, duration {duration!r}; give seconds from 0 up, not none")
    state = truncation.ogg_state(path)
    fault = COUNTS_LESS if holds_more(path) else None
    try:
        if track:
            raise RuntimeError("libsndfile reads no further tracks")
        rate, channels, samples, subtype, exact, is_cut = _by_libsndfile(path)
    except (OSError, RuntimeError, TypeError) as error:
        rate, channels = ffmpeg.probe(path, one_line(error), track)
        samples, subtype, is_cut = truncation.wavpack_samples(path), None, film_is_cut(path)
        exact = samples is not None
    check_shape(rate, channels, path)
    if state in truncation.OGG_FAULTS:
        raise UserError(f"{path} {truncation.OGG_FAULTS[state]}")
    first, left = round(start * rate), None
    stop = None if duration is None else first + max(1, round(duration * rate))
    if samples is not None:
        if exact and samples and first >= samples:
            raise UserError(f"{path} ends at {samples / rate:.2f} s, before --start {start:.10g}")
        left = max(0, min(samples, stop or samples) - first)
    fault = CUT_SHORT if is_cut or state == "cut" else fault
    file = AudioFile(path, rate, channels, left, subtype, first, stop, exact, fault, track)
    if fault and (stop is None or samples is not None and stop > samples):
        raise file.damaged(left, fault)
    return file


def refuse_what_is_no_file(path):
    """Refuse a `Path` at which no file with content can be read.

    Raises:
        UserError: says what is there instead.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file")
    if not os.access(path, os.R_OK):
        raise UserError(f"{path} cannot be read (no permission); change its rights")
    if path.is_dir():
        raise UserError(f"{path} is a folder; give an audio file")
    if not path.is_file():
        raise UserError(f"{path} is no ordinary file; give an audio file")
    if path.stat().st_size == 0:
        raise UserError(f"{path} is an empty file; give an audio file")


def _by_libsndfile(path):
    """(rate, channels, samples, subtype, exact, is_cut) of a file, as `AudioFile` has them.

    Raises:
        OSError, RuntimeError, TypeError: libsndfile does not read it, or reads it wrong.
    """
    info = soundfile.info(file_name(path))
    exact = info.subtype not in MP3_SUBTYPES or truncation.mp3_tells_length(path)
    if info.format == "RAW" and info.subtype == "ULAW":  # what libsndfile takes any .au for
        raise RuntimeError("it has no header")
    if not info.frames and path.stat().st_size > MOST_HEADER:
        raise RuntimeError("it says that it holds no samples")
    has_ffmpeg = shutil.which("ffmpeg") is not None
    state = truncation.flac_state(path) if info.format == "FLAC" else "whole"
    if state == "several":
        raise UserError(f"{path} holds several FLAC files, one behind the other; make one of them")
    if state == "later" and not has_ffmpeg:
        raise UserError(f"{path} was cut out of a longer flac as it was; install ffmpeg to read it")
    if state == "later":
        raise RuntimeError("it was cut out of a longer one")
    if info.frames >= 2**62 and not has_ffmpeg:
        raise UserError(f"{path} does not say how long it is; install ffmpeg to read it")
    if info.frames >= 2**62 or not exact and has_ffmpeg:
        raise RuntimeError("it does not say how long it is")
    is_cut = info.format != "OGG" and truncation.says_more(path, info)
    return info.samplerate, info.channels, info.frames, info.subtype, exact, is_cut


def as_audio(audio):
    """Audio that is given as an array.

    Args:
        audio: [samples] or [samples, channels] of floating point, full scale at 1.0, or
            what NumPy makes such an array of.

    Returns:
        the array, in float32 where it was float16.

    Raises:
        UserError: it is none, empty, not finite, far beyond full scale, or [channels, samples].
    """
    try:
        audio = np.asarray(audio)
    except ValueError:  # rows of several lengths
        audio = np.zeros(0)
    shaped = audio.dtype.kind == "f" and audio.ndim in (1, 2) and 0 not in audio.shape
    if audio.dtype == np.float16:
        audio = audio.astype(np.float32)
    if shaped and (np.abs(audio) <= LOUDEST).all():
        if audio.ndim == 2 and audio.shape[1] > MOST_CHANNELS >= len(audio):
            raise UserError("the audio is [channels, samples]; give [samples, channels], its .T")
        return audio
    if shaped and np.isfinite(audio).all():
        raise UserError(f"the audio holds samples that {TOO_LOUD}")
    advice = ""
    if audio.dtype in (np.int64, np.uint64):  # NumPy's choice, no recorder's
        advice = "; divide integers by their full scale, those of 16 bits by 32768"
    elif audio.dtype.kind in "iu":
        info = np.iinfo(audio.dtype)
        advice = f"; divide {audio.dtype} by {(info.max - info.min + 1) // 2}"
        if audio.dtype.kind == "u":
            advice += " and subtract 1"
    raise UserError(
        "audio must be an array [samples] or [samples, channels] of floating point, full "
        f"scale at 1.0, finite, not empty{advice}"
    )


def check_shape(sample_rate, channels, what):
    """Refuse rates and numbers of channels that no recording has: a damaged
    header, mostly, and audio that would not fit into memory.

    Raises:
        UserError: names what has them.
    """
    if not isinstance(sample_rate, Real) or isinstance(sample_rate, bool) or sample_rate % 1:
        raise UserError(f"{what} has a sample rate of {sample_rate!r}; it must be a number of Hz")
    if not RATES[0] <= sample_rate <= RATES[1]:
        raise UserError(
            f"{what} has a sample rate of {sample_rate} Hz; it must be {RATES[0]} to {RATES[1]}"
        )
    if not 1 <= channels <= MOST_CHANNELS:
        raise UserError(f"{what} has {channels} channels; it must be 1 to {MOST_CHANNELS}")


def read_audio(path, track=0):
    """Read a whole audio file; see `open_audio`.

    Returns:
        (audio, sample_rate): float32 array [samples, channels], full scale
        at 1.0, and the rate in Hz.
    """
    file = open_audio(path, track=track)
    return np.concatenate(list(file.blocks())).astype(np.float32, copy=False), file.sample_rate


def resample(audio, source_rate, target_rate):
    """Resample with soxr's high quality filter (linear phase, no delay).

    Args:
        audio: float32 or float64 array [samples] or [samples, channels].
        source_rate: Hz.
        target_rate: Hz.

    Returns:
        array of the same type with samples * target_rate / source_rate samples, rounded half up.
    """
    if source_rate == target_rate:
        return audio
    return soxr.resample(audio, source_rate, target_rate)
