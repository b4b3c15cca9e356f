"""Stereo and the highest bands on a real song.

    python benchmarks/real_stereo.py [--model uhnet]

Prints what choices.py simulates, measured on the one stereo song at 44.1 kHz with true
stems that is at hand: 6 s of The Easton Ellises' *Falcon 69*, which come with stempeg (a
part of museval) and need ffmpeg.
"""

import argparse

import librosa
import numpy as np
from choices import above
from excerpts import RATE, row
from stereo import STEREO, in_stereo

from vocaltrack.audio import read_audio
from vocaltrack.errors import exits_on_user_error
from vocaltrack.files import package_folder
from vocaltrack.metrics import level_db, si_sdr
from vocaltrack.separator import Separator


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="uhnet")
    options = parser.parse_args()
    mixture, vocals, rate = song()
    separator = Separator(options.model)
    heard = librosa.resample(mixture, orig_sr=rate, target_sr=RATE, axis=0)
    heard = separator.separate(heard, RATE).vocals
    heard = librosa.util.fix_length(
        librosa.resample(heard, orig_sr=RATE, target_sr=rate, axis=0), size=len(mixture), axis=0
    )
    print("| Falcon 69 | SI-SDR | level above 8 kHz against the true vocals' |\n|---|---|---|")
    for name, estimate in (
        ("the mixture itself", mixture),
        *zip(STEREO, in_stereo(separator, mixture, rate)),
        ("one mask, nothing above 8 kHz", heard),
    ):
        level = level_db(above(estimate, 8000 / rate)) - level_db(above(vocals, 8000 / rate))
        row(name, f"{si_sdr(vocals.ravel(), estimate.ravel()):.2f}", f"{level:.1f}")


def song():
    """(mixture, vocals, sample rate), float32 [samples, 2]."""
    (path,) = package_folder("stempeg").glob("data/*.stem.mp4")
    tracks = [read_audio(path, number) for number in range(5)]
    stems = np.stack([audio for audio, _ in tracks])
    rate = tracks[0][1]
    return stems[1:].sum(axis=0), stems[4], rate


if __name__ == "__main__":
    with exits_on_user_error():
        main()
