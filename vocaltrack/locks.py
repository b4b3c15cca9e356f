"""One process at a time in a folder of records or of a run."""

import contextlib
import os

from vocaltrack.errors import UserError

try:
    import fcntl
except ImportError:  # Windows has none, and does without
    fcntl = None


@contextlib.contextmanager
def alone_in(folder):
    """Keep other processes out of a folder while the block runs; the system lets
    go of the folder of a process that dies.

    Args:
        folder: an existing folder.

    Raises:
        UserError: another process works there.
    """
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"another process works in {folder}; wait for its end or give another folder"
            ) from error
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(descriptor)
