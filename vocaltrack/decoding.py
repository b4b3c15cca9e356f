"""The samples of an audio file, block by block, and what is wrong with them."""

import contextlib
import dataclasses
import math
from pathlib import Path

import numpy as np
import soundfile

from vocaltrack import ffmpeg
from vocaltrack.channel_order import from_ogg, is_vorbis_order
from vocaltrack.config import BLOCK
from vocaltrack.errors import UserError, one_line
from vocaltrack.files import file_name

MP3_SUBTYPES = ("MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III")
WIDE_SUBTYPES = ("PCM_32", "DOUBLE")  # hold more digits than float32
SEEKABLE_SUBTYPES = ("PCM", "FLOAT", "DOUBLE")
MP3_SLACK = 2 * 1152  # samples; encoders and decoders count a frame more or less
OPUS_SLACK = 0.02  # seconds: a packet, which encoders do not always fill
FINE = 1024  # samples; so exactly is told where a file is damaged
CUT_SHORT = "it is cut short"
COUNTS_LESS = "its header counts no more, but more follows"
LOUDEST = 1000.0  # times full scale; louder than that are integers, in which no voice is found
TOO_LOUD = f"exceed {LOUDEST:g} times full scale (integers? divide those of 16 bits by 32768)"


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
        fault: why the file is known not to be read to its end; None where it may be.
        track: number of the audio track that ffmpeg decodes.
    """

    path: Path
    sample_rate: int
    channels: int
    samples: int | None
    subtype: str | None
    first: int
    stop: int | None
    exact: bool
    fault: str | None
    track: int

    def blocks(self):
        """Read the file from the start of the cut.

        Yields:
            float [at most 131072, channels], full scale at 1.0; float64 where
            the file holds more digits than float32 does, else float32.

        Raises:
            UserError: the file is damaged or shorter than it says, or holds
                values that are not finite numbers or beyond `LOUDEST`.
        """
        done = 0
        for block in self._decoded():
            good = (np.abs(block) <= LOUDEST).all(axis=1)
            if not good.all():
                bad = int(np.argmin(good))
                what = "are not finite numbers (NaN or infinity)"
                if np.isfinite(block[bad]).all():
                    what = TOO_LOUD
                raise UserError(
                    f"{self.path} holds samples that {what}, "
                    f"the first at {(self.first + done + bad) / self.sample_rate:.3f} s"
                )
            done += len(block)
            yield block
        wanted = math.inf if self.stop is None else self.stop - self.first
        if not self.exact and self.subtype and self.samples <= done < wanted:
            # libsndfile stops where it guesses the end to be.
            raise UserError(
                f"{self.path} does not say how long it is; install ffmpeg to read it whole"
            )
        if done == 0 and self.first:
            raise UserError(f"{self.path} ends before --start {self.first / self.sample_rate:.10g}")
        if done == 0:
            raise UserError(f"{self.path} holds no samples")
        if self.fault and done < wanted:
            raise self.damaged(done, self.fault)
        slack = OPUS_SLACK * self.sample_rate if self.subtype == "OPUS" else 1
        slack = MP3_SLACK + 1 if self.subtype in MP3_SUBTYPES else slack
        if self.exact and done <= self.samples - slack:
            raise self.damaged(done, CUT_SHORT)

    def _decoded(self):
        if self.subtype is None:
            try:
                yield from _cut(ffmpeg.decode(self.path, self.track), self.first, self.stop)
            except ffmpeg.Stumbled as error:
                raise self.damaged(error.done - self.first, error.why) from error
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
            is_ogg_order = is_vorbis_order(self.path, self.subtype)
            with soundfile.SoundFile(file_name(self.path)) as file:
                if first:
                    file.seek(first)
                while done < wanted:
                    size = int(min(BLOCK, wanted - done))
                    block = file.read(size, dtype=dtype, always_2d=True)
                    if not len(block):
                        return
                    done += len(block)
                    yield from_ogg(block) if is_ogg_order else block
        except (OSError, RuntimeError, ValueError) as error:
            good = self._good_until(first + done)
            raise self.damaged(good - self.first, one_line(error)) from error

    def _good_until(self, sample):
        """Where decoding fails, in finer steps than blocks, of which a failing one is lost."""
        good = None
        with (
            contextlib.suppress(OSError, RuntimeError, ValueError),
            soundfile.SoundFile(file_name(self.path)) as file,
        ):
            good = file.seek(sample)
            while size := len(file.read(FINE)):
                good += size
        if good is None and sample:  # no place is found behind the damage
            return self._good_until(0)
        return good or 0

    def damaged(self, done, why):
        """The error for a file whose samples end after `done` of the cut's (None: nobody
        knows where)."""
        if done is None:
            return UserError(
                f"{self.path} is damaged ({why}); give a whole file, or take a part with --duration"
            )
        good = max(0, math.floor(100 * done / self.sample_rate) / 100)
        cut = f"; --duration {good:.2f} takes what comes before" if good else ""
        at = (self.first + done) / self.sample_rate
        return UserError(f"{self.path} is damaged after {at:.2f} s ({why}){cut}")


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
