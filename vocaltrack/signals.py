"""Signals that end the process: cleanly, and never within a callback."""

import contextlib
import os
import signal
import threading

# Beside Ctrl-C; SIGHUP is not known everywhere.
ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


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
    before = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, *ENDING):
                handler = signal.getsignal(number)
                if callable(handler):  # neither ignored nor another program's
                    before[number] = signal.signal(number, _leave_at_once)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave_at_once(number, frame):
    os._exit(128 + number)


@contextlib.contextmanager
def uninterrupted():
    """Let Ctrl-C and what else ends the process wait until the block ends.

    An exception that a signal raises within a callback of libsndfile's would
    be printed and lost.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # where no signals are handled
        return
    waiting, before = [], {}
    try:
        for number in (signal.SIGINT, *ENDING):
            handler = signal.signal(number, lambda number, frame: waiting.append(number))
            before[number] = signal.SIG_DFL if handler is None else handler
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in waiting:
            signal.raise_signal(number)
