"""The one error a user can mend, told in one line."""


class UserError(Exception):
    """Something the user gave is wrong; the message says what and what to do.

    The command line prints the message as one line and exits with code 2.
    """


def one_line(error):
    """The message of any exception as a single printable line."""
    text = " ".join(str(error).split())
    return text or type(error).__name__
