"""Signals that end the process: cleanly, and never within a callback."""

import contextlib
import os
import signal
import threading

# Beside Ctrl-C; SIGHUP is not known everywhere.
ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
ALL = (signal.SIGINT, *ENDING)


def end_cleanly():
    """Let what ends the process clean up on the way, as Ctrl-C does."""
    for number in ENDING:
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores one of them
            signal.signal(number, _leave)


def _leave(number, frame):
    raise SystemExit(128 + number)


@contextlib.contextmanager
def at_once():
    """Let Ctrl-C and what else ends the process end it there and then.

    For as long as there is nothing to clean up: libraries that are being loaded
    may swallow the exception that a signal raises.
    """
    # Neither those that are ignored nor another program's.
    numbers = [number for number in ALL if callable(signal.getsignal(number))]
    with _handling(numbers, lambda number, frame: os._exit(128 + number)):
        yield


@contextlib.contextmanager
def uninterrupted():
    """Let Ctrl-C and what else ends the process wait until the block ends.

    An exception that a signal raises within a callback of libsndfile's would
    be printed and lost.
    """
    waiting = []
    try:
        with _handling(ALL, lambda number, frame: waiting.append(number)):
            yield
    finally:
        for number in waiting:
            signal.raise_signal(number)


@contextlib.contextmanager
def _handling(numbers, handler):
    """Handle signals in another way until the block ends; in other threads
    than the main one no signals are handled."""
    # A stack, since a handler that is back may raise before the next one is.
    with contextlib.ExitStack() as before:
        if threading.current_thread() is threading.main_thread():
            for number in numbers:
                back = signal.getsignal(number) or signal.SIG_DFL
                before.callback(signal.signal, number, back)
                signal.signal(number, handler)
        yield
