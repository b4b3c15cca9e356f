"""Speed and memory of the whole separate command on made-up songs.

    python benchmarks/separation.py [--model unet] [--seconds 240] [--runs 5] [--jobs 1]

Runs `separate.py` on 44.1 kHz stereo noise with both stems written, and says
how long it took, less what it takes to load TensorFlow in a fresh interpreter
just before, and the most memory it held: median of the runs (slowest).
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from vocaltrack.config import UNETS

SCRIPT = Path(__file__).resolve().parent.parent / "separate.py"
RATE = 44100


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append")
    parser.add_argument("--seconds", type=int, action="append")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--jobs", type=int, help="of separate.py; all cores without it")
    options = parser.parse_args()
    print("| model | audio | TensorFlow | the rest | times real time | peak memory |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for seconds in options.seconds or [30, 240, 3600]:
            song = Path(folder) / f"{seconds}.wav"
            make_song(song, seconds)
            for model in options.model or UNETS:
                runs = [
                    measure(model, song, Path(folder), options.jobs) for _ in range(options.runs)
                ]
                print(row(model, seconds, runs), flush=True)


def make_song(path, seconds):
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", RATE, 2, "PCM_16", format="RF64") as file:
        for _ in range(seconds):
            file.write(rng.normal(0, 0.1, (RATE, 2)))


def measure(model, song, folder, jobs):
    """(seconds of TensorFlow's import, seconds of the rest, MiB) of one run."""
    command = [sys.executable, SCRIPT, "--model", model, song, folder / "vocals.wav"]
    command += ["--accompaniment", folder / "accompaniment.wav", "--quiet"]
    command += [] if jobs is None else ["--jobs", str(jobs)]
    loading = import_seconds()
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - start
    if status:
        raise SystemExit("separate.py failed")
    return loading, took - loading, usage.ru_maxrss / 1024


def row(model, seconds, runs):
    loading, rest, memory = np.median(runs, axis=0)
    _, slowest, most = np.max(runs, axis=0)
    return (
        f"| {model} | {seconds} s | {loading:.1f} s | {rest:.1f} s ({slowest:.1f} s) "
        f"| {seconds / rest:.0f} ({seconds / slowest:.0f}) | {memory:.0f} MiB ({most:.0f}) |"
    )


def import_seconds():
    code = """
import time
from vocaltrack.tensorflow_loading import load_tensorflow, without_extras
start = time.perf_counter()
with without_extras():
    load_tensorflow()
print(time.perf_counter() - start)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
