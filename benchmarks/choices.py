"""The measurements behind the choices in separate.py.

    python benchmarks/choices.py --mir1k DIR --stems DIR [--model uhnet]

Prints, over the validation songs that have both stems (the minute of each in
which the voice is loudest): what the overlap of chunks costs and gains;
whether the mixture's level matters, and its bandwidth; what an end amid the music
does to the half second before it; whether the mask should be smoothed and the phase
refined; what hearing the song at other speeds too gains; one mask for both channels
of a stereo mixture, one each, or a Wiener filter over both; and how well the highest
bands' mask stands for what lies above the network's range. The last two are simulated
on those songs; real_stereo.py measures them on a real one.
"""

import argparse
import time

import librosa
import numpy as np
import soxr
from bandwidth import bandwidths
from excerpts import RATE, add_datasets, loudest, median_and_mean, row, validation_songs
from scipy.ndimage import uniform_filter1d
from stereo import STEREO, in_stereo

from vocaltrack.augmentation import gain
from vocaltrack.errors import exits_on_user_error
from vocaltrack.gains import GainStream
from vocaltrack.mel import mel_centres, mel_to_bins
from vocaltrack.metrics import level_db, si_sdr
from vocaltrack.separator import Separator

SECONDS = 60
EXCERPTS = 7 * RATE + 128 * np.arange(0, 96, 24)  # samples: ends everywhere on the chunks' grid
HOP = 256


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_datasets(parser)
    parser.add_argument("--model", default="uhnet")
    options = parser.parse_args()
    songs = validation_songs(options.mir1k, options.stems)
    pairs = [load(song) for song in songs if len(song.stems) == 2]
    others = [load(song)[1] for song in songs if song.stems == ("accompaniment",)]
    print(f"{options.model}, {len(pairs)} songs\n")
    overlaps(options.model, pairs)
    separator = Separator(options.model)
    levels(separator, pairs)
    bandwidths(separator, pairs, others)
    ends(separator, pairs)
    smoothing(separator, pairs)
    phases(separator, pairs)
    speeds(separator, pairs)
    stereo(separator, pairs, others)
    high_band(separator, pairs)


def load(song):
    """(vocals, accompaniment) [samples] at 16 kHz, the minute in which the
    voice is loudest; None for a stem that is absent."""
    stems = song.load(RATE)
    where = loudest(stems.get("vocals", stems["accompaniment"]), SECONDS)
    stems = {name: stem[where] for name, stem in stems.items()}
    return stems.get("vocals"), stems["accompaniment"]


def overlaps(model, pairs):
    print("| overlap | SI-SDR median (mean) | seconds |\n|---|---|---|")
    for overlap in (0.0, 0.125, 0.25, 0.5, 0.75):
        separator = Separator(model, overlap=overlap)
        separator.separate(pairs[0][0], RATE)  # traces
        start = time.perf_counter()
        scores = [si_sdr(v, separator.separate(v + a, RATE).vocals) for v, a in pairs]
        row(overlap, median_and_mean(scores), f"{time.perf_counter() - start:.1f}")
    print()


def levels(separator, pairs):
    print("| level of the mixture | SI-SDR median (mean) |\n|---|---|")
    for target in (-5, -15, -25, -35, -45, -55):
        scores = []
        for vocals, accompaniment in pairs:
            mixture = (vocals + accompaniment).astype(np.float32)
            factor = gain(target - level_db(mixture))
            scores.append(si_sdr(vocals, separator.separate(mixture * factor, RATE).vocals))
        row(f"{target} dB", median_and_mean(scores))
    print()


