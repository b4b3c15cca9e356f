"""Speed and memory of the whole separate command on made-up songs.

    python benchmarks/separation.py [--model unet] [--seconds 240]

Runs `separate.py` on 44.1 kHz stereo noise with both stems written, and says
how long it took, less what `import tensorflow` takes in a fresh interpreter,
and the most memory it held.
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

SCRIPT = Path(__file__).resolve().parent.parent / "separate.py"
RATE = 44100


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append")
    parser.add_argument("--seconds", type=int, action="append")
    options = parser.parse_args()
    print("| model | audio | TensorFlow | the rest | times real time | peak memory |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for seconds in options.seconds or [30, 240, 3600]:
            song = Path(folder) / f"{seconds}.wav"
            make_song(song, seconds)
            for model in options.model or ["unet", "uhnet"]:
                print(measure(model, song, seconds, Path(folder)), flush=True)


def make_song(path, seconds):
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", RATE, 2, "PCM_16") as file:
        for _ in range(seconds):
            file.write(rng.normal(0, 0.1, (RATE, 2)))


def measure(model, song, seconds, folder):
    command = [sys.executable, SCRIPT, "--model", model, song, folder / "vocals.wav"]
    command += ["--accompaniment", folder / "accompaniment.wav", "--quiet"]
    loading = import_seconds()
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - start
    if status:
        raise SystemExit("separate.py failed")
    rest = took - loading
    return (
        f"| {model} | {seconds} s | {loading:.1f} s | {rest:.1f} s | {seconds / rest:.0f} "
        f"| {usage.ru_maxrss / 1024:.0f} MiB |"
    )


def import_seconds():
    code = "import time; t = time.time(); import tensorflow; print(time.time() - t)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
