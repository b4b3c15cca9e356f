"""The one error a user can mend, and lines that are printed where somebody reads."""

import contextlib
import re
import sys

# What TensorFlow puts around its messages.
_OF_TENSORFLOW = re.compile(r"\{\{function_node [^{}]*\}\}|\[Op:\w+\]")


class UserError(Exception):
    """Something the user gave is wrong; the message says what and what to do.

    The command line prints the message as one line and exits with code 2.
    """


def one_line(error):
    """The message of any exception as a single printable line; that of an `OSError`
    begins with the file it is about."""
    is_of_a_file = isinstance(error, OSError) and error.filename is not None
    text = f"{error.filename}: {error.strerror}" if is_of_a_file else str(error)
    text = " ".join(_OF_TENSORFLOW.sub("", text).split())
    return text or type(error).__name__


def first_of(names):
    """The first of some names, and how many more there are: "a and 2 more"."""
    return f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]


def number_of(count, thing):
    """So many things: "1 song", "2 songs"."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def tell(error):
    """Print an error that a user can mend as one line on stderr."""
    say(f"vocaltrack: error: {one_line(error)}", sys.stderr or sys.stdout)


def say(text, file=None):
    """Print, if somebody reads (not so in `| head -1`) and there is room for it."""
    with contextlib.suppress(OSError):
        print(text, file=file, flush=True)


def remark(text):
    """Print beside the results, on stderr, where there is one."""
    if sys.stderr is not None:
        say(text, sys.stderr)


def warn(text):
    """Print on stderr what somebody should know of a result."""
    remark(f"warning: {text}")


def show(text):
    """Print what a command is for, if somebody reads.

    Raises:
        UserError: there is no room for it.
    """
    try:
        with contextlib.suppress(BrokenPipeError):
            print(text, flush=True)
    except OSError as error:
        raise UserError(f"the output cannot be printed: {error.strerror}") from error


@contextlib.contextmanager
def exits_on_user_error():
    """Turn an error that a user can mend into one line and exit code 2."""
    try:
        yield
    except (UserError, OSError) as error:
        tell(error)
        raise SystemExit(2) from error
