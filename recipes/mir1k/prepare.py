"""Records of the training songs of the protocol of Huang et al. (2014).

    python recipes/mir1k/prepare.py DATA/MIR-1K -o records/mir1k

Which songs those are stands in protocol.py. The clips of the protocol are sung
throughout, voice and music equally loud, so nobody learns from music alone here.
"""

import argparse

from protocol import training_songs

from vocaltrack.errors import exits_on_user_error
from vocaltrack.mixing import MixtureConfig
from vocaltrack.prepare import prepare

CHUNKS = {"train": 64000, "valid": 1024}
MIXTURES = MixtureConfig(kind_shares=(0.5, 0.5, 0.0), balance_db=(-6.0, 6.0))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", help="folder of MIR-1K")
    parser.add_argument("-o", "--output", required=True, help="folder of the records")
    options = parser.parse_args()
    prepare(training_songs(options.root), options.output, CHUNKS, mixtures=MIXTURES)


if __name__ == "__main__":
    with exits_on_user_error():
        main()
