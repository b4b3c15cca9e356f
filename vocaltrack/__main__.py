"""`python -m vocaltrack`, and the command `vocaltrack`."""

from vocaltrack.cli import main
from vocaltrack.quiet import leave


def run():
    """Run the command that the process was given, and end it."""
    leave(main())


if __name__ == "__main__":
    run()