def ends(separator, pairs):
    """The half seconds with which excerpts end, in the song and in these."""
    print("| half a second | SI-SDR median (mean) |\n|---|---|")
    scores = {"amid the song": [], "at an excerpt's end": []}
    for vocals, accompaniment in pairs:
        mixture = vocals + accompaniment
        whole = separator.separate(mixture, RATE).vocals
        for number, end in enumerate(range(max(EXCERPTS), len(mixture), max(EXCERPTS))):
            last = slice(end - RATE // 2, end)
            if level_db(vocals[last]) < -35:
                continue
            length = EXCERPTS[number % len(EXCERPTS)]
            excerpt = separator.separate(mixture[end - length : end], RATE).vocals
            scores["amid the song"].append(si_sdr(vocals[last], whole[last]))
            scores["at an excerpt's end"].append(si_sdr(vocals[last], excerpt[-RATE // 2 :]))
    for name, values in scores.items():
        row(name, median_and_mean(values))
    print()


def smoothing(separator, pairs):
    print("| mask averaged over | SI-SDR median (mean) |\n|---|---|")
    scores = {1: [], 3: [], 5: []}
    for vocals, accompaniment in pairs:
        mixture = vocals + accompaniment
        mask = separator.separate(mixture, RATE).mask
        for frames, values in scores.items():
            estimate = masked(mixture, uniform_filter1d(mask, frames, axis=0), separator)
            values.append(si_sdr(vocals, estimate))
    for frames, values in scores.items():
        row(f"{frames} frames", median_and_mean(values))
    print()


def masked(mixture, mask, separator):
    gains = GainStream(1, RATE, separator.features)
    return gains.push(mixture[:, np.newaxis], mask, last=True)[:, 0]


def phases(separator, pairs):
    """Both estimates keep their magnitudes and take over the phase of what is
    consistent with them and with the mixture (MISI, Gunawan and Sen 2010)."""
    print("| consistency iterations | SI-SDR median (mean) |\n|---|---|")
    scores = {0: [], 1: [], 3: [], 10: []}
    for vocals, accompaniment in pairs:
        mixture = vocals + accompaniment
        mask = separator.separate(mixture, RATE).mask[:: HOP // separator.features.hop_length]
        share = (mask @ mel_to_bins(separator.features, RATE, 4 * HOP)).T
        spectra = [share * spectrum(mixture), (1 - share) * spectrum(mixture)]
        magnitudes = [np.abs(values) for values in spectra]
        stems = [waveform(values, len(mixture)) for values in spectra]
        for iteration in range(max(scores) + 1):
            if iteration in scores:
                scores[iteration].append(si_sdr(vocals, stems[0]))
            missing = (mixture - sum(stems)) / 2
            stems = [
                waveform(magnitude * np.exp(1j * np.angle(spectrum(stem + missing))), len(mixture))
                for magnitude, stem in zip(magnitudes, stems)
            ]
    for iteration, values in scores.items():
        row(iteration, median_and_mean(values))
    print()


def spectrum(audio):
    return librosa.stft(audio, n_fft=4 * HOP, hop_length=HOP)


def waveform(complex_spectrum, samples):
    return librosa.istft(complex_spectrum, hop_length=HOP, length=samples)


def speeds(separator, pairs):
    """The mean of what is found in the song as it is and in it played faster or
    slower, and so higher or lower, as in training."""
    print("| heard at the speeds | SI-SDR median (mean) |\n|---|---|")
    scores = {(1.0,): [], (1.0, 1.06): [], (0.94, 1.0, 1.06): []}
    for vocals, accompaniment in pairs:
        mixture = (vocals + accompaniment).astype(np.float32)
        found = {
            speed: at_speed(separator, mixture, speed) for speed in sorted(set().union(*scores))
        }
        for heard, values in scores.items():
            values.append(si_sdr(vocals, np.mean([found[speed] for speed in heard], axis=0)))
    for heard, values in scores.items():
        row(", ".join(f"{speed:g}" for speed in heard), median_and_mean(values))
    print()


def at_speed(separator, mixture, speed):
    played = soxr.resample(mixture, 100 * speed, 100)
    vocals = soxr.resample(separator.separate(played, RATE).vocals, 100, 100 * speed)
    return np.pad(vocals, (0, 100))[: len(mixture)]


def stereo(separator, pairs, others):
    """No stereo songs with stems are at hand: the voice stands in the middle,
    its accompaniment to the left, other music 6 dB lower to the right."""
    print("| stereo | SI-SDR median (mean) |\n|---|---|")
    scores = {name: [] for name in STEREO}
    for number, (vocals, accompaniment) in enumerate(pairs):
        other = np.resize(others[number % len(others)], len(vocals))
        other = other * gain(level_db(accompaniment) - level_db(other) - 6)
        left = vocals + accompaniment + 0.3 * other
        right = vocals + 0.3 * accompaniment + other
        mixture = np.stack([left, right], axis=1).astype(np.float32)
        truth = np.stack([vocals, vocals], axis=1).ravel()
        for name, estimate in zip(STEREO, in_stereo(separator, mixture, RATE)):
            scores[name].append(si_sdr(truth, estimate.ravel()))
    for name, values in scores.items():
        row(name, median_and_mean(values))
    print()


def high_band(separator, pairs):
    """No 44.1 kHz songs with stems are at hand: as if the network heard up to
    4 kHz, the octave above is given the mask of the bands from 3 kHz on."""
    print("| 4 to 8 kHz | SI-SDR there, median (mean) | level against the true vocals' |")
    print("|---|---|---|")
    centres = mel_centres(separator.features)
    scores = {"left out": [], "mask of 3 to 4 kHz": [], "its own mask": []}
    for vocals, accompaniment in pairs:
        mixture = (vocals + accompaniment).astype(np.float32)
        own = separator.separate(mixture, RATE).mask
        highest = own[:, (centres >= 3000) & (centres < 4000)].mean(axis=1, keepdims=True)
        for name, mask in (
            ("left out", np.where(centres < 4000, own, 0.0)),
            ("mask of 3 to 4 kHz", np.where(centres < 4000, own, highest)),
            ("its own mask", own),
        ):
            estimate = masked(mixture, mask.astype(np.float32), separator)
            truth, found = above(vocals, 1 / 4), above(estimate, 1 / 4)
            score = si_sdr(truth, found) if name != "left out" else np.nan
            scores[name].append((score, level_db(found) - level_db(truth)))
    for name, values in scores.items():
        values = np.array(values)
        row(
            name,
            "–" if name == "left out" else median_and_mean(values[:, 0]),
            median_and_mean(values[:, 1]),
        )
    print()


def above(audio, share):
    """What lies above a share of the sample rate, along the first axis."""
    bins = np.fft.rfft(audio, axis=0)
    bins[: round(share * len(audio))] = 0
    return np.fft.irfft(bins, len(audio), axis=0)


if __name__ == "__main__":
    with exits_on_user_error():
        main()
