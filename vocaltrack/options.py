"""The options of each command, as functions that add them to a parser."""

import argparse
import math
import os

from vocaltrack.config import (
    CLIPS,
    DECAYS,
    FILENAME,
    MODEL_NAMES,
    MOST_OVERLAP,
    OPTIMIZERS,
    OVERLAP,
    PRECISIONS,
    PRESETS,
)

DATASETS = {
    "mir1k": "MIR-1K: the folder that holds Wavfile/",
    "dsd100": "DSD100: the folder that holds Sources/",
    "musdb": "MUSDB18 (needs ffmpeg) or MUSDB18-HQ: the folder that holds train/ and test/",
    "stems": "plain stems: [<split>/]<song>/{vocals,accompaniment}.<ext>, either may be absent; "
    "each folder counts as a singer of its own",
}


def _number(kind, low, high=math.inf):
    """An argparse type: a number from `low` to `high`."""

    def number(text):
        value = kind(text)
        if not (low <= value <= high and value < math.inf):
            upper = f" to {high}" if math.isfinite(high) else " up"
            raise argparse.ArgumentTypeError(f"{text} is not a number from {low}{upper}")
        return value

    number.__name__ = "whole number" if kind is int else "number"
    return number


COUNT = _number(int, 1)
_SEED = _number(int, 0, 2**32 - 1)
_SHARE = _number(float, 0.0, 1.0)
_SECONDS = _number(float, 0.0, 1e9)
_LENGTH = _number(float, 0.001, 1e9)


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
        "--model", default="uhnet", help=f"{', '.join(MODEL_NAMES)}, or the folder of a SavedModel"
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
    parser.add_argument(
        "--stem", choices=("vocals", "accompaniment"), help="with -o: write this one alone"
    )
    parser.add_argument(
        "--start", type=_SECONDS, default=0, metavar="SECONDS", help="where to begin"
    )
    parser.add_argument(
        "--duration", type=_LENGTH, metavar="SECONDS", help="how much to take; default: all"
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
        choices=("head", "clusters"),
        help="of hdc: its mask head (default), or k-means of its embeddings, as for dc",
    )
    parser.add_argument(
        "--swap", action="store_true", help="clusters: take the other cluster as the vocals"
    )
    parser.add_argument(
        "--phase",
        choices=("mixture", "griffinlim"),
        default="mixture",
        help="mixture: the mask is a gain on the complex mixture; griffinlim: the paper's way, "
        "with far lower fidelity (SDR near -3 dB)",
    )
    parser.add_argument(
        "--overlap",
        type=_number(float, 0.0, MOST_OVERLAP),
        default=OVERLAP,
        help="share of a chunk that the next one covers too: more is better and slower",
    )
    parser.add_argument(
        "--jobs", type=COUNT, metavar="CORES", help="cores of the networks; default: all"
    )
    loudness = parser.add_mutually_exclusive_group()
    loudness.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")
    loudness.add_argument(
        "-v", "--verbose", action="store_true", help="say times and speeds, and let TensorFlow talk"
    )


def _add_datasets(parser):
    for name, text in DATASETS.items():
        parser.add_argument(
            f"--{name}", action="append", default=[], metavar="DIR", help=text + "; may be repeated"
        )


def add_evaluate(parser):
    """Options of `evaluate`."""
    _add_datasets(parser)
    parser.add_argument(
        "--model",
        action="append",
        required=True,
        help="name or folder of a SavedModel, hdc:clusters for its k-means; may be repeated",
    )
    parser.add_argument(
        "--split", default="valid", choices=("train", "valid", "test"), help="whose songs to score"
    )
    parser.add_argument("--json", metavar="FILE", help="write the whole report to this file")


def add_prepare(parser):
    """Options of `prepare`."""
    _add_datasets(parser)
    parser.add_argument(
        "-o", "--output", required=True, metavar="DIR", help="folder of the records"
    )
    parser.add_argument("--train-chunks", type=COUNT, default=64000, help="chunks to mix, 1 s each")
    parser.add_argument("--valid-chunks", type=COUNT, default=2048, help="chunks to validate on")
    parser.add_argument(
        "--n-fft",
        type=int,
        choices=(512, 1024, 2048),
        default=1024,
        help="STFT frame length, samples",
    )
    parser.add_argument("--seed", type=_SEED, default=0, help="same seed, same bytes")
    parser.add_argument("--jobs", type=COUNT, default=os.cpu_count(), help="processes at once")


