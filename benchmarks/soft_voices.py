"""How models do on voices that are softer than the music, as in much western pop.

    python benchmarks/soft_voices.py --mir1k DIR --stems DIR --model unet --model uhnet

Three kinds of mixtures of the validation songs, of the 20 s of each in which a
stem is loudest: MIR-1K's songs with the voice 6 dB below the music; the singers
of the stems 5 dB below instrumental music; and the voices of MIR-1K 5 dB below
another song's accompaniment and instrumental music together. SI-SDR in dB, median
(mean) over the mixtures.
"""

import argparse
import itertools

import librosa
import numpy as np

from vocaltrack.augmentation import as_loud_as, gain, rms
from vocaltrack.datasets import read_mir1k, read_stems
from vocaltrack.metrics import si_sdr
from vocaltrack.separator import Separator

RATE = 16000
SAMPLES = 20 * RATE


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mir1k", required=True)
    parser.add_argument("--stems", required=True)
    parser.add_argument("--model", action="append", required=True, help="may be repeated")
    options = parser.parse_args()
    kinds = mixtures(valid(read_mir1k(options.mir1k)), valid(read_stems(options.stems)))
    separators = {name: Separator(name) for name in options.model}
    print("| mixtures | mixture | " + " | ".join(separators) + " |")
    print("|" + "---|" * (len(separators) + 2))
    for kind, pairs in kinds.items():
        scores = [[si_sdr(v, v + a) for v, a in pairs]]
        for separator in separators.values():
            scores.append([si_sdr(v, separator.separate(v + a, RATE).vocals) for v, a in pairs])
        cells = [f"{np.median(values):.2f} ({np.mean(values):.2f})" for values in scores]
        print(f"| {len(pairs)} {kind} | " + " | ".join(cells) + " |", flush=True)


def valid(songs):
    return [song for song in songs if song.split == "valid"]


def mixtures(mir1k, stems):
    """Dict from a kind to its list of (vocals, accompaniment), float32 [samples]."""
    own = []
    for song in mir1k:
        vocals, first = loudest(song.load("vocals", RATE))
        own.append((vocals, fit(song.load("accompaniment", RATE)[first:])))
    singers, music = (
        [loudest(song.load(stem, RATE))[0] for song in stems if song.stems == (stem,)]
        for stem in ("vocals", "accompaniment")
    )
    over_music = zip(itertools.cycle(singers), music)
    others = [
        (vocals, own[(number + 5) % len(own)][1], music[3 * number % len(music)])
        for number, (vocals, _) in enumerate(own)
    ]
    return {
        "songs, voice −6 dB": [softer(v, a, 6) for v, a in own],
        "singers over instrumentals, −5 dB": [softer(v, a, 5) for v, a in over_music],
        "voices over two accompaniments, −5 dB": [
            softer(v, a + as_loud_as(a, b), 5) for v, a, b in others
        ],
    }


def loudest(audio):
    """(its loudest 20 s, where they begin); shorter ones end in silence."""
    audio = fit(audio) if len(audio) < SAMPLES else audio
    starts = range(0, len(audio) - SAMPLES + 1, RATE)
    first = max(starts, key=lambda start: rms(audio[start : start + SAMPLES]))
    return audio[first : first + SAMPLES], first


def fit(audio):
    return librosa.util.fix_length(audio, size=SAMPLES)


def softer(vocals, accompaniment, decibels):
    music = as_loud_as(vocals, accompaniment)
    return vocals * gain(-decibels), music


if __name__ == "__main__":
    main()
