"""What masks and filters give the U-net, and the mask head the clustering.

    python recipes/mir1k/compare.py recipes/mir1k/scores*-valid.json recipes/mir1k/scores*-test.json

Gains of one system over another on the same clips, seeds averaged: the mean
weighted by the clips' length, and the standard error over the songs of test, or the
clips of valid, each of which counts once. The reports of a split are taken together. Clips for
which a system returned silence are left out, and in a last row those in which most bins are
wrong.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from score import weighted

from vocaltrack.errors import UserError, exits_on_user_error
from vocaltrack.jsonfiles import read_json

COMPARED = {
    "uhnet over unet": (("unet-0", "unet-1"), ("uhnet-0", "uhnet-1")),
    "uhnet-on over unet-on": (("unet-on-0", "unet-on-1"), ("uhnet-on-0", "uhnet-on-1")),
    "uhnet-tuned over unet-on-0": (("unet-on-0",), ("uhnet-tuned",)),
    "uhnet-of-unet over unet-on-0": (("unet-on-0",), ("uhnet-of-unet",)),
    "uhnet-of-unet over uhnet-on-0": (("uhnet-on-0",), ("uhnet-of-unet",)),
    "uhnet-long over unet-on": (("unet-on-0", "unet-on-1"), ("uhnet-long-0", "uhnet-long-1")),
    "uhnet-long over uhnet-on": (("uhnet-on-0", "uhnet-on-1"), ("uhnet-long-0", "uhnet-long-1")),
    "hdc-long over hdc": (("hdc",), ("hdc-long",)),
    "wide over unet": (("unet-0", "unet-1"), ("wide-0", "wide-1")),
    "wide over uhnet-of-unet": (("uhnet-of-unet",), ("wide-0", "wide-1")),
    "wide-on over wide": (("wide-0", "wide-1"), ("wide-on-0", "wide-on-1")),
    "uhnet-wide over wide-on": (("wide-on-0", "wide-on-1"), ("uhnet-wide-0", "uhnet-wide-1")),
    "uhnet-wide over uhnet-long": (
        ("uhnet-long-0", "uhnet-long-1"),
        ("uhnet-wide-0", "uhnet-wide-1"),
    ),
    "uhnet-wide over unet-on": (("unet-on-0", "unet-on-1"), ("uhnet-wide-0", "uhnet-wide-1")),
    "hdc:clusters over dc": (("dc",), ("hdc:clusters",)),
}
CLUSTERINGS = ("dc", "hdc:clusters")
METRICS = ("SDR", "PSNR", "accuracy")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reports", nargs="+", type=Path, help="what score.py wrote")
    options = parser.parse_args()
    print("| split | gain of | " + " | ".join(METRICS) + " | SDR better in (songs; valid: clips) |")
    print("|" + "---|" * (len(METRICS) + 3))
    for split, clips in by_split(options.reports).items():
        scored = set(next(iter(clips.values()))["scores"])
        for name, (before, after) in COMPARED.items():
            if scored.issuperset(before + after):
                print_row(split, name, clips, before, after)
        if scored.issuperset(CLUSTERINGS):
            print_row(split, *where_clusters_are_right(clips), *COMPARED["hdc:clusters over dc"])


def by_split(paths):
    """Dict from each split to the "clips" of its reports, with the scores of all of them.

    Raises:
        UserError: a file is no report, or one of a split has other clips than another, or
            other scores of the same system.
    """
    splits = {}
    for path in paths:
        report = read_json(path, "the report")
        if not {"clips", "split"} <= set(report):
            raise UserError(f"{path} is no report of score.py")
        clips = splits.setdefault(report["split"], report["clips"])
        if clips.keys() != report["clips"].keys():
            raise UserError(f"{path} is of other clips than the reports before it")
        for name, clip in report["clips"].items():
            scores = clips[name]["scores"]
            for system, values in clip["scores"].items():
                if scores.setdefault(system, values) != values:
                    raise UserError(f"{path} has other scores of {system} than a report before it")
    return splits


def print_row(split, name, clips, before, after):
    unit = "song" if split == "test" else None
    gains = [gain(clips, before, after, metric, unit) for metric in METRICS]
    cells = [cell(*values) for values in gains]
    better = np.mean(gains[METRICS.index("SDR")][1] > 0)
    print(f"| {split} | {name} | " + " | ".join(cells) + f" | {better:.0%} |")


def where_clusters_are_right(clips):
    """(what is left out, the other clips): where both find a voice, the clips in which
    neither has most bins wrong, as when the clusters are the wrong way round."""
    both = not_silent(clips, CLUSTERINGS)
    wrong = {
        system: {name for name, clip in both.items() if clip["scores"][system]["accuracy"] < 0.5}
        for system in CLUSTERINGS
    }
    counts = ", ".join(f"{system} in {len(names)}" for system, names in wrong.items())
    right = {name: clip for name, clip in both.items() if name not in set.union(*wrong.values())}
    return f"the same without clips with most bins wrong ({counts} of {len(both)})", right


def not_silent(clips, systems):
    """The clips for which no system returned silence."""
    return {
        name: clip
        for name, clip in clips.items()
        if all(clip["scores"][system]["SDR"] is not None for system in systems)
    }


def gain(clips, before, after, metric, unit=None):
    """(mean over the clips, means of the songs) of a metric's gain.

    Args:
        clips: the "clips" of a report.
        before, after: names of systems, whose scores are averaged.
        metric: name of the score.
        unit: "song", or None for the clips themselves.

    Returns:
        (float, float array [songs]), or [clips].
    """
    units = defaultdict(list)
    for name, clip in not_silent(clips, (*before, *after)).items():
        scores = clip["scores"]
        values = [np.mean([scores[s][metric] for s in group]) for group in (before, after)]
        units[clip[unit] if unit else name].append((values[1] - values[0], clip))
    every = [pair for pairs in units.values() for pair in pairs]
    means = [weighted(*zip(*pairs)) for pairs in units.values()]
    return weighted(*zip(*every)), np.array(means)


def cell(mean, means):
    error = means.std(ddof=1) / np.sqrt(len(means))
    return f"{mean:+.3f} ± {error:.3f}"


if __name__ == "__main__":
    with exits_on_user_error():
        main()
