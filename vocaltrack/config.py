"""Settings of the features, the networks and their training, as plain frozen data.

The features' travel with records, runs and models, and are compared by name where two
meet; the others are written to a run's run.json. At the top stand the constants that
several modules share.
"""

import dataclasses
import math

from vocaltrack.errors import UserError

BLOCK = 1 << 17  # samples of a file that are read at a time
CHUNK_FRAMES = 128
SPLITS = ("train", "valid", "test")
STEM_NAMES = ("vocals", "accompaniment")
STREAMS = ("mixture", *STEM_NAMES)  # of which records hold the log-mel
OVERLAP = 0.25  # of the chunks that a song is cut into; see the README for what it trades
MOST_OVERLAP = 0.9
MOST_SECONDS = 1e9  # of a cut
CLIPS = ("rescale", "clamp", "float")  # what to do with samples beyond full scale
FILENAME = "{track}/{stem}.{ext}"  # of the outputs of several inputs, see `batch.plan_jobs`
VALID_CHUNKS = 2048  # to validate on, unless a quarter of the training chunks is less
METHODS = ("head", "clusters")  # where a mask comes from: the mask head or k-means
PHASES = ("mixture", "griffinlim")  # of the vocals
CLUSTERING_MODELS = ("dc", "hdc")
UNETS = ("unet", "uhnet")
MODEL_NAMES = CLUSTERING_MODELS + UNETS
UNET_STYLES = ("double", "strided")
OPTIMIZERS = ("rmsprop", "adam")
DECAYS = ("plateau", "cosine")
PRECISIONS = ("float32", "mixed_bfloat16")


def check_choice(what, given, choices):
    """Refuse what is none of the choices.

    Raises:
        UserError: names them.
    """
    if given not in choices:
        raise UserError(f"no {what} {given!r}; choose one of {', '.join(choices)}")


