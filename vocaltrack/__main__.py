"""`python -m vocaltrack`."""

import sys

from vocaltrack.cli import main

sys.exit(main())
