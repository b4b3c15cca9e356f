"""A file that knows whether all that a library wrote to it has arrived."""

import io


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
