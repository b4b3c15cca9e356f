"""Score models under the protocol of Huang et al. (2014) on MIR-1K.

    python recipes/mir1k/score.py DATA/MIR-1K runs/mir1k/saved/unet-0 ... --json FILE

Voice and accompaniment of each test clip are mixed at equal energy; SDR, SIR
and SAR of the voice are those of BSS Eval v3 over the whole clip, NSDR is the
SDR's gain over the mixture's; all are averaged over the clips, weighted by
their length (GNSDR, GSIR, GSAR).
"""

import argparse
from collections import deque
from pathlib import Path

import numpy as np
from protocol import SHARED_BACKING, SPLITS, clips_to_score
from threadpoolctl import threadpool_limits

from vocaltrack.config import FeatureConfig
from vocaltrack.contract import split_method
from vocaltrack.errors import UserError, exits_on_user_error
from vocaltrack.files import check_file_writable
from vocaltrack.jsonfiles import write_json
from vocaltrack.metrics import bss_eval_sources, mask_psnr, pixel_accuracy
from vocaltrack.progress import counted
from vocaltrack.workers import process_pool

SOURCE_METRICS = {"GNSDR": "SDR", "GSIR": "SIR", "GSAR": "SAR"}
MASK_METRICS = ("PSNR", "accuracy")
CLIPS_AHEAD = 8


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", help="folder of MIR-1K")
    parser.add_argument(
        "models", nargs="*", help="folders of SavedModels, or FOLDER:clusters for hdc's k-means"
    )
    parser.add_argument(
        "--split",
        choices=SPLITS,
        default="test",
        help="test: strange singers; valid: songs held out of the singers trained on",
    )
    parser.add_argument("--json", help="write the scores of every clip here")
    options = parser.parse_args()
    if options.json:
        check_file_writable(options.json)
    separate, features = separation_by(load(options.models))
    report = score(clips_to_score(options.root, options.split), separate, features.sample_rate)
    report["split"] = options.split
    if options.json:
        write_json(options.json, report)
    print(table(report))


def load(models):
    """Dict from the name of each model's folder to its `Separator`."""
    from vocaltrack.separator import Separator

    separators = {}
    for model in models:
        folder, method = split_method(model)
        label = Path(model).name
        if label in separators:
            raise UserError(f"two models are named {label}; rename the folder of one")
        # A Path, since the mere names of the models stand for the shipped ones.
        separators[label] = Separator(Path(folder), method)
    return separators


def separation_by(separators):
    """What `score` takes, of `Separator`s.

    Args:
        separators: dict from a label to a `Separator`.

    Returns:
        (separate, features): the function, and the `FeatureConfig` of all separators.

    Raises:
        UserError: the separators' features differ.
    """
    from vocaltrack.evaluation import common_features
    from vocaltrack.song_scores import separate_stems

    features = common_features(separators) if separators else FeatureConfig()
    return lambda *stems: separate_stems(*stems, separators, features), features


def score(clips, separate, sample_rate, workers=None):
    """Scores of each clip, and their averages.

    Args:
        clips: what `protocol.clips_to_score` returns.
        separate: maps vocals and accompaniment, float32 [samples], to (estimates, masks):
            dicts from a system to the vocals that it finds [samples], and to its mel
            mask; the mixture and the oracle are among the systems.
        sample_rate: Hz of these.
        workers: processes that compute BSS Eval; None for one a core.

    Returns:
        JSON-ready dict: "clips" ({clip: {"song", "seconds", "scores"}}),
        "summary" (see `summary`) and "versions".

    Raises:
        UserError: a stem of a clip is silent.
    """
    from vocaltrack.evaluation import versions

    report, waiting = {"clips": {}}, deque()
    with process_pool(workers) as pool:
        for name, song in counted(clips, "scoring", "clip"):
            stems = equally_loud(song, sample_rate)
            estimates, masks = separate(*stems)
            scores = {
                system: {
                    "PSNR": mask_psnr(masks["oracle"], masks[system]),
                    "accuracy": pixel_accuracy(masks["oracle"], masks[system]),
                }
                for system in estimates
            }
            seconds = len(stems[0]) / sample_rate
            report["clips"][name] = {"song": song.name, "seconds": seconds, "scores": scores}
            jobs = {s: pool.submit(score_voice, stems, e) for s, e in estimates.items()}
            waiting.append((scores, jobs))
            if len(waiting) > CLIPS_AHEAD:
                _collect(*waiting.popleft())
        for scores, jobs in waiting:
            _collect(scores, jobs)
    report["summary"] = summary(report["clips"])
    report["versions"] = versions()
    return report