@dataclasses.dataclass(frozen=True)
class FeatureConfig:
    """How audio becomes log-mel chunks (paper, section III-B).

    Attributes:
        sample_rate: Hz.
        n_fft: STFT frame length in samples. The paper does not state it; its
            original code used 512. 1024 has the higher oracle ceiling with
            128 mel bands (benchmarks/README.md, "The choice of n_fft").
        hop_length: samples between frames.
        n_mels: number of Slaney mel bands between 0 Hz and Nyquist, which leave out what
            lies below hearing (`mel.is_inaudible`).
        power_floor: mel power below which the logarithm is cut off
            (`amin` of `librosa.power_to_db`).
        chunk_frames: frames in the chunk that a network sees.
    """

    sample_rate: int = 16000
    n_fft: int = 1024
    hop_length: int = 128
    n_mels: int = 128
    power_floor: float = 1e-7
    chunk_frames: int = CHUNK_FRAMES

    @property
    def floor_db(self):
        """The power floor in dB."""
        return 10.0 * math.log10(self.power_floor)

    @property
    def margin_frames(self):
        """Frames at either end of a piece of audio that its STFT fills up
        with zeros."""
        return -(-self.n_fft // 2 // self.hop_length)

    def to_dict(self):
        """The settings as a JSON-ready dictionary."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, settings):
        """The inverse of `to_dict`.

        Raises:
            UserError: a setting is missing, unknown or of another type.
        """
        if not isinstance(settings, dict):
            raise UserError("feature settings are not a dictionary; the file is damaged")
        names = {field.name for field in dataclasses.fields(cls)}
        if set(settings) != names:
            odd = ", ".join(sorted(set(settings) ^ names))
            raise UserError(
                f"feature settings are missing or unknown: {odd}; "
                "they were written by another version of vocaltrack"
            )
        for field in dataclasses.fields(cls):
            if type(settings[field.name]) is not type(field.default):
                raise UserError(f"feature setting {field.name} is {settings[field.name]!r}")
        return cls(**settings)

    def check_same(self, other, this, that):
        """Refuse two things whose features differ.

        Args:
            other: the `FeatureConfig` to compare with.
            this: what these settings belong to, for the message.
            that: what the other settings belong to.

        Raises:
            UserError: names each setting that differs, with both values.
        """
        mine, theirs = self.to_dict(), other.to_dict()
        odd = [
            f"{name} is {mine[name]} in {this} but {theirs[name]} in {that}"
            for name in mine
            if mine[name] != theirs[name]
        ]
        if odd:
            raise UserError("features do not match: " + "; ".join(odd))


@dataclasses.dataclass(frozen=True)
class ClusteringConfig:
    """The Bi-GRU embedding network (paper, section IV-A).

    Attributes:
        units: GRU units in each direction of each layer.
        layers: number of Bi-GRU layers.
        embedding_size: D, the length of each bin's embedding.
        dropout: share of the values dropped after each Bi-GRU layer and
            before the mask head.
    """

    units: int = 500
    layers: int = 4
    embedding_size: int = 20
    dropout: float = 0.5


@dataclasses.dataclass(frozen=True)
class UnetConfig:
    """The U-net (paper, section IV-B): four poolings, four upsamplings.

    Attributes:
        filters: filters of the first level.
        style: "double" is the classic U-net (two 3x3 convolutions a level,
            max pooling); "strided" has one 5x5 convolution a level that pools
            by its stride (Jansson et al. 2017), with residual layers at the two
            lowest levels, and trains several times faster on a CPU.
        dropout: share of the values dropped in the deepest levels.
        clustering_dropout: share of the values dropped in the uhnet's clustering
            network while the uhnet learns: the masks are better for the voices that
            both learn from than for others, and a uhnet that learns from masks made
            worse relies less on them. 0 is the paper's.
        fine_tuned: the uhnet's clustering network goes on learning inside it; in
            the paper it is frozen.

    Raises:
        UserError: there is no such style.
    """

    filters: int = 64
    style: str = "double"
    dropout: float = 0.5
    clustering_dropout: float = 0.0
    fine_tuned: bool = False

    def __post_init__(self):
        check_choice("style", self.style, UNET_STYLES)


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained (paper, section V-A, where not said otherwise).

    The gradient of each weight is clipped to norm 5, which the paper does not
    mention.

    Attributes:
        model: "dc", "hdc", "unet" or "uhnet".
        optimizer: "rmsprop" (paper) or "adam".
        learning_rate: at the start, or after the warm-up of the cosine; the
            paper's code has 1e-5.
        decay: "plateau" halves the rate when the validation loss has not
            fallen for three epochs; "cosine" warms up over 200 steps (at
            most a tenth of all) and falls to zero at the last epoch.
        batch_size: chunks a step.
        epochs: epochs in all, those of an interrupted run included.
        steps_per_epoch: steps between two validations.
        patience: epochs without a better validation loss until it stops.
        embedding_weight: share of the clustering loss in the joint loss of
            hdc; the mask loss has the rest (alpha in Luo et al. 2017).
        target_columns: columns of the clustering target, 2, or 1 for the
            paper's form; see `DeepClusteringLoss`.
        power_exponent: exponent of the mixture's mel power that weighs the
            mask loss; 0 is the paper's plain BCE.
        precision: "float32", or "mixed_bfloat16", which computes in bfloat16
            and keeps weights and losses in float32: faster for U-nets on processors
            with AMX and on AMD's from Zen 4 on. The saved networks are float32
            either way.
        seed: of the weights, the dropout and the shuffling.

    Raises:
        UserError: a name is none of those above.
    """

    model: str
    optimizer: str = "rmsprop"
    learning_rate: float = 1e-3
    decay: str = "plateau"
    batch_size: int = 32
    epochs: int = 50
    steps_per_epoch: int = 250
    patience: int = 10
    embedding_weight: float = 0.5
    target_columns: int = 2
    power_exponent: float = 0.25
    precision: str = "float32"
    seed: int = 0

    def __post_init__(self):
        for name, choices in (
            ("model", MODEL_NAMES),
            ("optimizer", OPTIMIZERS),
            ("decay", DECAYS),
            ("precision", PRECISIONS),
        ):
            check_choice(name, getattr(self, name), choices)


PRESETS = {
    "paper": (ClusteringConfig(), UnetConfig()),
    "compact": (ClusteringConfig(units=128), UnetConfig(filters=16, style="strided")),
}


def preset(name, dropout=None):
    """The (ClusteringConfig, UnetConfig) of a preset.

    Args:
        name: "paper" or "compact".
        dropout: replaces the preset's dropout when given.

    Raises:
        UserError: there is no such preset.
    """
    check_choice("preset", name, PRESETS)
    configs = PRESETS[name]
    if dropout is None:
        return configs
    return tuple(dataclasses.replace(config, dropout=dropout) for config in configs)
