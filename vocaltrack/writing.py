"""Audio out: samples to integers, whole files."""

import contextlib
import io

import numpy as np
import soundfile

from vocaltrack.channel_order import OGG_SUBTYPES, to_ogg
from vocaltrack.errors import UserError, one_line
from vocaltrack.files import temporaries_beside
from vocaltrack.formats import FLOAT_SUBTYPES, INTEGER_BITS, outgrows, too_large
from vocaltrack.signals import uninterrupted

WRITE_BLOCK = 65536


def to_integers(audio, bits):
    """Samples as integers of a format, rounded and clipped at full scale.

    libsndfile's own conversion scales by 32767 what it reads by 32768, so
    that two stems would not add up to their mixture.

    Args:
        audio: float array [samples, channels], full scale at 1.0.
        bits: of the format.

    Returns:
        int16 array for up to 16 bits, which libsndfile writes five times as fast, else
        int32; with the value in the upper bits.
    """
    if bits > 24:  # more digits than float32 has
        audio = audio.astype(np.float64)
    scale = audio.dtype.type(2 ** (bits - 1))
    values = audio * scale
    np.rint(values, out=values)
    np.clip(values, -scale, scale - 1, out=values)
    size = 16 if bits <= 16 else 32
    return values.astype(f"int{size}") << (size - bits)


class WatchedFile(io.FileIO):
    """A new file that takes whatever is written, and remembers the first error.

    libsndfile's encoders (FLAC, Ogg, MP3, ADPCM) pass over a full disk in
    silence; here it is not left to them.

    Args:
        path: the file.

    Attributes:
        error: the `OSError` that kept something from being written, or None.
    """

    def __init__(self, path):
        super().__init__(path, "w+")
        self.error = None

    def write(self, data):
        """Write all of the data, unless something failed before."""
        rest = memoryview(data)
        try:
            while self.error is None and len(rest):
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.error = error
        return len(data)


class AudioWriter:
    """Writes one file, block by block.

    Args:
        file: `soundfile.SoundFile` open for writing.
        watched: the `WatchedFile` that it writes to.
        target: the path that the user gave, for messages.
        gain: factor for all samples.

    Attributes:
        limited: whether the format ends at full scale. Lossy formats do not, but players do.
        peak: largest absolute value so far, after the gain.
        samples: number of samples so far.
    """

    def __init__(self, file, watched, target, gain):
        self.file, self.watched, self.target, self.gain = file, watched, target, gain
        self.bits = INTEGER_BITS.get(file.subtype)
        self.limited = file.subtype not in FLOAT_SUBTYPES
        self.peak = 0.0
        self.samples = 0

    @property
    def clips(self):
        """Whether what was written so far was cut off at full scale."""
        # Half a step of rounding is no clipping.
        return self.limited and self.peak >= 1.0 + 0.5 ** min(self.bits or 24, 24)

    def write(self, audio):
        """Append float [samples, channels].

        Raises:
            UserError: the file would outgrow its format, or cannot be written.
        """
        if self.gain != 1.0:
            audio = np.multiply(audio, self.gain, dtype=np.float64)
        self.peak = max(self.peak, float(audio.max(initial=0.0)), -float(audio.min(initial=0.0)))
        if self.bits is not None:
            audio = to_integers(audio, self.bits)
        elif self.limited:
            audio = np.clip(audio, -1.0, 1.0)
        if self.file.subtype in OGG_SUBTYPES:
            audio = to_ogg(audio)
        self.samples += len(audio)
        if outgrows(self.file.format, self.samples, self.file.channels, self.file.subtype):
            raise too_large(self.target, self.file.format)
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
def audio_writers(targets, sample_rate, channels, gain=1.0):
    """Write audio files, all of them whole or none.

    Args:
        targets: dict from a stem to (path, subtype, format), for which see
            `choose_subtype` and `container`.
        sample_rate: Hz.
        channels: number of channels.
        gain: factor for all samples.

    Yields:
        dict from the stem to its `AudioWriter`. The files take their places
        when the block ends without an error.

    Raises:
        UserError: a target cannot be written.
    """
    paths = [path for path, *_ in targets.values()]
    with temporaries_beside(paths) as temporaries, contextlib.ExitStack() as stack:
        writers = {}
        for (stem, (path, subtype, kind)), temporary in zip(targets.items(), temporaries):
            watched = stack.enter_context(WatchedFile(temporary))
            with _telling(path, watched):
                file = soundfile.SoundFile(
                    watched, "w", sample_rate, channels, subtype=subtype, format=kind
                )
                writer = AudioWriter(file, watched, path, gain)
                # Before the error of a full disk is raised: SoundFile must close first.
                writers[stem] = stack.enter_context(contextlib.closing(writer))
        yield writers
        for writer in writers.values():  # all, before the first takes its place
            writer.close()


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
