"""Draw the losses of the protocol's networks over each other: deep clustering
alone and with the mask head (the paper's Fig. 6), the U-net without and with
the masks (Fig. 8).

    python recipes/mir1k/curves.py runs/mir1k recipes/mir1k/curves.png
"""

import argparse
from pathlib import Path

from vocaltrack.errors import exits_on_user_error
from vocaltrack.jsonfiles import read_json
from vocaltrack.run_files import read_log

CLUSTERING = {"dc": ("val_loss", "C0-"), "hdc": ("val_embeddings_loss", "C1-")}
UNETS = {"unet-0": "C0-", "unet-1": "C0--", "uhnet-0": "C1-", "uhnet-1": "C1--"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, help="folder of the runs")
    parser.add_argument("picture", help="PNG to write")
    options = parser.parse_args()

    import matplotlib  # which the tests do without

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4), layout="constrained")
    for run, (column, style) in CLUSTERING.items():
        left.plot(*curve(options.runs / run, column), style, label=run)
    left.set_title("Clustering loss on the validation songs")
    for run, style in UNETS.items():
        right.plot(*curve(options.runs / run, "val_loss"), style, label=run)
    right.set_title("Mask loss (BCE) on the validation songs")
    for axes in (left, right):
        # One early loss that is far off would flatten all the rest.
        curves = [line.get_ydata() for line in axes.lines]
        axes.set_ylim(0.98 * min(map(min, curves)), 1.02 * max(values[0] for values in curves))
        axes.set_xlabel("steps of 32 chunks")
        axes.legend()
        axes.grid(alpha=0.3)
    figure.savefig(options.picture, dpi=100)


def curve(run, column):
    """(steps, values) of a column of a run's log."""
    description = read_json(run / "run.json", "the run")
    values = [float(row[column]) for row in read_log(run)]
    steps = description["training"]["steps_per_epoch"]
    return [steps * (number + 1) for number in range(len(values))], values


if __name__ == "__main__":
    with exits_on_user_error():
        main()
