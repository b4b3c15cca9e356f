"""How models do on voices that are softer than the music, as in much western pop.

    python benchmarks/soft_voices.py --mir1k DIR --stems DIR --model unet --model uhnet

Three kinds of mixtures of the validation songs, of the 20 s of each in which a
stem is loudest: MIR-1K's songs with the voice 6 dB below the music; the
singers of the stems in turn 5 dB below instrumental music; and the voices of MIR-1K 5 dB below
another song's accompaniment and instrumental music together. SI-SDR in dB, median
(mean) over the mixtures.
"""

import argparse
import itertools

import librosa
from excerpts import RATE, add_datasets, loudest, median_and_mean, validation_songs

from vocaltrack.augmentation import as_loud_as, gain
from vocaltrack.errors import exits_on_user_error
from vocaltrack.metrics import si_sdr
from vocaltrack.separator import Separator

SECONDS = 20


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_datasets(parser)
    parser.add_argument("--model", action="append", required=True, help="may be repeated")
    options = parser.parse_args()
    kinds = mixtures(validation_songs(options.mir1k, options.stems))
    separators = {name: Separator(name) for name in options.model}
    print("| mixtures | mixture | " + " | ".join(separators) + " |")
    print("|" + "---|" * (len(separators) + 2))
    for kind, pairs in kinds.items():
        scores = [[si_sdr(v, v + a) for v, a in pairs]]
        for separator in separators.values():
            scores.append([si_sdr(v, separator.separate(v + a, RATE).vocals) for v, a in pairs])
        cells = [median_and_mean(values) for values in scores]
        print(f"| {len(pairs)} {kind} | " + " | ".join(cells) + " |", flush=True)


def mixtures(songs):
    """Dict from a kind to its list of (vocals, accompaniment), float32 [samples]."""
    own = []
    for song in songs:
        if song.dataset == "MIR-1K":
            stems = song.load(RATE)
            where = loudest(stems["vocals"], SECONDS)
            own.append([fit(stem[where]) for stem in stems.values()])
    singers, music = (
        [
            fit(audio[loudest(audio, SECONDS)])
            for audio in (song.load(RATE)[stem] for song in songs if song.stems == (stem,))
        ]
        for stem in ("vocals", "accompaniment")
    )
    over_music = zip(itertools.cycle(singers), music)
    others = [
        (vocals, own[(number + 5) % len(own)][1], music[3 * number % len(music)])
        for number, (vocals, _) in enumerate(own)
    ]
    return {
        "songs, voice −6 dB": [softer(v, a, 6) for v, a in own],
        f"instrumentals under {len(singers)} singers in turn, −5 dB": [
            softer(v, a, 5) for v, a in over_music
        ],
        "voices over two accompaniments, −5 dB": [
            softer(v, a + as_loud_as(a, b), 5) for v, a, b in others
        ],
    }


def fit(audio):
    return librosa.util.fix_length(audio, size=SECONDS * RATE)


def softer(vocals, accompaniment, decibels):
    music = as_loud_as(vocals, accompaniment)
    return vocals * gain(-decibels), music


if __name__ == "__main__":
    with exits_on_user_error():
        main()
