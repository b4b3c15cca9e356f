"""What libraries written in C write to stderr, and its loss."""

import contextlib
import os
import sys


@contextlib.contextmanager
def libraries_silenced(verbose=False):
    """Lose what C libraries write to stderr, such as the notes of the mp3
    decoder; what Python writes there is still seen.

    Args:
        verbose: let them write; so does a TF_CPP_MIN_LOG_LEVEL of 0.
    """
    if is_chatter_wanted(verbose):
        yield
        return
    own = sys.stderr
    with stderr_lost() as kept:
        # Tests and other programs may have put something else there.
        if kept is None or own is not sys.__stderr__:
            yield
            return
        own.flush()
        sys.stderr = open(kept, "w", 1, own.encoding, own.errors, closefd=False)
        try:
            yield
        finally:
            sys.stderr.flush()
            sys.stderr = own


@contextlib.contextmanager
def stderr_lost():
    """Lose what is written to file 2; yields a copy of it, None if it is closed."""
    try:
        kept = os.dup(2)
    except OSError:
        yield None
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield kept
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def is_chatter_wanted(verbose):
    """Whether libraries may write: so was asked, or TF_CPP_MIN_LOG_LEVEL is 0."""
    # JAX, which Keras loads where it is installed, sets 1.
    return verbose or os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0"
