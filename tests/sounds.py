"""Audio, the files that tests make of it, and what they say of those that they refuse."""

import os
import struct
import subprocess

import numpy as np
import pytest
import soundfile

from vocaltrack.errors import UserError


def sine(frequency, rate, seconds, level=0.5):
    time = np.arange(round(rate * seconds)) / rate
    return (level * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def noise(samples, channels=2, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, (samples, channels)).clip(-1, 1)


def rising(white, axis=0):
    """Of white noise one that rises by 12 dB an octave, two samples longer: hardly any of it
    lies below hearing, which no mask lets through."""
    silence = np.zeros_like(white.take([0, 0], axis))
    return np.diff(np.concatenate([silence, white, silence], axis), 2, axis)


def written(path, audio, rate=44100, subtype=None, format=None):
    soundfile.write(path, audio, rate, subtype, format=format)
    return path


def convert(source, target, *options):
    """The target, into which ffmpeg brings the source."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", source, *options, target]
    done = subprocess.run([os.fspath(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this ffmpeg cannot write {target.name}: {done.stderr}")
    return target


def ape_footer(length, flags=0):
    """The end of an APE tag, or its header, which says how long it is with its end."""
    return b"APETAGEX" + struct.pack("<IIII", 2000, length, 1, flags) + bytes(8)


def refusal(call, *words):
    """The call's UserError, which is one line and holds the words."""
    with pytest.raises(UserError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert str(word) in message
    return message


def names(folder):
    return sorted(os.listdir(folder))
