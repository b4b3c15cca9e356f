"""Audio in: any file as blocks of samples, and the changing of rates."""

import contextlib
import dataclasses
import math
import os
import shutil
from numbers import Real
from pathlib import Path

import numpy as np
import soundfile
import soxr

from vocaltrack import endings, ffmpeg
from vocaltrack.config import BLOCK
from vocaltrack.errors import UserError, one_line
from vocaltrack.files import file_name

MP3_SUBTYPES = ("MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III")
WIDE_SUBTYPES = ("PCM_32", "DOUBLE")  # hold more digits than float32
SEEKABLE_SUBTYPES = ("PCM", "FLOAT", "DOUBLE")
MP3_SLACK = 2 * 1152  # samples; encoders and decoders count a frame more or less
OPUS_SLACK = 0.02  # seconds: a packet, which encoders do not always fill
FINE = 1024  # samples; so exactly is told where a file is damaged
LONGEST = 1e9  # seconds
MOST_HEADER = 65536  # bytes; so much may precede no samples at all
LOUDEST = 1e12  # times full scale; beyond, the squares of a spectrum outgrow float32
RATES = (4000, 384000)  # Hz
MOST_CHANNELS = 64


@dataclasses.dataclass(frozen=True)
class AudioFile:
    """An audio file, or a cut of it, to be read in blocks.

    Attributes:
        path: the file.
        sample_rate: Hz.
        channels: number of channels.
        samples: length of the cut in samples; None where only decoding tells.
        subtype: sample format as libsndfile names it, e.g. PCM_16; None for a
            file that ffmpeg decodes.
        first: first sample of the cut.
        stop: sample after the cut's last; None for the file's end.
        exact: whether `samples` is known; else it is None, or a guess for an mp3.
    """

    path: Path
    sample_rate: int
    channels: int
    samples: int | None
    subtype: str | None
    first: int
    stop: int | None
    exact: bool

    def blocks(self):
        """Read the file from the start of the cut.

        Yields:
            float [at most 131072, channels], full scale at 1.0; float64 where
            the file holds more digits than float32 does, else float32.

        Raises:
            UserError: the file is damaged or shorter than it says, or holds
                values that are not finite numbers or beyond 1e12.
        """
        done = 0
        for block in self._decoded():
            good = (np.abs(block) <= LOUDEST).all(axis=1)
            if not good.all():
                bad = int(np.argmin(good))
                what = "are not finite numbers (NaN or infinity)"
                if np.isfinite(block[bad]).all():
                    what = f"exceed {LOUDEST:g} times full scale"
                raise UserError(
                    f"{self.path} holds samples that {what}, "
                    f"the first at {(self.first + done + bad) / self.sample_rate:.3f} s"
                )
            done += len(block)
            yield block
        if done == 0 and self.first:
            raise UserError(f"{self.path} ends before --start {self.first / self.sample_rate:.10g}")
        if done == 0:
            raise UserError(f"{self.path} holds no samples")
        slack = OPUS_SLACK * self.sample_rate if self.subtype == "OPUS" else 1
        slack = MP3_SLACK + 1 if self.subtype in MP3_SUBTYPES else slack
        if self.exact and done <= self.samples - slack:
            raise self._damaged(done, "it is cut short")
        wanted = math.inf if self.stop is None else self.stop - self.first
        if not self.exact and self.subtype and self.samples <= done < wanted:
            # libsndfile stops where it guesses the end to be.
            raise UserError(
                f"{self.path} does not say how long it is; install ffmpeg to read it whole"
            )

    def _decoded(self):
        if self.subtype is None:
            try:
                yield from _cut(ffmpeg.decode(self.path), self.first, self.stop)
            except ffmpeg.Stumbled as error:
                raise self._damaged(error.done - self.first, error.why) from error
            return
        # libsndfile misses the place near the end of Ogg files when it seeks.
        if self.first and not self.subtype.startswith(SEEKABLE_SUBTYPES):
            yield from _cut(self._read(0), self.first, self.stop)
        else:
            yield from self._read(self.first)

    def _read(self, first):
        """The file's blocks from its sample `first`, through libsndfile."""
        dtype = "float64" if self.subtype in WIDE_SUBTYPES else "float32"
        done, wanted = 0, np.inf if self.stop is None else self.stop - first
        try:
            with soundfile.SoundFile(file_name(self.path)) as file:
                if first:
                    file.seek(first)
                while done < wanted:
                    size = int(min(BLOCK, wanted - done))
                    block = file.read(size, dtype=dtype, always_2d=True)
                    if not len(block):
                        return
                    done += len(block)
                    yield block
        except (OSError, RuntimeError, ValueError) as error:
            good = self._good_until(first + done)
            raise self._damaged(good - self.first, one_line(error)) from error

    def _good_until(self, sample):
        """Where decoding fails, in finer steps than blocks, of which a failing one is lost."""
        with (
            contextlib.suppress(OSError, RuntimeError, ValueError),
            soundfile.SoundFile(file_name(self.path)) as file,
        ):
            file.seek(sample)
            while size := len(file.read(FINE)):
                sample += size
        return sample

    def _damaged(self, done, why):
        if done is None:
            return UserError(f"{self.path} is damaged ({why}); give a whole file")
        good = max(0, math.floor(100 * done / self.sample_rate) / 100)
        cut = f"; --duration {good:.2f} takes what comes before" if good else ""
        at = (self.first + done) / self.sample_rate
        return UserError(f"{self.path} is damaged after {at:.2f} s ({why}){cut}")


