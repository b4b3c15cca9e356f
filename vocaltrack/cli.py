"""The command line: `vocaltrack <command>` and the top-level scripts.

Nothing heavy is imported here; `vocaltrack.commands` loads what each command
needs when it runs, so that --help answers at once.
"""

import argparse
import contextlib
import os
import sys

from vocaltrack import __version__, options, signals, training_options
from vocaltrack.errors import UserError, say, tell
from vocaltrack.processor import numpy_in_one_thread

RESUMABLE = ("prepare", "train-clustering", "train-unet")


def main(arguments=None):
    """Run a command.

    Args:
        arguments: the words after the program's name; the process's own when
            None.

    Returns:
        the exit code: 0, or 2 with one line on stderr for what the user can
        mend, or 1 when some of several files failed, or 130 after Ctrl-C.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    chosen = build_parser().parse_args(_without_dashes(words))
    signals.end_cleanly()
    numpy_in_one_thread()
    if sys.stdout is None:  # closed, which libraries do not expect
        sys.stdout = open(os.devnull, "w")
    if hasattr(sys.stdout, "reconfigure"):  # names of files may be beyond what a terminal shows
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        if chosen.command != "separate":  # which takes any name
            for word in words:
                word.encode()
        from vocaltrack import commands

        return getattr(commands, chosen.command.replace("-", "_"))(chosen) or 0
    except (UserError, OSError) as error:
        tell(error)
        return 2
    except UnicodeEncodeError as error:
        tell(f"the name {error.object[:99]!r} is no UTF-8; rename the file or folder")
        return 2
    except RuntimeError as error:
        if "no locator available" not in str(error):  # of numba, which librosa loads
            raise
        tell("librosa has no folder for its cache; let NUMBA_CACHE_DIR name one")
        return 2
    except ModuleNotFoundError as error:
        tell(
            f"{error.name} is not installed for {sys.executable}; activate the environment "
            "(. .venv/bin/activate), or make one as the README says"
        )
        return 2
    except KeyboardInterrupt:
        rest = "; the same command goes on where it was" if chosen.command in RESUMABLE else ""
        say(f"vocaltrack: interrupted{rest}", sys.stderr or sys.stdout)
        return 130
    finally:
        _forget_unwritten()


def _forget_unwritten():
    """Let Python not complain, as it ends, of lines that nobody read or had room for."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def leave(code):
    """End the process at once; TensorFlow would take a second to tidy up."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    os._exit(code)


def _without_dashes(words):
    """What stands after -- are paths: ./ before those that look like options,
    since the parser forgets the -- on its second way through the words."""
    if "--" not in words:
        return words
    end = words.index("--")
    return words[:end] + [f"./{w}" if w.startswith("-") else w for w in words[end + 1 :]]


class _Parser(argparse.ArgumentParser):
    """Takes options between the files, and says in one line, without the usage,
    what is wrong with the words given."""

    _within = False

    def parse_known_args(self, args=None, namespace=None):
        if self._within or self._subparsers is not None:
            return super().parse_known_args(args, namespace)
        self._within = True  # of the next call, which comes back here
        try:
            chosen, unknown = self.parse_known_intermixed_args(args, namespace)
        finally:
            self._within = False
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return chosen, unknown

    def error(self, message):
        tell(f"{message}; {self.prog} --help tells what can be given")
        raise SystemExit(2)


class _Formatter(argparse.ArgumentDefaultsHelpFormatter):
    """Names the defaults that are values; the others stand in the texts."""

    def _get_help_string(self, action):
        if action.default in (None, []) or action.default is False:
            return action.help
        return super()._get_help_string(action)


def build_parser():
    """The parser of all commands."""
    parser = _Parser(
        prog="vocaltrack", description="Vocal track extraction: prepare, train, separate, evaluate."
    )
    parser.add_argument("--version", action="version", version=f"vocaltrack {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, add_options, summary in (
        ("separate", options.add_separate, "extract the vocals of an audio file"),
        ("evaluate", options.add_evaluate, "score models on songs with true stems"),
        ("prepare", options.add_prepare, "turn datasets into TFRecords of mel chunks"),
        ("train-clustering", training_options.add_train_clustering, "train dc or hdc"),
        ("train-unet", training_options.add_train_unet, "train unet or uhnet"),
        ("export", options.add_export, "write a trained run as a SavedModel"),
    ):
        command = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            formatter_class=_Formatter,
        )
        add_options(command)
    return parser