def _collect(scores, jobs):
    for system, job in jobs.items():
        values = {**job.result(), **scores[system]}
        scores[system] = {metric: round(value, 3) for metric, value in values.items()}


def equally_loud(song, sample_rate):
    """The stems of a clip, mixed at equal energy.

    Returns:
        float32 [2, samples]: vocals and accompaniment.

    Raises:
        UserError: one of them is silent.
    """
    vocals, accompaniment = song.load(sample_rate).values()
    energies = np.sum(vocals**2), np.sum(accompaniment**2)
    if not all(energies):
        raise UserError(f"a stem of {song.clips[0].vocals[0].path} is silent")
    return np.stack([vocals, accompaniment * np.sqrt(energies[0] / energies[1])])


def score_voice(stems, estimate):
    """BSS Eval v3 of an estimated voice."""
    # Without permutations the voice's scores do not depend on the second estimate.
    with threadpool_limits(1):  # there is a process for each core
        return bss_eval_sources(stems, [estimate, estimate])


def summary(clips):
    """Averages over the clips, weighted by their length.

    Args:
        clips: the "clips" of a report.

    Returns:
        dict with "clips" and "seconds", and with "systems": dict from system
        to "all" and "own backing" (without the songs of
        `protocol.SHARED_BACKING`): each a dict from GNSDR, GSIR, GSAR, PSNR,
        accuracy to a number, and "silent": how many clips, for which the
        system returned silence, the first three leave out.
    """
    systems = next(iter(clips.values()))["scores"]
    own = [clip for clip in clips.values() if clip["song"] not in SHARED_BACKING]
    return {
        "clips": len(clips),
        "seconds": sum(clip["seconds"] for clip in clips.values()),
        "systems": {
            system: {
                "all": _averages(list(clips.values()), system),
                "own backing": _averages(own, system),
            }
            for system in systems
        },
    }


def _averages(clips, system):
    not_silent = [clip for clip in clips if not np.isnan(clip["scores"][system]["SDR"])]
    averages = {"silent": len(clips) - len(not_silent)}
    for name, metric in SOURCE_METRICS.items():
        values = [
            clip["scores"][system][metric]
            - (clip["scores"]["mixture"]["SDR"] if name == "GNSDR" else 0.0)
            for clip in not_silent
        ]
        averages[name] = weighted(values, not_silent)
    for metric in MASK_METRICS:
        averages[metric] = weighted([clip["scores"][system][metric] for clip in clips], clips)
    return averages


def weighted(values, clips):
    """The mean of values, one a clip, by the clips' length."""
    if not clips:
        return float("nan")
    return float(np.average(values, weights=[clip["seconds"] for clip in clips]))


def table(report):
    """The summary as Markdown.

    Args:
        report: what `score` returns, or the same read from JSON.
    """
    lines = [
        "| system | GNSDR | without shared backings | GSIR | GSAR | mask PSNR | accuracy |",
        "|---|---|---|---|---|---|---|",
    ]
    total, notes = report["summary"], []
    for system, scores in total["systems"].items():
        everything, own = scores["all"], scores["own backing"]
        values = [everything["GNSDR"], own["GNSDR"], everything["GSIR"], everything["GSAR"]]
        cells = [_cell(value) for value in (*values, everything["PSNR"])]
        lines.append(f"| {system} | {' | '.join(cells)} | {everything['accuracy']:.3f} |")
        if everything["silent"]:
            notes.append(
                f"{system} returned silence for {everything['silent']} clips, which its GNSDR, "
                "GSIR and GSAR leave out."
            )
    lines += ["", f"{total['clips']} clips, {total['seconds'] / 60:.0f} minutes.", *notes]
    return "\n".join(lines)


def _cell(value):
    return "–" if value is None or np.isnan(value) else f"{value:.2f}"


if __name__ == "__main__":
    with exits_on_user_error():
        main()
