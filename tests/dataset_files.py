"""Tiny made-up recordings of a dataset."""

import numpy as np
import soundfile

RATE = 8000


def noise(seed, seconds=0.2):
    generator = np.random.default_rng(seed)
    return generator.uniform(-0.3, 0.3, round(RATE * seconds)).astype(np.float32)


def write(path, audio, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, rate, subtype="FLOAT")


def splits_of(songs):
    return {song.name: song.split for song in songs}


def sources(folder, seeds):
    """Write {name: noise of a seed} as wav files; return the noises."""
    audio = {name: noise(seed) for name, seed in seeds.items()}
    for name, samples in audio.items():
        write(folder / f"{name}.wav", samples)
    return audio
