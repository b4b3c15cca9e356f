"""Draw the losses of the protocol's U-nets over each other (the paper's Fig. 8).

python recipes/mir1k/curves.py runs/mir1k recipes/mir1k/curves.png
"""

import argparse
import csv
from pathlib import Path

import matplotlib

from vocaltrack.config import read_json
from vocaltrack.errors import exits_on_user_error

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

STYLES = {"unet-0": "C0-", "unet-1": "C0--", "uhnet-0": "C1-", "uhnet-1": "C1--"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, help="folder of the runs")
    parser.add_argument("picture", help="PNG to write")
    options = parser.parse_args()
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for run, style in STYLES.items():
        axes.plot(*curve(options.runs / run, "val_loss"), style, label=run)
    axes.set(title="Mask loss (BCE) on the validation songs", xlabel="steps of 32 chunks")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(options.picture, dpi=100)


def curve(run, column):
    """(steps, values) of a column of a run's log."""
    description = read_json(run / "run.json", "the run")
    with open(run / "log.csv", newline="") as file:
        values = [float(row[column]) for row in csv.DictReader(file)]
    steps = description["training"]["steps_per_epoch"]
    return [steps * (number + 1) for number in range(len(values))], values


if __name__ == "__main__":
    with exits_on_user_error():
        main()
