"""How far apart dc's two clusters lie in songs with and without vocals.

    python benchmarks/cluster_centres.py --mir1k DIR --stems DIR

Prints quantiles of the cosine between the two centres over every fourth
training song with vocals and every eighth without; `SAME_SOURCE_COSINE` in
vocaltrack/clustering.py stands between them.
"""

import argparse

import numpy as np
from excerpts import add_datasets

from vocaltrack.chunks import split_chunks
from vocaltrack.clustering import SongSample, centres_cosine, fit_clusters, fitting_sample
from vocaltrack.contract import find_model
from vocaltrack.datasets import read_mir1k, read_stems
from vocaltrack.errors import exits_on_user_error
from vocaltrack.features import waveform_to_log_mel
from vocaltrack.savedmodel import load

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_datasets(parser)
    parser.add_argument("--model", default="dc")
    options = parser.parse_args()
    model = load(find_model(options.model))
    songs = read_mir1k(options.mir1k) + read_stems(options.stems)
    songs = [song for song in songs if song.split == "train"]
    print("| songs | number | " + " | ".join(f"{q:.0%}" for q in QUANTILES) + " |")
    print("|---|---|" + "---|" * len(QUANTILES))
    for name, chosen in (
        ("with vocals", [song for song in songs if len(song.stems) == 2][::4]),
        ("without", [song for song in songs if song.stems == ("accompaniment",)][::8]),
    ):
        cosines = [cosine(song, model) for song in chosen]
        cells = " | ".join(f"{value:.2f}" for value in np.quantile(cosines, QUANTILES))
        print(f"| {name} | {len(chosen)} | {cells} |", flush=True)


def cosine(song, model):
    features = model.features
    mixture = sum(song.load(features.sample_rate).values())
    sample = SongSample(features)
    log_mel = waveform_to_log_mel(mixture, features)
    sample.push(split_chunks(log_mel, features, overlap=0.0).numpy())
    vectors, _, _ = fitting_sample(sample, model.embeddings, None, features)
    return centres_cosine(fit_clusters(vectors))


if __name__ == "__main__":
    with exits_on_user_error():
        main()
