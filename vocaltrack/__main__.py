"""`python -m vocaltrack`, and the command `vocaltrack`."""

import sys

from vocaltrack.cli import leave, main


def run():
    """Run the command that the process was given, and end it."""
    code = main()
    if sys.argv[1:2] == ["separate"]:
        leave(code)
    sys.exit(code)  # TensorFlow deletes its temporary files, which tracing a network leaves


if __name__ == "__main__":
    run()
