"""Chunks a second: the input pipeline alone, and training and inference of
each network; of its PyTorch twin too when PyTorch is installed.

    python benchmarks/speed.py --records DIR [--preset compact]

The input pipeline must be at least five times as fast as any training. Without
TF_ENABLE_ONEDNN_OPTS=1 TensorFlow computes as it does by itself, which on processors
without AVX-512 is not as in the commands; bfloat16 is left out where it is slow.
"""

import argparse
import importlib.util
import itertools
import subprocess
import sys
from pathlib import Path

import keras
from timing import BATCH, chunks_a_second, fast_precisions

from vocaltrack.compiling import compile_model
from vocaltrack.config import CLUSTERING_MODELS, MODEL_NAMES, PRESETS, TrainingConfig, preset
from vocaltrack.errors import exits_on_user_error
from vocaltrack.models import build_clustering, build_unet
from vocaltrack.records import Manifest
from vocaltrack.starting import dtype_policy
from vocaltrack.training import examples

TWINS = Path(__file__).with_name("speed_pytorch.py")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--records", required=True)
    parser.add_argument("--preset", choices=tuple(PRESETS), default="compact")
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    manifest = Manifest.load(options.records)
    unet = TrainingConfig("unet", batch_size=BATCH)
    stream = iter(examples(unet, manifest, options.records, "train", 0))
    speed = chunks_a_second(lambda: next(stream), 20 * options.steps)
    print(f"input pipeline alone: {speed:.0f} chunks/s\n")
    print("| network | parameters | precision | training | inference |\n|---|---|---|---|---|")
    for name, precision in itertools.product(MODEL_NAMES, fast_precisions()):
        model = build(name, preset(options.preset), manifest, precision)
        config = TrainingConfig(model=name, precision=precision)
        compile_model(model, config)
        data = list(examples(config, manifest, options.records, "train", 0).take(4))
        print(row(name, precision, model, itertools.cycle(data), options.steps), flush=True)
    print(f"\nkeras {keras.__version__}, batches of {BATCH} chunks", flush=True)
    if importlib.util.find_spec("torch") is None:
        print("PyTorch is not installed; pip install -e '.[benchmark]' adds its twins")
        return
    command = [sys.executable, TWINS, "--preset", options.preset, "--steps", str(options.steps)]
    subprocess.run(command, check=True)


def build(name, configs, manifest, precision):
    """One of the four networks with random weights; a frozen hdc computes in
    float32, as it does in training."""
    clustering, unet = configs
    hdc = build("hdc", configs, manifest, "float32") if name == "uhnet" else None
    with dtype_policy(precision):
        if name in CLUSTERING_MODELS:
            return build_clustering(clustering, manifest.mean, manifest.std, name == "hdc")
        return build_unet(unet, manifest.mean, manifest.std, hdc)


def row(name, precision, model, data, steps):
    train = chunks_a_second(lambda: model.train_on_batch(*next(data)), steps)
    log_mel = next(data)[0]
    infer = chunks_a_second(lambda: model.predict_on_batch(log_mel), steps)
    return f"| {name} | {model.count_params():,} | {precision} | {train:.1f} | {infer:.1f} |"


if __name__ == "__main__":
    with exits_on_user_error():
        main()
