"""One audio file to the files of its stems, whole or not at all."""

import contextlib
import dataclasses
import math
from pathlib import Path

import numpy as np

from vocaltrack import ffmpeg
from vocaltrack.config import CLIPS, check_choice
from vocaltrack.errors import UserError, number_of
from vocaltrack.files import real_path
from vocaltrack.formats import (
    FLOAT_SUBTYPES,
    check_holds_float,
    check_target,
    choose_subtype,
    container,
)
from vocaltrack.pipes import ahead
from vocaltrack.writing import audio_writers

KEPT_BYTES = 64_000_000  # of masks: a quarter of an hour of them


@dataclasses.dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        seconds: length of the audio.
        gain: factor of every sample in the files, 1 unless they were rescaled.
        clipped: paths in which samples were cut off at full scale.
        silent: whether no vocals were found in a mixture that is not silent.
    """

    seconds: float
    gain: float
    clipped: tuple
    silent: bool


class _TooLoud(Exception):
    """What was written exceeds full scale.

    Attributes:
        peak: largest absolute value.
        masks: those that were applied; None for a long file, of which none are kept.
    """

    def __init__(self, peak, masks):
        super().__init__(peak)
        self.peak, self.masks = peak, masks


class _Masks:
    """Keeps the masks of a file, unless they are too many to be held in memory."""

    def __init__(self):
        self.kept, self.bytes = [], 0

    def add(self, mask):
        self.bytes += mask.nbytes
        if self.bytes > KEPT_BYTES:
            self.kept = None
        elif len(mask):
            self.kept.append(mask)


def separate_file(separator, file, targets, clip="rescale", progress=None):
    """Separate an audio file into files, in bounded memory.

    Args:
        separator: `Separator`.
        file: `AudioFile`.
        targets: what `plan_targets` returns.
        clip: see `Separator.separate_file`.
        progress: called with the seconds written, now and then, in the caller's thread; from
            the start again where stems that are too loud are written once more.

    Returns:
        `Written`.

    Raises:
        UserError: the file cannot be read, a target not be written, or there is too little
            memory; none is left behind then.
    """
    gain, masks = 1.0, None
    while True:
        try:
            return _write(separator, file, targets, gain, clip, progress, masks)
        except _TooLoud as error:
            # Once more, since the stems of a long file are not kept: with room for rounding.
            # Griffin-Lim makes more of that than there is room for, and asks for a third.
            gain *= (1.0 - 1e-6) / error.peak
            masks = error.masks
        except MemoryError as error:
            raise UserError(
                f"{file.path}: too little memory for {number_of(file.channels, 'channel')} at "
                f"{file.sample_rate} Hz; end other programs, or give fewer channels"
            ) from error


def plan_targets(file, paths, subtype=None, clip="rescale"):
    """Check what is to be written before any work is done.

    Args:
        file: `AudioFile` to separate.
        paths: dict from "vocals" and "accompaniment" to the files to write.
        subtype, clip: see `Separator.separate_file`.

    Returns:
        dict from stem to (path, subtype, format).

    Raises:
        UserError: a target cannot be written, two files are the same, or
            `clip` and `subtype` contradict each other.
    """
    check_choice("clip", clip, CLIPS)
    subtype = None if subtype is None else str(subtype).upper()
    check_agreement(clip, subtype)
    described = None if file.subtype else ffmpeg.describe(file.path)
    source = file.subtype or described.subtype
    # A guess chooses the format; only what is known is a reason to refuse.
    samples = file.samples or _likely_samples(file, described and described.seconds)
    seen = {real_path(file.path)}
    targets = {}
    for stem, path in paths.items():
        if Path(path).is_dir():
            raise UserError(
                f"{Path(path)} is a folder; give the file to write, or the folder with -o"
            )
        if real_path(path) in seen:
            raise UserError(f"{path} is named twice; input and outputs must be different files")
        seen.add(real_path(path))
        chosen = choose_subtype(path, subtype, source)
        if clip == "float" and chosen not in FLOAT_SUBTYPES:
            check_holds_float(path)
            chosen = "FLOAT"
        check_target(path, file.sample_rate, file.channels, chosen, file.samples)
        targets[stem] = (path, chosen, container(path, file.channels, chosen, samples))
    return targets


def _likely_samples(file, seconds):
    """Length of a file's cut, by what the header tells of the whole (None: nothing)."""
    ends = [file.stop, seconds and math.ceil(seconds * file.sample_rate)]
    ends = [end for end in ends if end]
    return max(0, min(ends) - file.first) if ends else None


def check_agreement(clip, subtype):
    """Refuse another sample format where floating point is asked for.

    Raises:
        UserError: it is one.
    """
    if clip == "float" and subtype and subtype not in FLOAT_SUBTYPES:
        raise UserError(f"--clip float writes floating point, not {subtype}; leave one out")


def _difference(mixture, vocals):
    """The accompaniment; in float32 it would lack the last bits of PCM_32."""
    return np.subtract(mixture, vocals, dtype=np.float64)


def _write(separator, file, targets, gain, clip, progress, masks):
    sounds, found, done, applied = False, False, 0, _Masks()
    stream = separator.stream(file.blocks, file.sample_rate, file.channels, masks)
    with (
        audio_writers(targets, file.sample_rate, file.channels, gain) as writers,
        contextlib.closing(ahead(stream)) as blocks,
    ):
        may_be_too_loud = clip == "rescale" and any(w.limited for w in writers.values())
        for mixture, vocals, mask in blocks:
            if may_be_too_loud:
                applied.add(mask)
            sounds, found = sounds or mixture.any(), found or vocals.any()
            for stem, writer in writers.items():
                writer.write(vocals if stem == "vocals" else _difference(mixture, vocals))
            done += len(mixture)
            if progress is not None and len(mixture):
                progress(done / file.sample_rate)
        peaks = [writer.peak for writer in writers.values() if writer.clips]
        if peaks and clip == "rescale":
            raise _TooLoud(max(peaks), applied.kept)
    clipped = tuple(str(writer.target) for writer in writers.values() if writer.clips)
    return Written(done / file.sample_rate, gain, clipped, bool(sounds and not found))
