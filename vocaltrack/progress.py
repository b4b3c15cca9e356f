"""Progress bars: of things, and of seconds of audio with the speed."""

import contextlib
import sys

from tqdm import tqdm

from vocaltrack.errors import remark

CLEAR_LINE = "\r\x1b[K"


class _Bar(tqdm):
    @property
    def format_dict(self):
        values = super().format_dict
        if values["total"] is not None:  # a guess may be short, and beyond it tqdm complains
            values["n"] = min(values["n"], values["total"])
        return values | {"speed": f"{values['rate'] or 0.0:.0f} times real time"}


def counted(items, what, unit):
    """Go through items under a bar on stderr, where there is one; in a log it moves but once
    a minute.

    Args:
        items: a sequence.
        what: what is done with them, e.g. "evaluating".
        unit: of which they are, e.g. "song".

    Returns:
        `tqdm.tqdm`, an iterable over the items.
    """
    pauses = {} if on_terminal(sys.stderr) else {"mininterval": 60.0, "maxinterval": 60.0}
    return tqdm(items, desc=what, unit=unit, disable=sys.stderr is None, **pauses)


def on_terminal(stream):
    """Whether what is printed to a stream, which may be None, is read as it comes."""
    return stream is not None and stream.isatty()


def say_beside_bar(text):
    """Print on stderr; a bar there, of another process too, is drawn again below the text."""
    remark(CLEAR_LINE + text if on_terminal(sys.stderr) else text)


@contextlib.contextmanager
def progress_bar(file, quiet=False):
    """Show how far a separation is, on stderr when that is a terminal.

    Args:
        file: `AudioFile`.
        quiet: show nothing.

    Yields:
        function of the seconds done.
    """
    total = None if file.samples is None else file.samples / file.sample_rate
    form = "{desc}: {n:.0f} of {total:.0f} s |{bar}| {speed}, {remaining} to go"
    if total is None:
        form = "{desc}: {n:.0f} s, {speed}"
    with _Bar(
        desc=" ".join(file.path.name.split()),
        total=total,
        disable=True if quiet or sys.stderr is None else None,
        bar_format=form,
        leave=False,
    ) as bar:
        yield lambda seconds: bar.update(seconds - bar.n)
