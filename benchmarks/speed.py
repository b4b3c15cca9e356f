"""Chunks a second: the input pipeline alone, and training each network.

    python benchmarks/speed.py --records DIR [--preset compact]

The input pipeline must be at least five times as fast as any training.
"""

import argparse
import itertools
import time

import keras

from vocaltrack.config import PRESETS, preset
from vocaltrack.models import build_clustering, build_unet
from vocaltrack.pipeline import batches, mask_examples
from vocaltrack.records import Manifest
from vocaltrack.training import TrainingConfig, compile_model, examples

BATCH = 32


def chunks_a_second(step, steps):
    """Speed of `step`, called once to warm up and then `steps` times."""
    step()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return steps * BATCH / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", required=True)
    parser.add_argument("--preset", choices=tuple(PRESETS), default="compact")
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    manifest = Manifest.load(options.records)
    clustering, unet = preset(options.preset)
    hdc = build_clustering(clustering, manifest.mean, manifest.std, mask_head=True)
    models = {
        "dc": build_clustering(clustering, manifest.mean, manifest.std),
        "hdc": hdc,
        "unet": build_unet(unet, manifest.mean, manifest.std),
        "uhnet": None,
    }
    print("| what | parameters | chunks/s |\n|---|---|---|")
    stream = batches(manifest, options.records, "train", BATCH, seed=0)
    stream = iter(mask_examples(stream, manifest.features, 0.25))
    speed = chunks_a_second(lambda: next(stream), 20 * options.steps)
    print(f"| input pipeline | | {speed:.0f} |", flush=True)
    for name, model in models.items():
        config = TrainingConfig(model=name)
        if name == "uhnet":
            model = build_unet(unet, manifest.mean, manifest.std, hdc)
        compile_model(model, config)
        data = itertools.cycle(examples(config, manifest, options.records, "train", 0).take(4))
        train = chunks_a_second(lambda: model.train_on_batch(*next(data)), options.steps)
        print(
            f"| train {name} ({options.preset}) | {model.count_params():,} | {train:.1f} |",
            flush=True,
        )
    print(f"\nkeras {keras.__version__}, batch {BATCH}")


if __name__ == "__main__":
    main()
