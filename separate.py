"""`vocaltrack separate` as a script; see --help."""

import sys

from vocaltrack.cli import main

if __name__ == "__main__":
    sys.exit(main(["separate", *sys.argv[1:]]))