def open_audio(path, start=0.0, duration=None):
    """Look at an audio file and choose a cut of it; nothing is decoded yet.

    Args:
        path: any file that libsndfile reads (wav, flac, ogg, opus, mp3, ...),
            or, with ffmpeg on the PATH, any that ffmpeg finds audio in.
        start: seconds to leave out.
        duration: seconds to read; None for all.

    Returns:
        `AudioFile`.

    Raises:
        UserError: the file is absent, empty or not audio, or nothing of it is
            left.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path}: no such file")
    if path.is_dir():
        raise UserError(f"{path} is a folder; give an audio file")
    if not path.is_file():
        raise UserError(f"{path} is no ordinary file; give an audio file")
    if not os.access(path, os.R_OK):
        raise UserError(f"{path} cannot be read (no permission); change its rights")
    if path.stat().st_size == 0:
        raise UserError(f"{path} is an empty file; give an audio file")
    given = (start,) if duration is None else (start, duration)
    if not all(isinstance(s, Real) and 0 <= s <= LONGEST for s in given) or duration == 0:
        raise UserError(f"start {start!r}, duration {duration!r}; give seconds from 0 up, not none")
    state = left = None
    try:
        state = endings.ogg_state(path)
        info = soundfile.info(file_name(path))
        rate, channels, samples, subtype = info.samplerate, info.channels, info.frames, info.subtype
        exact = subtype not in MP3_SUBTYPES or endings.mp3_tells_length(path)
        if info.format == "RAW" and subtype == "ULAW":  # what libsndfile takes any .au for
            raise RuntimeError("it has no header")
        if info.format != "OGG" and endings.says_more(path, info):
            state = "cut"
        if not samples and path.stat().st_size > MOST_HEADER:
            raise RuntimeError("it says that it holds no samples")
        if samples >= 2**62 or (not exact and shutil.which("ffmpeg")):
            raise RuntimeError("it does not say how long it is")
    except (OSError, RuntimeError, TypeError) as error:
        rate, channels = ffmpeg.probe(path, one_line(error))
        samples, subtype, exact = None, None, False
        state = "cut" if endings.film_is_cut(path) else state
    check_shape(rate, channels, path)
    if state in endings.OGG_FAULTS:
        raise UserError(f"{path} {endings.OGG_FAULTS[state]}")
    first = round(start * rate)
    stop = None if duration is None else first + max(1, round(duration * rate))
    if samples is not None:
        if samples and first >= samples:
            raise UserError(f"{path} ends at {samples / rate:.2f} s, before --start {start:.10g}")
        left = min(samples, stop or samples) - first
    file = AudioFile(path, rate, channels, left, subtype, first, stop, exact)
    if state == "cut" and (stop is None or samples is None or stop > samples):
        raise file._damaged(left, "it is cut short")
    return file


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


def read_audio(path):
    """Read a whole audio file; see `open_audio`.

    Returns:
        (audio, sample_rate): float32 array [samples, channels], full scale
        at 1.0, and the rate in Hz.
    """
    file = open_audio(path)
    return np.concatenate(list(file.blocks())).astype(np.float32, copy=False), file.sample_rate


def _cut(blocks, first, stop):
    """The blocks' samples from `first` to `stop` (None: the end)."""
    position = 0
    for block in blocks:
        end = None if stop is None else max(0, stop - position)
        piece = block[max(0, first - position) : end]
        position += len(block)
        if len(piece):
            yield piece
        if stop is not None and position >= stop:
            return


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
