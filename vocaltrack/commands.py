"""What each command of the command line does with its options."""

import dataclasses
import os
import sys

from vocaltrack import signals
from vocaltrack.config import VALID_CHUNKS, FeatureConfig, TrainingConfig, preset
from vocaltrack.errors import UserError, number_of, remark, say, show, tell, warn
from vocaltrack.files import check_file_writable, real_path
from vocaltrack.jsonfiles import read_json, write_json
from vocaltrack.processor import warn_if_slow_in_bfloat16
from vocaltrack.progress import on_terminal
from vocaltrack.separate_command import separate
from vocaltrack.tensorflow_loading import load_keras

__all__ = ["evaluate", "export", "prepare", "separate", "train_clustering", "train_unet"]


def evaluate(options):
    """Score models on a split of the datasets given; 1 if some songs cannot be read."""
    from vocaltrack.contract import choose_method, find_model, read_contract, split_method

    to_score = set()
    for name in options.model:
        model, method = split_method(name)
        folder = find_model(model)
        choose_method(read_contract(folder)["model"], method)
        if (real_path(folder), method) in to_score:
            raise UserError(f"--model {name} is given twice; leave one out")
        to_score.add((real_path(folder), method))
    if options.json:
        check_file_writable(options.json)
        _refuse_to_replace(options.json, {folder for folder, _ in to_score})
    songs = _songs(options)
    chosen = [song for song in songs if song.split == options.split]
    if not chosen:
        others = ", ".join(sorted({song.split for song in songs}))
        raise UserError(f"no songs in the split {options.split}; --split can be {others}")
    _load()
    from vocaltrack.evaluation import evaluate, table
    from vocaltrack.separator import Separator

    separators = {name: Separator(*split_method(name)) for name in options.model}
    report = evaluate(chosen, separators, options.native)
    if options.json:
        write_json(options.json, report)
    show(table(report))
    scored = number_of(len(report["songs"]), "song")
    instrumentals = number_of(len(report["instrumentals"]), "instrumental")
    remark(
        f"{options.split}: {scored}, {instrumentals}, {len(report['left_out'])} left out for want "
        "of music that sounds"
    )
    for label, songs in report["heard"].items():
        warn(
            f"{label} learnt from {len(songs)} of these songs ({songs[0]}); its scores "
            "there do not tell how it does on others"
        )
    for label, songs in report["validated"].items():
        warn(
            f"{len(songs)} of these songs ({songs[0]}) chose the weights of {label}; its scores "
            "there flatter it, those on songs of the split test do not"
        )
    for key, error in report["unreadable"].items():
        tell(f"{key} was not scored: {error}")
    return 1 if report["unreadable"] else 0


def prepare(options):
    """Turn datasets into records."""
    songs = _songs(options)
    _load()
    from vocaltrack.prepare import prepare

    valid = options.valid_chunks or min(VALID_CHUNKS, -(-options.train_chunks // 4))
    chunks = {"train": options.train_chunks, "valid": valid}
    features = FeatureConfig(n_fft=options.n_fft)
    manifest = prepare(
        songs, options.output, chunks, features, seed=options.seed, workers=options.jobs
    )
    for split, kinds in manifest.counts.items():
        made = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
        say(f"{split}: {number_of(len(manifest.songs[split]), 'song')}, chunks: {made}")
        if split == "train" and len(manifest.songs[split]) == 1:
            warn(
                "one song alone trains, so there are no amalgamations; sort your songs "
                "into folders named train and valid, or add more"
            )
    if kept := sum(song.split == "test" for song in songs):
        say(f"{number_of(kept, 'song')} kept for vocaltrack evaluate --split test")
    size = sum(shard["bytes"] for shards in manifest.shards.values() for shard in shards)
    say(f"{options.output}: {size / 1e9:.2f} GB")


def train_clustering(options):
    """Train dc or hdc."""
    _train(options, preset(options.preset, options.dropout)[0])


def train_unet(options):
    """Train unet or uhnet."""
    network = preset(options.preset, options.dropout)[1]
    network = dataclasses.replace(
        network,
        filters=options.filters or network.filters,
        clustering_dropout=options.clustering_dropout,
        fine_tuned=options.fine_tune,
    )
    _train(options, network)


def export(options):
    """Write a run's best or last weights as a SavedModel."""
    from vocaltrack.runs import load_run, read_run, songs_heard, songs_validated

    here = real_path(os.getcwd())
    if real_path(options.output) in (here, *here.parents):
        raise UserError(
            f"{options.output} is, or holds, the folder that this runs in; give another"
        )
    read_run(options.run, options.last)  # refused before TensorFlow loads
    _load()
    from vocaltrack.export import export

    model, description = load_run(options.run, options.last)
    songs = songs_heard(description), songs_validated(description, options.last)
    export(model, description["features"], options.output, *songs)
    say(f"{options.output}: SavedModel of {model.name}")


def _refuse_to_replace(path, models):
    """Refuse to write a report over a recording or another file that is no report, or into
    one of the models' folders, which are given without links."""
    from vocaltrack.formats import is_audio

    place = real_path(path)
    if is_audio(path) or is_audio(place):
        raise UserError(f"{path} is named as a recording is; give the report another name")
    if not models.isdisjoint(place.parents):
        raise UserError(f"{path} lies in the folder of a model; give the report another place")
    if place.exists() and place.stat().st_size and not _is_report(place):
        raise UserError(f"{path} exists and is no report; give another name")


def _is_report(path):
    try:
        return "summary" in read_json(path, "the report")
    except UserError:
        return False


def _load():
    """Load TensorFlow and Keras; a signal meanwhile ends the process at once."""
    with signals.at_once():
        load_keras()


def _train(options, network):
    from vocaltrack.records import Manifest
    from vocaltrack.resuming import goes_on_from_itself, refuse_other_folders
    from vocaltrack.runs import read_run, refuse_ignored_settings, sources

    given = {f.name for f in dataclasses.fields(TrainingConfig)} & set(vars(options))
    config = TrainingConfig(**{name: getattr(options, name) for name in given})
    clustering = getattr(options, "clustering", None)
    # What can be known to be wrong is said before TensorFlow loads.
    refuse_ignored_settings(config, network, clustering)
    refuse_other_folders(options.run)
    Manifest.load(options.records)
    for run, wanted in ((options.initial, sources(config.model)), (clustering, ("hdc",))):
        try:
            if run:
                read_run(run, wanted=wanted)
        except UserError as error:
            if not goes_on_from_itself(options.run):
                raise
            raise UserError(f"{error}, or leave it out: {options.run} goes on by itself") from error
    _load()
    if options.precision != "float32":
        warn_if_slow_in_bfloat16()
    from vocaltrack.training import train

    verbose = "auto" if on_terminal(sys.stdout) else 2  # a line for each epoch
    train(config, network, options.records, options.run, clustering, options.initial, verbose)
    say(f"{options.run}: trained; write the SavedModel with vocaltrack export {options.run} DIR")


def _songs(options):
    from vocaltrack.datasets import READERS
    from vocaltrack.splits import check_splits, keep_artists_together

    songs = [
        song
        for name, read in READERS.items()
        for root in getattr(options, name)
        for song in read(root)
    ]
    if not songs:
        raise UserError("no dataset given; use " + ", ".join(f"--{name}" for name in READERS))
    kept = keep_artists_together(songs)
    if len(kept) < len(songs):
        left_out = number_of(len(songs) - len(kept), "song")
        say(f"{left_out} left out, whose artists another split holds out")
    check_splits(kept)
    return kept
