"""The songs that are measured, where they are loudest, and how scores over them are told."""

import numpy as np

from vocaltrack.augmentation import rms
from vocaltrack.datasets import read_mir1k, read_stems

RATE = 16000


def add_datasets(parser):
    """Add the options that name the folders of the datasets."""
    parser.add_argument("--mir1k", required=True, help="folder of MIR-1K")
    parser.add_argument("--stems", required=True, help="folder of plain stems")


def row(*cells):
    """Print a line of a table."""
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def median_and_mean(values):
    """A cell of a table."""
    return f"{np.median(values):.2f} ({np.mean(values):.2f})"


def median_and_worst(levels):
    """A cell of a table: what comes out of music without vocals, in dB."""
    return f"{np.median(levels):.1f} ({np.max(levels):.1f})"


def validation_songs(mir1k, stems):
    """List of the `Song`s of the split valid in MIR-1K's folder and that of the stems."""
    return [song for song in read_mir1k(mir1k) + read_stems(stems) if song.split == "valid"]


def loudest(audio, seconds):
    """The loudest stretch of a stem, sought second by second.

    Args:
        audio: float32 [samples], 16 kHz.
        seconds: length of the stretch.

    Returns:
        slice; of the whole stem when it is shorter.
    """
    samples = seconds * RATE
    starts = range(0, max(1, len(audio) - samples + 1), RATE)
    first = max(starts, key=lambda start: rms(audio[start : start + samples]))
    return slice(first, first + samples)
