"""`vocaltrack separate` as a script; see --help."""

import sys

from vocaltrack.cli import leave, main

if __name__ == "__main__":
    leave(main(["separate", *sys.argv[1:]]))
