"""Which files to separate, and where their stems go."""

import dataclasses
import os
import string
from pathlib import Path

from vocaltrack.config import FILENAME, STEM_NAMES
from vocaltrack.errors import UserError, warn
from vocaltrack.files import real_path
from vocaltrack.formats import choose_subtype, is_audio, writable_format


@dataclasses.dataclass(frozen=True)
class Job:
    """One file to separate.

    Attributes:
        source: the file.
        targets: dict from stem to the path to write.
    """

    source: Path
    targets: dict


def plan_jobs(inputs, folder, filename=FILENAME, stems=STEM_NAMES, subtype=None):
    """Name the outputs of several inputs.

    Args:
        inputs: paths of audio files, and of folders to search for them.
        folder: where the outputs go; when it lies below a folder that is
            searched, what is in it is no input.
        filename: pattern of the outputs' paths inside of `folder`: {track} is
            the input's name without its ending, with the folders below the
            one that was given; {stem} vocals or accompaniment; {ext} the
            input's ending, or wav where libsndfile does not write it.
        stems: which stems to write.
        subtype: sample format asked for, which every output must have.

    Returns:
        list of `Job`, without repetitions.

    Raises:
        UserError: a folder holds no audio or is that of the outputs, the
            pattern is wrong, or two outputs would be the same file or an
            input.
    """
    _check_filename(filename, stems)
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; -o takes the folder for the outputs")
    jobs, writers = [], {}
    for source, track in _sources(inputs, folder):
        ext = source.suffix[1:] if writable_format(source) else "wav"
        targets = {
            stem: folder / filename.format(track=track, stem=stem, ext=ext) for stem in stems
        }
        for target in targets.values():
            if Path(os.path.abspath(folder)) not in Path(os.path.abspath(target)).parents:
                raise UserError(f"{target} would lie outside of {folder}; give another --filename")
            choose_subtype(target, subtype)  # for its refusals
            other = writers.setdefault(real_path(target), source)
            if other != source:
                raise UserError(
                    f"{other} and {source} would both be written to {target}; "
                    "rename one, give the folder that holds both, or another -o for each"
                )
        jobs.append(Job(source, targets))
    for job in jobs:
        if real_path(job.source) in writers:
            raise UserError(f"{job.source} would be overwritten; give another --filename or -o")
    return jobs


def _check_filename(filename, stems):
    known = {"{track}", "{stem}", "{ext}"}
    try:
        fields = {
            "{" + name + (f"!{how}" if how else "") + (f":{code}" if code else "") + "}"
            for _, name, code, how in string.Formatter().parse(filename)
            if name is not None
        }
    except ValueError as error:
        raise UserError(f"--filename {filename}: {error}") from error
    if fields - known:
        raise UserError(
            f"--filename {filename}: {min(fields - known)} is unknown; use {{track}}, {{stem}}, "
            "{ext}"
        )
    if filename.endswith(("/", os.sep)):
        raise UserError(f"--filename {filename} names a folder; end it with a file's name")
    if len(stems) > 1 and "{stem}" not in fields:
        raise UserError(f"--filename {filename} needs {{stem}}, or both stems would be one file")


def _files_below(folder):
    """What lies in a folder and in the folders below it, but what is hidden and what
    links to folders lead to; and the folders that cannot be read."""
    unreadable = []
    for root, folders, names in os.walk(folder, onerror=unreadable.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(root, name) for name in names if not name.startswith("."))
    yield from (Path(error.filename) for error in unreadable)


def _sources(inputs, folder):
    """(file, track) of each input, those in folders in order of their names, but
    hidden ones; links that lead nowhere and folders that cannot be read too, so that their
    loss is told."""
    outputs, seen = real_path(folder), {}
    for given in map(Path, inputs):
        found = [(given, given.stem)]
        if given.is_dir():
            if real_path(given) == outputs:
                raise UserError(f"{given} is where the outputs go; give another folder to -o")
            below = real_path(given) in outputs.parents
            found = [
                (path, path.relative_to(given).with_suffix("").as_posix())
                for path in sorted(_files_below(given))
                if path.is_dir()
                or is_audio(path)
                and (path.is_file() or path.is_symlink() and not path.exists())
                and not (below and outputs in real_path(path).parents)
            ]
            if not found:
                outside = f" outside of {folder}" if below else ""
                raise UserError(f"{given} holds no audio files{outside}")
        for path, track in found:
            real = real_path(path)
            if real not in seen:
                seen[real] = path
                yield path, track
            elif os.path.abspath(path) != os.path.abspath(seen[real]):
                warn(f"{path} is {seen[real]} by another name; it is separated once")
