"""What `vocaltrack separate` and separate.py do with their options."""

import math
import time
from pathlib import Path

from vocaltrack import signals
from vocaltrack.config import FILENAME, STEM_NAMES
from vocaltrack.errors import UserError, number_of, remark, say, tell, warn
from vocaltrack.files import folders_for
from vocaltrack.processor import compute_in_bfloat16, save_memory
from vocaltrack.quiet import libraries_silenced
from vocaltrack.tensorflow_loading import load_tensorflow, without_extras, without_settings

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
        with without_settings(), without_extras():
            load_tensorflow(options.jobs, options.verbose)
        compute_in_bfloat16()
        from vocaltrack.separator import Separator

        imported = time.perf_counter()
        separator = Separator(
            options.model, options.method, options.phase, options.swap, options.overlap
        )
    if options.verbose:
        say(f"TensorFlow loaded in {imported - started:.1f} s")
        say(f"{options.model} loaded in {time.perf_counter() - imported:.1f} s")
    done, failed = 0, []
    try:
        for job in jobs:
            try:
                _separate_one(separator, job, options, file)
                done += 1
            except (UserError, OSError) as error:
                if len(jobs) == 1:
                    raise
                failed.append(error)
    finally:  # on Ctrl-C too
        if failed:
            remark(f"{done} of {len(jobs)} files were separated")
        for error in failed:
            tell(error)
    return 1 if failed else 0


def _jobs(options):
    from vocaltrack.batch import Job, plan_jobs
    from vocaltrack.file_separation import check_agreement

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
    from vocaltrack.contract import METHODS_OF
    from vocaltrack.file_separation import plan_targets, separate_file
    from vocaltrack.progress import progress_bar

    file = file or open_audio(job.source, options.start, options.duration)
    with folders_for(job.targets.values() if options.output else ()):
        targets = plan_targets(file, job.targets, options.subtype, options.clip)
        started = time.perf_counter()
        with progress_bar(file, options.quiet) as progress:
            written = separate_file(separator, file, targets, options.clip, progress)
    speed = written.seconds / (time.perf_counter() - started)
    _warn_of_result(job.source, written)
    if file.subtype is None:
        _warn_of_film(ffmpeg.describe(file.path), file, written.seconds + options.start)
    if options.quiet:
        return
    model = separator.model.name
    if len(METHODS_OF[model]) > 1:
        model += f", {separator.method}"
    for stem, (path, *_) in targets.items():
        of = f" of {written.seconds:.2f} s by {model}" if stem == "vocals" else ""
        say(f"{path}: {stem}{of}")
    if options.verbose:
        say(
            f"{job.source}: {file.sample_rate} Hz, {number_of(file.channels, 'channel')}, "
            f"{speed:.1f} times real time"
        )


def _warn_of_result(source, written):
    for path in written.clipped:
        warn(f"{path}: clipped; --clip rescale keeps the peaks, and so does float in a .wav")
    if written.gain != 1.0:
        warn(
            f"{source}: output made quieter by {-20 * math.log10(written.gain):.2f} dB "
            "to keep it from clipping"
        )
    if written.silent:
        warn(f"{source}: no vocals were found, the vocals are silent")


def _warn_of_film(film, file, end):
    if film.tracks > 1:
        warn(f"{file.path}: holds {film.tracks} audio tracks, of which the first was separated")
    is_told = film.seconds and not film.is_guess
    if is_told and file.stop is None and end < film.seconds - SHORTER:
        warn(
            f"{file.path}: is {film.seconds:.2f} s long by its header, its sound {end:.2f} s; it "
            "begins later, has gaps or ends before, and what was written is the sound alone"
        )
