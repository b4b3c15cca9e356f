"""Chunks a second of training with each network that levers.py compares.

    python benchmarks/lever_speed.py

On random chunks, with TF_ENABLE_ONEDNN_OPTS=1 in the environment for the commands'
speed. Run it on a machine that does nothing else.
"""

import argparse
import itertools

import numpy as np
from lever_list import LEVERS, Lever
from levers import build
from timing import BATCH, chunks_a_second

from vocaltrack.compiling import compile_model
from vocaltrack.config import TrainingConfig

STEPS = 10


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    rng = np.random.default_rng(0)
    log_mel = rng.normal(-30.0, 15.0, (BATCH, 128, 128)).astype(np.float32)
    target = rng.random((BATCH, 128, 128, 1), np.float32)
    data = itertools.repeat((log_mel, target, target[..., 0]))
    networks = {"no change": Lever()} | {n: v for n, v in LEVERS.items() if v.network}
    print("| network | parameters | chunks/s |\n|---|---|---|")
    for name, lever in networks.items():
        model = build(lever, np.full(128, -30.0), np.full(128, 15.0), seed=0)
        compile_model(model, TrainingConfig("unet", optimizer="adam"))
        speed = chunks_a_second(lambda: model.train_on_batch(*next(data)), STEPS)
        print(f"| {name} | {model.count_params():,} | {speed:.0f} |", flush=True)


if __name__ == "__main__":
    main()
