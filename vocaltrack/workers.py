"""Processes that work for this one and end with it, however it ends."""

import contextlib
import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor


@contextlib.contextmanager
def process_pool(workers):
    """A pool of processes.

    They end at once when the block is left with an error, on Ctrl-C too, of which they
    hear nothing themselves, and when this process is killed.

    Args:
        workers: their number.

    Yields:
        `concurrent.futures.ProcessPoolExecutor`.
    """
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    with (
        reader,
        writer,
        _Pool(workers, context, _end_with, (reader,)) as processes,
    ):
        try:
            yield processes
        except BaseException:
            writer.close()
            raise


class _Pool(ProcessPoolExecutor):
    def submit(self, *call, **options):
        with _deaf_to_interrupts():  # it is here that processes are started
            return super().submit(*call, **options)


def _end_with(reader):
    """End this process when the pipe's other end is closed, by whatever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait():
        with contextlib.suppress(EOFError, OSError):
            reader.recv()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@contextlib.contextmanager
def _deaf_to_interrupts():
    """Let Ctrl-C, which a terminal sends to all processes, reach none that is started
    within the block and still loads its modules."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
