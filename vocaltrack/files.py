"""Files that appear whole or not at all."""

import contextlib
import json
import math
import os
import shutil
import tempfile
from pathlib import Path

from vocaltrack.errors import UserError, one_line

PREFIX = ".vocaltrack-"


def file_name(path):
    """A path as soundfile takes it, which fails for names that are no UTF-8."""
    return os.fsencode(path) if os.name == "posix" else os.fspath(path)


def real_path(path):
    """A path without links, also where they lead in a circle."""
    return Path(os.path.realpath(path))


def check_file_writable(path):
    """Refuse a target that could not be written, before the work is done.

    Args:
        path: the file to write.

    Raises:
        UserError: it is a folder, or its folder is absent or read-only.
    """
    if Path(path).is_dir():
        raise UserError(f"{path} is a folder; give the file to write")
    check_folder_writable(Path(path).parent)


def write_json(path, content):
    """Write JSON, whole or not at all; null stands for what is no number.

    Args:
        path: the target.
        content: dictionaries and lists of JSON's types.

    Raises:
        UserError: the file cannot be written.
    """
    text = json.dumps(_finite(content), indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, lambda p: Path(p).write_text(text + "\n", encoding="utf-8"))


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


@contextlib.contextmanager
def temporary_beside(path):
    """A temporary file that takes a target's place when all went well.

    Args:
        path: the target; an existing file is replaced only on success.

    Yields:
        the temporary file's path, with the target's ending.

    Raises:
        UserError: the file cannot be written there.
    """
    path = Path(path)
    try:
        handle, temporary = tempfile.mkstemp(prefix=PREFIX, suffix=path.suffix, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {one_line(error)}") from error
    try:
        yield temporary
        try:
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        except OSError as error:
            raise UserError(f"{path} cannot be written: {one_line(error)}") from error
    finally:
        Path(temporary).unlink(missing_ok=True)


def write_atomically(path, write):
    """Write to a temporary file beside the target, then rename.

    Args:
        path: the target; an existing file is replaced only on success.
        write: called with the temporary file's path (same ending).

    Raises:
        UserError: the file cannot be written there.
    """
    try:
        with temporary_beside(path) as temporary:
            write(temporary)
    except (OSError, RuntimeError) as error:
        raise UserError(f"{path} cannot be written: {one_line(error)}") from error


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
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=PREFIX, dir=path.parent))
    except OSError as error:
        raise UserError(f"{path} cannot be written: {one_line(error)}") from error
    fresh, old = temporary / "new", temporary / "old"
    try:
        fresh.mkdir()
        fill(fresh)
        if path.exists():
            os.replace(path, old)
        os.replace(fresh, path)
    except OSError as error:
        if old.exists():
            os.replace(old, path)
        raise UserError(f"{path} cannot be written: {one_line(error)}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UserError(f"{folder} cannot be made: {one_line(error)}") from error
            finally:
                made += [f for f in missing if f.is_dir()]
        yield
    except BaseException:
        for folder in made:
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


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
