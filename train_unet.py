"""`vocaltrack train-unet` as a script; see --help."""

import sys

from vocaltrack.cli import main

if __name__ == "__main__":
    sys.exit(main(["train-unet", *sys.argv[1:]]))
