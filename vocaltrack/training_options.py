"""The options of the commands that train, as functions that add them to a parser."""

from vocaltrack.config import (
    CLUSTERING_MODELS,
    DECAYS,
    OPTIMIZERS,
    PRECISIONS,
    PRESETS,
    UNETS,
    TrainingConfig,
    UnetConfig,
)
from vocaltrack.options import COUNT, FOLDER, SEED, number

DEFAULTS, NETWORK_DEFAULTS = TrainingConfig("unet"), UnetConfig()
_SHARE = number(float, 0.0, 1.0)
_DROPOUT = number(float, 0.0, 0.95)


def _add_training(parser, models):
    parser.add_argument("--model", choices=models, default=models[-1], help="what to train")
    parser.add_argument(
        "--records", type=FOLDER, required=True, metavar="DIR", help="what vocaltrack prepare wrote"
    )
    parser.add_argument(
        "--run",
        type=FOLDER,
        required=True,
        metavar="DIR",
        help="folder of the run; an interrupted run goes on",
    )
    parser.add_argument(
        "--initial",
        type=FOLDER,
        metavar="RUN",
        help=f"run to start from, of the same model; {models[1]} may start from {models[0]} too; "
        "a run that goes on does without",
    )
    parser.add_argument(
        "--preset", choices=tuple(PRESETS), default="compact", help="size of the network"
    )
    parser.add_argument(
        "--optimizer", choices=OPTIMIZERS, default=DEFAULTS.optimizer, help="rmsprop is the paper's"
    )
    parser.add_argument(
        "--learning-rate",
        type=number(float, 1e-9, 1.0),
        default=DEFAULTS.learning_rate,
        help="at the start, or after the warm-up",
    )
    parser.add_argument(
        "--decay",
        choices=DECAYS,
        default=DEFAULTS.decay,
        help="plateau: halve the rate when the validation loss stalls for 3 epochs; cosine: warm "
        "up over 200 steps (or a tenth of all, where that is fewer), then fall to zero at the last",
    )
    parser.add_argument(
        "--batch-size", type=number(int, 1, 4096), default=DEFAULTS.batch_size, help="chunks a step"
    )
    parser.add_argument(
        "--dropout", type=_DROPOUT, default=NETWORK_DEFAULTS.dropout, help="share of values dropped"
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=DEFAULTS.precision,
        help="mixed_bfloat16 trains U-nets faster on AMX and on AMD's processors from Zen 4 on",
    )
    parser.add_argument(
        "--epochs",
        type=COUNT,
        default=DEFAULTS.epochs,
        help="in all, earlier ones included; a cosine is planned for them, so its run keeps them",
    )
    parser.add_argument(
        "--steps-per-epoch",
        type=COUNT,
        default=DEFAULTS.steps_per_epoch,
        help="steps between validations",
    )
    parser.add_argument(
        "--patience",
        type=COUNT,
        default=DEFAULTS.patience,
        help="epochs without improvement until it stops; with a cosine give as many as --epochs",
    )
    parser.add_argument(
        "--seed", type=SEED, default=DEFAULTS.seed, help="of weights, dropout and shuffling"
    )
    parser.add_argument(
        "--power-exponent",
        type=_SHARE,
        default=DEFAULTS.power_exponent,
        help="weight the mask loss by the mixture's mel power to this; 0 is the paper's plain BCE",
    )


def add_train_clustering(parser):
    """Options of `train-clustering`."""
    _add_training(parser, CLUSTERING_MODELS)
    parser.add_argument(
        "--embedding-weight",
        type=_SHARE,
        default=DEFAULTS.embedding_weight,
        help="hdc: share of the clustering loss in the joint loss; the mask loss has the rest",
    )
    parser.add_argument(
        "--target-columns",
        type=int,
        choices=(1, 2),
        default=DEFAULTS.target_columns,
        help="columns of the clustering target; 1 is the paper's, which scatters the accompaniment",
    )


def add_train_unet(parser):
    """Options of `train-unet`."""
    _add_training(parser, UNETS)
    parser.add_argument(
        "--filters",
        type=number(int, 1, 256),
        help="of the U-net's first level; the other levels have multiples of it, and a run of "
        "--initial must have as many (default: the preset's, "
        + ", ".join(f"{name} {unet.filters}" for name, (_, unet) in PRESETS.items())
        + ")",
    )
    parser.add_argument(
        "--clustering",
        type=FOLDER,
        metavar="RUN",
        help="uhnet: run of the hdc whose masks it takes; needed unless --initial has one inside "
        "or the run goes on",
    )
    parser.add_argument(
        "--clustering-dropout",
        type=_DROPOUT,
        default=NETWORK_DEFAULTS.clustering_dropout,
        help="uhnet: share of values dropped in the hdc while the uhnet learns, so that it does "
        "not rely on masks that are better in training than elsewhere",
    )
    parser.add_argument(
        "--fine-tune",
        action="store_true",
        help="uhnet: the hdc goes on learning inside it, as in the paper's code; in its text it "
        "is frozen",
    )
