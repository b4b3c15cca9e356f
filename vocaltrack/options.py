"""The options of each command but those that train, as functions that add them to a parser."""

import argparse
import os
import re

from vocaltrack.config import (
    CLIPS,
    FILENAME,
    METHODS,
    MODEL_NAMES,
    MOST_OVERLAP,
    MOST_SECONDS,
    OVERLAP,
    PHASES,
    SPLITS,
    STEM_NAMES,
    VALID_CHUNKS,
)

_CLOCK = r"(\d+:[0-5]\d|\d+):[0-5]\d(\.\d*)?"
DATASETS = {
    "mir1k": "MIR-1K: the folder that holds Wavfile/",
    "dsd100": "DSD100: the folder that holds Sources/",
    "musdb": "MUSDB18 (needs ffmpeg) or MUSDB18-HQ: the folder that holds train/ and test/",
    "stems": "plain stems: [<split>/]<song>/{vocals,accompaniment}.<ext>, either may be absent; "
    "each folder counts as a singer of its own",
}


def number(kind, low, high):
    """An argparse type: a number from `low` to `high`."""

    def parse(text):
        value = kind(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not a number from {low} to {high}")
        return value

    parse.__name__ = "whole number" if kind is int else "number"
    return parse


def named(what):
    """An argparse type: what has a name, which an unset variable of a script does not give."""

    def parse(text):
        if not text:
            raise argparse.ArgumentTypeError(f"a {what} without a name")
        return text

    return parse


FILE, FOLDER, MODEL = (named(what) for what in ("file", "folder", "model"))


def seconds(low):
    """An argparse type: a time of at least `low` seconds, as seconds, m:ss or h:mm:ss."""

    def parse(text):
        value = 0.0
        try:
            for part in text.split(":") if re.fullmatch(_CLOCK, text) else [text]:
                value = 60.0 * value + float(part)
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"{text} is no time in seconds, m:ss or h:mm:ss (mm and ss up to 59)"
            ) from None
        if not low <= value <= MOST_SECONDS:
            raise argparse.ArgumentTypeError(f"{text} is not from {low:g} to {MOST_SECONDS:g} s")
        return value

    return parse


COUNT = number(int, 1, 10**9)
SEED = number(int, 0, 2**32 - 1)


def add_separate(parser):
    """Options of `separate`."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="file",
        help="the input and the output for its vocals; or, with -o, any number of inputs and "
        "folders of them: wav, flac, ogg, opus, mp3, ..., with ffmpeg also m4a, mp4, wma, video",
    )
    parser.add_argument(
        "--model",
        type=MODEL,
        default="uhnet",
        help=f"{', '.join(MODEL_NAMES)}, or the folder of a SavedModel",
    )
    parser.add_argument("--accompaniment", metavar="FILE", help="write the input minus the vocals")
    parser.add_argument("-o", "--output", metavar="DIR", help="write both stems of each input here")
    parser.add_argument(
        "--filename",
        default=FILENAME,
        metavar="PATTERN",
        help="files inside of -o: {track} is the input's name, {stem} vocals or accompaniment, "
        "{ext} the input's ending, or wav",
    )
    parser.add_argument("--stem", choices=STEM_NAMES, help="with -o: write this one alone")
    parser.add_argument(
        "--start",
        type=seconds(0),
        default=0,
        metavar="TIME",
        help="where to begin: seconds, m:ss or h:mm:ss",
    )
    parser.add_argument(
        "--duration", type=seconds(0.001), metavar="TIME", help="how much to take; default: all"
    )
    parser.add_argument(
        "--subtype",
        type=str.upper,
        help="sample format, e.g. PCM_16, PCM_24, FLOAT; default: the input's",
    )
    parser.add_argument(
        "--clip",
        choices=CLIPS,
        default="rescale",
        help="output beyond full scale: make all of it quieter, cut the peaks off, or write floats",
    )
    parser.add_argument(
        "--method",
        choices=METHODS,
        help="of hdc: its mask head (default), or k-means of its embeddings, as for dc",
    )
    parser.add_argument(
        "--swap", action="store_true", help="clusters: take the other cluster as the vocals"
    )
    parser.add_argument(
        "--phase",
        choices=PHASES,
        default="mixture",
        help="mixture: the mask is a gain on the complex mixture; griffinlim: the paper's way, "
        "with far lower fidelity (SDR near -3 dB)",
    )
    parser.add_argument(
        "--overlap",
        type=number(float, 0.0, MOST_OVERLAP),
        default=OVERLAP,
        help="share of a chunk that the next one covers too: more is better and slower",
    )
    parser.add_argument(
        "--jobs", type=COUNT, metavar="CORES", help="cores of the networks; default: all"
    )
    loudness = parser.add_mutually_exclusive_group()
    loudness.add_argument(
        "-q", "--quiet", action="store_true", help="say nothing but errors and warnings"
    )
    loudness.add_argument(
        "-v", "--verbose", action="store_true", help="say times and speeds, and let TensorFlow talk"
    )


def _add_datasets(parser):
    for name, text in DATASETS.items():
        parser.add_argument(
            f"--{name}",
            type=FOLDER,
            action="append",
            default=[],
            metavar="DIR",
            help=text + "; may be repeated",
        )


def add_evaluate(parser):
    """Options of `evaluate`."""
    _add_datasets(parser)
    parser.add_argument(
        "--model",
        type=MODEL,
        action="append",
        required=True,
        help="name or folder of a SavedModel, hdc:clusters for its k-means; may be repeated",
    )
    parser.add_argument("--split", default="valid", choices=SPLITS, help="whose songs to score")
    parser.add_argument(
        "--native",
        action="store_true",
        help="score at the songs' own rates and channels, as the tables on MUSDB18 do, and not "
        "the mean of the channels at 16 kHz",
    )
    parser.add_argument(
        "--json", type=FILE, metavar="FILE", help="write the whole report to this file"
    )


def add_prepare(parser):
    """Options of `prepare`."""
    _add_datasets(parser)
    parser.add_argument(
        "-o", "--output", type=FOLDER, required=True, metavar="DIR", help="folder of the records"
    )
    parser.add_argument("--train-chunks", type=COUNT, default=64000, help="chunks to mix, 1 s each")
    parser.add_argument(
        "--valid-chunks",
        type=COUNT,
        help="chunks to validate on; default: a quarter of --train-chunks, but no more than "
        f"{VALID_CHUNKS}",
    )
    parser.add_argument(
        "--n-fft",
        type=int,
        choices=(512, 1024, 2048),
        default=1024,
        help="STFT frame length, samples",
    )
    parser.add_argument("--seed", type=SEED, default=0, help="same seed, same bytes")
    parser.add_argument("--jobs", type=COUNT, default=os.cpu_count(), help="processes at once")


def add_export(parser):
    """Options of `export`."""
    parser.add_argument("run", type=FOLDER, help="folder of a run")
    parser.add_argument(
        "output", type=FOLDER, help="folder of the SavedModel; one that is there is replaced"
    )
    parser.add_argument(
        "--last",
        action="store_true",
        help="take the weights of the last epoch, not those with the lowest validation loss; for "
        "a cosine that has come to its end",
    )
