"""A file that knows whether all that a library wrote to it has arrived."""

import contextlib
import io
import signal
import threading


class WatchedFile(io.FileIO):
    """A new file that takes whatever is written, and remembers the first error.

    libsndfile's encoders (FLAC, Ogg, MP3, ADPCM) pass over a full disk in
    silence; here it is not left to them.

    Args:
        path: the file.

    Attributes:
        error: the `OSError` that kept something from being written, or None.
    """

    def __init__(self, path):
        super().__init__(path, "w+")
        self.error = None

    def write(self, data):
        """Write all of the data, unless something failed before."""
        rest = memoryview(data)
        try:
            while self.error is None and len(rest):
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.error = error
        return len(data)


@contextlib.contextmanager
def uninterrupted():
    """Let Ctrl-C and SIGTERM wait until the block ends.

    An exception that a signal raises within a callback of libsndfile's would
    be printed and lost.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # where no signals are handled
        return
    waiting, before = [], {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.signal(number, lambda number, frame: waiting.append(number))
            before[number] = signal.SIG_DFL if handler is None else handler
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in waiting:
            signal.raise_signal(number)