def _add_training(parser, models):
    parser.add_argument("--model", choices=models, default=models[-1], help="what to train")
    parser.add_argument(
        "--records", required=True, metavar="DIR", help="what prepare_data.py wrote"
    )
    parser.add_argument(
        "--run", required=True, metavar="DIR", help="folder of the run; an interrupted run goes on"
    )
    parser.add_argument(
        "--preset", choices=tuple(PRESETS), default="compact", help="size of the network"
    )
    parser.add_argument(
        "--optimizer", choices=OPTIMIZERS, default="rmsprop", help="rmsprop is the paper's"
    )
    parser.add_argument(
        "--learning-rate",
        type=_number(float, 1e-9, 1.0),
        default=1e-3,
        help="at the start, or after the warm-up",
    )
    parser.add_argument(
        "--decay",
        choices=DECAYS,
        default="plateau",
        help="plateau: halve the rate when the validation loss stalls for 3 epochs; cosine: warm "
        "up over 200 steps, then fall to zero at the last epoch",
    )
    parser.add_argument(
        "--batch-size", type=_number(int, 1, 4096), default=32, help="chunks a step"
    )
    parser.add_argument(
        "--dropout", type=_number(float, 0.0, 0.95), default=0.5, help="share of values dropped"
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="mixed_bfloat16 trains U-nets faster where the processor has AMX or is a Zen 4",
    )
    parser.add_argument("--epochs", type=COUNT, default=50, help="in all, earlier ones included")
    parser.add_argument(
        "--steps-per-epoch", type=COUNT, default=250, help="steps between validations"
    )
    parser.add_argument(
        "--patience", type=COUNT, default=10, help="epochs without improvement until it stops"
    )
    parser.add_argument("--seed", type=_SEED, default=0, help="of weights, dropout and shuffling")
    parser.add_argument(
        "--power-exponent",
        type=_SHARE,
        default=0.25,
        help="weigh the mask loss by the mixture's mel power to this; 0 is the paper's plain BCE",
    )


def add_train_clustering(parser):
    """Options of `train-clustering`."""
    _add_training(parser, ("dc", "hdc"))
    parser.add_argument(
        "--initial", metavar="RUN", help="run to start from, of a dc; for an hdc also an hdc's"
    )
    parser.add_argument(
        "--embedding-weight",
        type=_SHARE,
        default=0.5,
        help="hdc: share of the clustering loss in the joint loss; the mask loss has the rest",
    )
    parser.add_argument(
        "--target-columns",
        type=int,
        choices=(1, 2),
        default=2,
        help="columns of the clustering target; 1 is the paper's, which scatters the accompaniment",
    )


def add_train_unet(parser):
    """Options of `train-unet`."""
    _add_training(parser, ("unet", "uhnet"))
    parser.add_argument(
        "--clustering",
        metavar="RUN",
        help="uhnet: run of the hdc whose masks it takes; needed unless --initial has one inside",
    )
    parser.add_argument(
        "--clustering-dropout",
        type=_number(float, 0.0, 0.95),
        default=0.0,
        help="uhnet: share of values dropped in the hdc while the uhnet learns, so that it does "
        "not rely on masks that are better in training than elsewhere",
    )
    parser.add_argument(
        "--fine-tune",
        action="store_true",
        help="uhnet: the hdc goes on learning inside it; the paper's is frozen",
    )
    parser.add_argument(
        "--initial", metavar="RUN", help="run to start from, of a unet; for a uhnet also a uhnet's"
    )


def add_export(parser):
    """Options of `export`."""
    parser.add_argument("run", help="folder of a run")
    parser.add_argument("output", help="folder of the SavedModel; one that is there is replaced")
    parser.add_argument(
        "--last",
        action="store_true",
        help="take the weights of the last epoch, not those with the lowest validation loss; for "
        "a cosine that has come to its end",
    )
