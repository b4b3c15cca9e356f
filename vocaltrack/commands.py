"""What each command of the command line does with its options."""

import contextlib
import dataclasses
import math
import sys
import time
from pathlib import Path

from vocaltrack import signals
from vocaltrack.config import FILENAME, FeatureConfig, TrainingConfig, preset
from vocaltrack.errors import UserError, tell
from vocaltrack.files import check_file_writable, folders_for
from vocaltrack.jsonfiles import write_json
from vocaltrack.quiet import (
    compute_in_bfloat16,
    libraries_silenced,
    load_tensorflow,
    save_memory,
    warn_if_slow_in_bfloat16,
)

SHORTER = 0.5  # seconds by which a film's sound may miss its length in silence


def separate(options):
    """Extract the vocals of one file or of many; 1 if some of several failed."""
    with libraries_silenced(options.verbose):
        return _separate(options)


def _separate(options):
    from vocaltrack.audio import open_audio
    from vocaltrack.contract import choose_method, find_model, read_contract
    from vocaltrack.file_separation import plan_targets

    model = read_contract(find_model(options.model))["model"]
    choose_method(model, options.method, options.swap)
    jobs, file = _jobs(options), None
    if len(jobs) == 1:
        # What can be known to be wrong is said before TensorFlow loads.
        file = open_audio(jobs[0].source, options.start, options.duration)
        if not options.output:
            plan_targets(file, jobs[0].targets, options.subtype, options.clip)

    started = time.perf_counter()
    save_memory()
    with signals.at_once():
        load_tensorflow(options.jobs, options.verbose)
        compute_in_bfloat16()
        from vocaltrack.separator import Separator

        imported = time.perf_counter()
        separator = Separator(
            options.model, options.method, options.phase, options.swap, options.overlap
        )
    if options.verbose:
        print(f"TensorFlow loaded in {imported - started:.1f} s")
        print(f"{options.model} loaded in {time.perf_counter() - imported:.1f} s")
    failed = []
    for job in jobs:
        try:
            _separate_one(separator, job, options, file)
        except (UserError, OSError) as error:
            if len(jobs) == 1:
                raise
            failed.append(error)
    if failed:
        _say(f"{len(jobs) - len(failed)} of {len(jobs)} files were separated", sys.stderr)
        for error in failed:
            tell(error)
    return 1 if failed else 0


def _jobs(options):
    from vocaltrack.batch import Job, plan_jobs
    from vocaltrack.file_separation import check_agreement
    from vocaltrack.songs import STEM_NAMES

    if options.output is None:
        if len(options.files) != 2:
            raise UserError("give one input and one output file, or any inputs and -o DIR")
        if options.stem or options.filename != FILENAME:
            raise UserError("--stem and --filename go with -o DIR; leave them out")
        source, vocals = options.files
        if "" in (source, vocals, options.accompaniment):
            raise UserError("a file without a name; give the paths of the input and the output")
        targets = {"vocals": vocals, "accompaniment": options.accompaniment}
        return [
            Job(Path(source), {stem: path for stem, path in targets.items() if path is not None})
        ]
    if "" in (options.output, *options.files):
        raise UserError("a file or folder without a name; give the inputs, and the folder with -o")
    if options.accompaniment is not None:
        raise UserError("with -o both stems are written; leave --accompaniment out")
    check_agreement(options.clip, options.subtype)
    stems = (options.stem,) if options.stem else STEM_NAMES
    return plan_jobs(options.files, options.output, options.filename, stems, options.subtype)


def _separate_one(separator, job, options, file):
    """Separate a job's file, which may have been opened before."""
    from vocaltrack import ffmpeg
    from vocaltrack.audio import open_audio
    from vocaltrack.file_separation import plan_targets, separate_file
    from vocaltrack.progress import progress_bar

    file = file or open_audio(job.source, options.start, options.duration)
    with folders_for(job.targets.values() if options.output else ()):
        targets = plan_targets(file, job.targets, options.subtype, options.clip)
        started = time.perf_counter()
        with progress_bar(file, options.quiet) as progress:
            written = separate_file(separator, file, targets, options.clip, progress)
    if options.quiet:
        return
    speed = written.seconds / (time.perf_counter() - started)
    model = f"{separator.model.name}, {separator.method}"
    for stem, (path, _) in targets.items():
        of = f" of {written.seconds:.2f} s by {model}" if stem == "vocals" else ""
        _say(f"{path}: {stem}{of}")
        if str(path) in written.clipped:
            _say(f"{path}: clipped; use --clip rescale or float to keep the peaks")
    if file.subtype is None:
        _say_of_film(ffmpeg.describe(file.path), file, written.seconds + options.start)
    if written.gain != 1.0:
        _say(
            f"{job.source}: output made quieter by {-20 * math.log10(written.gain):.2f} dB "
            "to keep it from clipping"
        )
    if written.silent:
        _say(f"{job.source}: no vocals were found, the vocals are silent")
    if options.verbose:
        _say(
            f"{job.source}: {file.sample_rate} Hz, {file.channels} channels, "
            f"{speed:.1f} times real time"
        )


