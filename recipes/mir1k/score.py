"""Score models under the protocol of Huang et al. (2014) on MIR-1K.

    python recipes/mir1k/score.py DATA/MIR-1K runs/mir1k/saved/unet-0 ... --json FILE

Voice and accompaniment of each test clip are mixed at equal energy; SDR, SIR
and SAR of the voice are those of BSS Eval v3 over the whole clip, NSDR is the
SDR's gain over the mixture's; all are averaged over the clips, weighted by
their length (GNSDR, GSIR, GSAR).
"""

import argparse
import importlib.metadata
import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from protocol import SHARED_BACKING, test_clips
from tqdm import tqdm

from vocaltrack.config import FeatureConfig
from vocaltrack.metrics import bss_eval_sources, mask_psnr, pixel_accuracy

METRICS = ("GNSDR", "GSIR", "GSAR", "PSNR", "accuracy")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", help="folder of MIR-1K")
    parser.add_argument(
        "models", nargs="*", help="folders of SavedModels, or FOLDER:clusters for hdc's k-means"
    )
    parser.add_argument("--json", help="write the scores of every clip here")
    options = parser.parse_args()
    from vocaltrack.separator import Separator

    separators = {}
    for model in options.models:
        folder, _, method = model.partition(":")
        separators[Path(model).name] = Separator(folder, method or None)
    report = score(test_clips(options.root), separators)
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=1) + "\n")
    print(table(report))


def score(clips, separators, features=FeatureConfig(), workers=None):
    """Scores of each clip, and their averages.

    Args:
        clips: what `protocol.test_clips` returns.
        separators: dict from a label to a `Separator`.
        features: `FeatureConfig` of the oracle mask.
        workers: processes that compute BSS Eval; None for one a core.

    Returns:
        JSON-ready dict: "clips" ({clip: {"song", "seconds", "scores"}}),
        "summary" (see `summary`) and "versions".
    """
    context = multiprocessing.get_context("spawn")
    report = {"clips": {}}
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        for name, song in tqdm(clips, desc="separating", unit="clip"):
            stems, estimates, masks = separate_clip(song, separators, features)
            entry = {"song": song.name, "seconds": len(stems[0]) / features.sample_rate}
            entry["scores"] = {
                label: pool.submit(score_voice, stems, estimate, masks["oracle"], masks[label])
                for label, estimate in estimates.items()
            }
            report["clips"][name] = entry
        for entry in tqdm(report["clips"].values(), desc="BSS Eval", unit="clip"):
            entry["scores"] = {label: job.result() for label, job in entry["scores"].items()}
    report["summary"] = summary(report["clips"])
    report["versions"] = {
        name: importlib.metadata.version(name) for name in ("museval", "tensorflow", "keras")
    }
    return report


def separate_clip(song, separators, features):
    """One clip, mixed at equal energy and separated by each system.

    Returns:
        (stems, estimates, masks): float32 [2, samples]; dicts from a system
        to the estimated vocals [samples] and to its mel mask.
    """
    from vocaltrack.evaluation import oracle_mask, oracle_vocals

    vocals, accompaniment = (
        song.load(stem, features.sample_rate) for stem in ("vocals", "accompaniment")
    )
    accompaniment = accompaniment * np.sqrt(np.sum(vocals**2) / np.sum(accompaniment**2))
    mixture = vocals + accompaniment
    target = oracle_mask(vocals, accompaniment, features)
    masks = {"mixture": np.ones_like(target), "oracle": target}
    estimates = {"mixture": mixture, "oracle": oracle_vocals(mixture, target, features)}
    for label, separator in separators.items():
        separation = separator.separate(mixture, features.sample_rate)
        estimates[label], masks[label] = separation.vocals, separation.mask
    return np.stack([vocals, accompaniment]), estimates, masks


def score_voice(stems, estimate, target, mask):
    """BSS Eval v3 of an estimated voice, and PSNR and accuracy of its mask."""
    mixture = stems.sum(axis=0)
    # The mixture's own rest is silence, which BSS Eval refuses; it is its own rest then.
    rest = mixture if np.array_equal(estimate, mixture) else mixture - estimate
    scores = bss_eval_sources(stems, [estimate, rest])
    scores |= {"PSNR": mask_psnr(target, mask), "accuracy": pixel_accuracy(target, mask)}
    return {name: round(value, 3) for name, value in scores.items()}


def summary(clips):
    """Averages over the clips, weighted by their length.

    Args:
        clips: the "clips" of a report.

    Returns:
        dict from system to "all" and "own backing" (without the songs of
        `protocol.SHARED_BACKING`): each a dict from the names in `METRICS`
        to a number, with "silent", the number of clips left out because the
        system returned silence.
    """
    systems = next(iter(clips.values()))["scores"]
    own = {name: clip for name, clip in clips.items() if clip["song"] not in SHARED_BACKING}
    return {
        system: {"all": _averages(clips, system), "own backing": _averages(own, system)}
        for system in systems
    }


def _averages(clips, system):
    heard = [clip for clip in clips.values() if not np.isnan(clip["scores"][system]["SDR"])]
    if not heard:
        return {**dict.fromkeys(METRICS, float("nan")), "silent": len(clips)}
    seconds = [clip["seconds"] for clip in heard]

    def average(metric, less=None):
        values = [clip["scores"][system][metric] for clip in heard]
        before = [clip["scores"][less][metric] if less else 0.0 for clip in heard]
        return float(np.average(np.subtract(values, before), weights=seconds))

    scores = {"GNSDR": average("SDR", less="mixture"), "GSIR": average("SIR")}
    scores["GSAR"] = average("SAR")
    scores |= {metric: average(metric) for metric in ("PSNR", "accuracy")}
    return {**scores, "silent": len(clips) - len(heard)}


def table(report):
    """The summary as a Markdown table."""
    lines = [
        "| system | GNSDR | without shared backings | GSIR | GSAR | mask PSNR | accuracy |",
        "|---|---|---|---|---|---|---|",
    ]
    for system, scores in report["summary"].items():
        all_clips, own = scores["all"], scores["own backing"]
        cells = [f"{all_clips['GNSDR']:.2f}", f"{own['GNSDR']:.2f}"]
        cells += [f"{all_clips[metric]:.2f}" for metric in ("GSIR", "GSAR", "PSNR")]
        silent = f" (silent: {all_clips['silent']} clips)" if all_clips["silent"] else ""
        lines.append(
            f"| {system}{silent} | " + " | ".join(cells) + f" | {all_clips['accuracy']:.3f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
