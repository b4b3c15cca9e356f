"""What each command of the command line does with its options."""

import dataclasses
import json
import math
from pathlib import Path

from vocaltrack.config import FeatureConfig, preset
from vocaltrack.errors import UserError
from vocaltrack.files import check_folder_writable, write_atomically
from vocaltrack.quiet import load_tensorflow


def separate(options):
    """Extract the vocals of one file."""
    from vocaltrack import audio
    from vocaltrack.contract import find_model, read_contract

    read_contract(find_model(options.model))
    targets = [t for t in (options.output, options.accompaniment) if t]
    named = set()
    for path in (options.input, *targets):
        if Path(path).resolve() in named:
            raise UserError(f"{path} is named twice; input and outputs must be different files")
        named.add(Path(path).resolve())
    mixture, rate = audio.read_audio(options.input)
    subtype = audio.subtype_of(options.input)
    for target in targets:
        audio.check_target(target, rate, mixture.shape[1], subtype)

    load_tensorflow()
    from vocaltrack.separator import Separator

    separator = Separator(options.model, options.method, options.phase, options.swap)
    result = separator.separate(mixture, rate)
    for target, stem in zip(targets, (result.vocals, result.accompaniment), strict=False):
        audio.write_audio(target, stem, rate, subtype)
        if "PCM" in audio.subtype_of(target) and abs(stem).max() > 1.0:
            print(f"{target}: clipped, the peak is {abs(stem).max():.2f} of full scale")
    how = f"{separator.model.name}, {separator.method}"
    print(f"{options.output}: vocals of {len(mixture) / rate:.2f} s by {how}")
    if options.accompaniment:
        print(f"{options.accompaniment}: accompaniment")
    if mixture.any() and not result.vocals.any():
        print(f"{options.output} is silent: no vocals were found")


def evaluate(options):
    """Score models on a split of the datasets given."""
    load_tensorflow()
    from vocaltrack.evaluation import evaluate, table
    from vocaltrack.separator import Separator

    if options.json:
        check_folder_writable(Path(options.json).parent)
        if Path(options.json).is_dir():
            raise UserError(f"{options.json} is a folder; give the file to write")
    songs = [song for song in _songs(options) if song.split == options.split]
    if not songs:
        raise UserError(f"the datasets have no songs in the split {options.split}")
    separators = {}
    for name in options.model:
        model, _, method = name.partition(":")
        if method not in ("", "head", "clusters"):
            raise UserError(f"{name}: after the colon stands head or clusters")
        separators[name] = Separator(model, method or None)
    report = evaluate(songs, separators)
    print(table(report))
    if options.json:
        text = json.dumps(_finite(report), indent=1, ensure_ascii=False, allow_nan=False)
        write_atomically(options.json, lambda p: Path(p).write_text(text, encoding="utf-8"))


def prepare(options):
    """Turn datasets into records."""
    load_tensorflow()
    from vocaltrack.prepare import prepare

    chunks = {"train": options.train_chunks, "valid": options.valid_chunks}
    features = FeatureConfig(n_fft=options.n_fft)
    manifest = prepare(
        _songs(options), options.output, chunks, features, options.seed, options.jobs
    )
    for split, kinds in manifest.counts.items():
        made = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
        print(f"{split}: {len(manifest.songs[split])} songs, chunks: {made}")


def train_clustering(options):
    """Train dc or hdc."""
    _train(
        options,
        preset(options.preset, options.dropout)[0],
        embedding_weight=options.embedding_weight,
        target_columns=options.target_columns,
    )


def train_unet(options):
    """Train unet or uhnet."""
    _train(options, preset(options.preset, options.dropout)[1])


def export(options):
    """Write a run's best weights as a SavedModel."""
    load_tensorflow()
    from vocaltrack.runs import load_run
    from vocaltrack.savedmodel import export

    model, description = load_run(options.run)
    export(model, description["features"], options.output)
    print(f"{options.output}: SavedModel of {model.name}")


def _train(options, network, **extra):
    load_tensorflow()
    from vocaltrack.training import TrainingConfig, train

    given = {f.name for f in dataclasses.fields(TrainingConfig)} & set(vars(options))
    settings = {name: getattr(options, name) for name in given} | extra
    config = TrainingConfig(**settings)
    clustering = getattr(options, "clustering", None)
    train(config, network, options.records, options.run, clustering, options.initial)
    print(f"{options.run}: trained; write the SavedModel with vocaltrack export {options.run} DIR")


def _finite(value):
    """JSON has no NaN and no infinity: null in their place."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _songs(options):
    from vocaltrack.datasets import READERS
    from vocaltrack.songs import check_splits

    songs = [
        song
        for name, read in READERS.items()
        for root in getattr(options, name)
        for song in read(root)
    ]
    if not songs:
        raise UserError("no dataset given; use " + ", ".join(f"--{name}" for name in READERS))
    check_splits(songs)
    return songs
