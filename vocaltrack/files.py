"""Paths, and files that appear whole or not at all."""

import contextlib
import hashlib
import importlib.util
import os
import secrets
import shutil
import tempfile
from pathlib import Path

from vocaltrack.errors import UserError, one_line
from vocaltrack.signals import uninterrupted

PREFIX = ".vocaltrack-"


def file_name(path):
    """A path as soundfile takes it, which fails for names that are no UTF-8."""
    return os.fsencode(path) if os.name == "posix" else os.fspath(path)


def real_path(path):
    """A path without links, also where they lead in a circle."""
    return Path(os.path.realpath(path))


def sha256_of(path):
    """SHA-256 of a file's bytes, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def package_folder(name):
    """The folder of an installed package, which is not imported: museval, musdb and
    stempeg would look for ffmpeg and ffprobe at once.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return Path(spec.submodule_search_locations[0])


def check_file_writable(path):
    """Refuse a target that could not be written, before the work is done.

    Args:
        path: the file to write.

    Raises:
        UserError: it is a folder, a device or read-only, or its folder is absent
            or read-only.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder; give the file to write")
    # A renamed file would take the place of either.
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is no ordinary file; give another one to write")
    if path.exists() and not os.access(path, os.W_OK):
        raise UserError(f"{path} is read-only; delete it or write elsewhere")
    check_folder_writable(real_path(path).parent)


@contextlib.contextmanager
def temporaries_beside(paths):
    """Temporary files that take the targets' places when all went well.

    Args:
        paths: the targets; existing files are replaced only on success, all of
            them or none, and keep their rights. A link to a file stays one.

    Yields:
        list of the temporary files' paths, with the targets' endings.

    Raises:
        UserError: a file cannot be written there.
    """
    targets = [real_path(path) for path in paths]
    with contextlib.ExitStack() as stack:
        temporaries = []
        for path, target in zip(paths, targets):
            temporary = target.with_name(f"{PREFIX}{secrets.token_hex(8)}{target.suffix}")
            stack.callback(temporary.unlink, missing_ok=True)
            with _telling(path):
                # Not by tempfile, whose files only their owner may read.
                os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            temporaries.append(temporary)
        yield temporaries
        with uninterrupted():
            _take_places(temporaries, targets, paths)


def _take_places(temporaries, targets, paths):
    """Rename all the temporary files, or none."""
    olds = [temporary.with_name(f"{temporary.name}.old") for temporary in temporaries]
    placed = []
    try:
        for temporary, old, target, path in zip(temporaries, olds, targets, paths):
            with _telling(path):
                if target.exists():
                    with contextlib.suppress(OSError):  # the rights of another's file
                        shutil.copymode(target, temporary)
                    if len(paths) > 1:
                        _give_second_name(target, old)
                os.replace(temporary, target)
            placed.append(target)
    except UserError:
        for old, target in zip(olds, targets):
            if old.exists():
                os.replace(old, target)
            elif target in placed:
                target.unlink()
        raise
    finally:
        for old in olds:
            old.unlink(missing_ok=True)


def _give_second_name(path, name):
    try:
        os.link(path, name)
    except OSError:  # a file system that has none
        os.replace(path, name)


@contextlib.contextmanager
def _telling(path):
    try:
        yield
    except OSError as error:
        raise UserError(f"{path} cannot be written: {one_line(error)}") from error


def write_atomically(path, write):
    """Write to a temporary file beside the target, then rename.

    Args:
        path: the target; an existing file is replaced only on success.
        write: called with the temporary file's path (same ending).

    Raises:
        UserError: the file cannot be written there.
    """
    with _telling(path), temporaries_beside([path]) as (temporary,):
        write(str(temporary))


def replace_folder(path, fill):
    """Fill a temporary folder beside the target, then put it in its place.

    Args:
        path: the target folder; an existing one is replaced, whole, only
            when the new one is complete.
        fill: called with the temporary folder's path.

    Raises:
        UserError: a file is there, or the folder cannot be written there.
    """
    path = real_path(path)
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} cannot be written: it is a file, not a folder")
    with _telling(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=PREFIX, dir=path.parent))
    fresh, old = temporary / "new", temporary / "old"
    try:
        with _telling(path):
            fresh.mkdir()
            fill(fresh)
            with uninterrupted():
                _swap(path, fresh, old)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _swap(path, fresh, old):
    """Put a folder in the place of one that may be there, or leave that."""
    if path.exists():
        os.replace(path, old)
    try:
        os.replace(fresh, path)
    except OSError:
        if old.exists():
            os.replace(old, path)
        raise


def make_folder(folder):
    """Make a folder and those above it, where they are absent.

    Args:
        folder: its `Path`.

    Raises:
        UserError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made: {error.strerror}") from error


@contextlib.contextmanager
def folders_for(paths):
    """Make the folders of files to be written; those that are made here go
    again when the block ends with an error and they are empty.

    Raises:
        UserError: a folder cannot be made.
    """
    made = []
    try:
        for folder in (Path(path).parent for path in paths):
            missing = [f for f in (folder, *folder.parents) if not f.exists()]
            try:
                make_folder(folder)
            finally:
                made += [f for f in missing if f.is_dir()]
        yield
    except BaseException:
        for folder in sorted(made, key=lambda made: len(made.parts), reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def check_folder_writable(folder):
    """Refuse a folder in which no file can be made.

    Raises:
        UserError: there is no such folder, or it cannot be written.
    """
    if not Path(folder).is_dir():
        raise UserError(f"{folder} is no folder; make it first or write elsewhere")
    try:
        tempfile.TemporaryFile(prefix=PREFIX, dir=folder).close()
    except OSError as error:
        reason = error.strerror or one_line(error)
        raise UserError(f"{folder} cannot be written ({reason}); write elsewhere") from error
