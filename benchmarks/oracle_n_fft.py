"""The ceiling of a perfect mel mask for several STFT frame lengths.

    python benchmarks/oracle_n_fft.py --mir1k DIR --stems DIR

Prints the median and mean over the validation songs of the SI-SDR and SDR
that the oracle proportion mask reaches on 128 mel bands with hop 128.
"""

import argparse

import numpy as np
import tensorflow as tf
from excerpts import add_datasets, median_and_mean, validation_songs

from vocaltrack.config import FeatureConfig
from vocaltrack.errors import exits_on_user_error
from vocaltrack.metrics import si_sdr
from vocaltrack.song_scores import oracle_mask, oracle_vocals


def plain_sdr(reference, estimate):
    """10 log10 of the reference's over the error's energy."""
    return 10.0 * np.log10(np.sum(reference**2) / np.sum((reference - estimate) ** 2))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_datasets(parser)
    options = parser.parse_args()
    songs = validation_songs(options.mir1k, options.stems)
    songs = [song for song in songs if len(song.stems) == 2]
    print(f"{len(songs)} songs, tensorflow {tf.__version__}")
    print("| n_fft | SI-SDR median (mean) | SDR median (mean) |\n|---|---|---|")
    for n_fft in (512, 1024, 2048):
        features = FeatureConfig(n_fft=n_fft)
        scores = []
        for song in songs:
            stems = list(song.load(features.sample_rate).values())
            estimate = oracle_vocals(sum(stems), oracle_mask(*stems, features), features)
            scores.append((si_sdr(stems[0], estimate), plain_sdr(stems[0], estimate)))
        cells = [median_and_mean(values) for values in zip(*scores)]
        print(f"| {n_fft} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    with exits_on_user_error():
        main()