def _say_of_film(film, file, end):
    if film.tracks > 1:
        _say(f"{file.path}: holds {film.tracks} audio tracks, of which the first was separated")
    if film.seconds and file.stop is None and end < film.seconds - SHORTER:
        _say(f"{file.path}: is {film.seconds:.2f} s long by its header; its sound ends before")


def _say(text, file=None):
    """Print, if somebody reads (not so in `| head -1`) and there is room for it."""
    with contextlib.suppress(OSError):
        print(text, file=file)


def evaluate(options):
    """Score models on a split of the datasets given."""
    from vocaltrack.contract import choose_method, find_model, read_contract, split_method

    if options.json:
        check_file_writable(options.json)
    for name in options.model:
        folder, method = split_method(name)
        choose_method(read_contract(find_model(folder))["model"], method)
    songs = _songs(options)
    chosen = [song for song in songs if song.split == options.split]
    if not chosen:
        others = ", ".join(sorted({song.split for song in songs}))
        raise UserError(f"no songs in the split {options.split}; --split can be {others}")
    load_tensorflow()
    from vocaltrack.evaluation import evaluate, table
    from vocaltrack.separator import Separator

    separators = {name: Separator(*split_method(name)) for name in options.model}
    report = evaluate(chosen, separators)
    if options.json:
        write_json(options.json, report)
    _say(table(report))
    for label, songs in report["heard"].items():
        _say(
            f"warning: {label} learnt from {len(songs)} of these songs ({songs[0]}); its scores "
            "there do not tell how it does on others",
            sys.stderr,
        )


def prepare(options):
    """Turn datasets into records."""
    songs = _songs(options)
    load_tensorflow()
    from vocaltrack.prepare import prepare

    chunks = {"train": options.train_chunks, "valid": options.valid_chunks}
    features = FeatureConfig(n_fft=options.n_fft)
    manifest = prepare(
        songs, options.output, chunks, features, seed=options.seed, workers=options.jobs
    )
    for split, kinds in manifest.counts.items():
        made = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
        print(f"{split}: {len(manifest.songs[split])} songs, chunks: {made}")
    size = sum(shard["bytes"] for shards in manifest.shards.values() for shard in shards)
    print(f"{options.output}: {size / 1e9:.2f} GB")


def train_clustering(options):
    """Train dc or hdc."""
    _train(options, preset(options.preset, options.dropout)[0])


def train_unet(options):
    """Train unet or uhnet."""
    network = dataclasses.replace(
        preset(options.preset, options.dropout)[1],
        clustering_dropout=options.clustering_dropout,
        fine_tuned=options.fine_tune,
    )
    _train(options, network)


def export(options):
    """Write a run's best or last weights as a SavedModel."""
    load_tensorflow()
    from vocaltrack.runs import load_run, songs_heard
    from vocaltrack.savedmodel import export

    model, description = load_run(options.run, options.last)
    export(model, description["features"], options.output, songs_heard(description))
    print(f"{options.output}: SavedModel of {model.name}")


def _train(options, network):
    load_tensorflow()
    if options.precision != "float32":
        warn_if_slow_in_bfloat16()
    from vocaltrack.training import train

    given = {f.name for f in dataclasses.fields(TrainingConfig)} & set(vars(options))
    config = TrainingConfig(**{name: getattr(options, name) for name in given})
    clustering = getattr(options, "clustering", None)
    train(config, network, options.records, options.run, clustering, options.initial)
    print(f"{options.run}: trained; write the SavedModel with vocaltrack export {options.run} DIR")


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
        _say(f"{len(songs) - len(kept)} songs left out: another dataset holds their artists out")
    check_splits(kept)
    return kept
