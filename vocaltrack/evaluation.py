"""Models against the mixture and the oracle on songs with true stems."""

import importlib.metadata

import numpy as np

from vocaltrack.errors import UserError, number_of, one_line
from vocaltrack.metrics import METRICS, mean, median
from vocaltrack.progress import counted, say_beside_bar
from vocaltrack.song_scores import leakage, score_native, score_song

# What a report says of its metric.
_BSS_EVAL = "museval BSS Eval v4, 1 s frames, median over "
METRIC = (
    _BSS_EVAL
    + "the frames in which the vocals sound (SDR 0 dB where none come out; filters regularised)"
)
METRIC_NATIVE = _BSS_EVAL + "all frames that it scores, at each song's own rate and channels"


def evaluate(songs, separators, native=False):
    """Score models on songs.

    Args:
        songs: list of `Song`: where both stems sound they are scored; instrumental
            ones tell how much comes out where nobody sings; solo singing and
            silence are left out.
        separators: dict from a label to a `Separator`; all of the same
            features.
        native: score at each song's own rate and channels, as the tables on MUSDB18
            have it, and no masks; else what the networks hear, the mean of the
            channels at the features' rate.

    Returns:
        JSON-ready dict: "songs" (scores by song and system), "instrumentals"
        (output level relative to the input in dB), "left_out", "unreadable" (why, by
        song), "heard" and "validated" (by label, from which of the songs the model learnt,
        and which chose its weights, where there are such), "summary" (median and mean
        over songs) and "versions". The systems are the labels, "mixture" (the input as
        its own estimate) and "oracle" (the proportion mask computed from the true stems).

    Raises:
        UserError: no song has an accompaniment, none can be read, or features differ.
    """
    features = common_features(separators)
    report = {"songs": {}, "instrumentals": {}, "left_out": [], "unreadable": {}}
    for song in counted(songs, "evaluating", "song"):
        if "accompaniment" not in song.stems:
            report["left_out"].append(song.key)
            continue
        try:
            rate, channels = song.own_format() if native else (features.sample_rate, None)
            stems = song.load(rate, channels)
        except (UserError, OSError) as error:
            report["unreadable"][song.key] = one_line(error)
            continue
        if not stems["accompaniment"].any():
            report["left_out"].append(song.key)
        elif "vocals" in stems and stems["vocals"].any():
            report["songs"][song.key] = (
                score_native(**stems, separators=separators, features=features, sample_rate=rate)
                if native
                else score_song(**stems, separators=separators, features=features)
            )
        else:
            if "vocals" in stems:
                say_beside_bar(
                    f"warning: the vocals of {song.key} are silent (the mean of their channels, "
                    "unless --native); it is scored as an instrumental"
                )
            report["instrumentals"][song.key] = leakage(stems["accompaniment"], separators, rate)
    if not report["songs"] and not report["instrumentals"]:
        if report["unreadable"]:
            raise UserError(next(iter(report["unreadable"].values())))
        raise UserError("none of the songs has an accompaniment; nothing can be scored")
    scored = {*report["songs"], *report["instrumentals"]}
    for what in ("heard", "validated"):
        known = {
            label: sorted(scored & set(getattr(separator.model, what)))
            for label, separator in separators.items()
        }
        report[what] = {label: keys for label, keys in known.items() if keys}
    report["summary"] = _summary(report)
    report["versions"] = versions()
    report["versions"]["metric"] = METRIC_NATIVE if native else METRIC
    return report


def versions():
    """Versions of the packages that scores depend on, by name."""
    return {name: importlib.metadata.version(name) for name in ("museval", "tensorflow", "keras")}


def common_features(separators):
    """The `FeatureConfig` of all separators.

    Args:
        separators: dict from a label to a `Separator`, at least one.

    Raises:
        UserError: their features differ, or one is named as what is scored beside them.
    """
    taken = sorted({"mixture", "oracle"} & set(separators))
    if taken:
        raise UserError(f"a model is named {taken[0]}, as what is scored beside it; rename it")
    first_label, first = next(iter(separators.items()))
    for label, separator in separators.items():
        first.features.check_same(separator.features, first_label, label)
    return first.features


def _summary(report):
    summary = {}
    for system in next(iter(report["songs"].values()), {}):
        silent = [k for k, song in report["songs"].items() if song[system]["SI-SDR"] == -np.inf]
        scored = next(iter(report["songs"].values()))[system]
        values = {m: [song[system][m] for song in report["songs"].values()] for m in scored}
        summary[system] = {
            metric: {"median": median(v), "mean": mean(v)} for metric, v in values.items()
        }
        summary[system]["silent_songs"] = silent
        summary[system]["unscored_songs"] = [
            key
            for key, song in report["songs"].items()
            if key not in silent and not np.isfinite(song[system]["SDR"])
        ]
    for system in next(iter(report["instrumentals"].values()), {}):
        leaks = [song[system] for song in report["instrumentals"].values()]
        leak = {"median": median(leaks), "worst": float(np.max(leaks))}
        summary.setdefault(system, {})["instrumental_db"] = leak
    return summary


def table(report):
    """The summary as a Markdown table.

    Args:
        report: what `evaluate` returns, or the same read from JSON, where
            null stands for what is no number.

    Returns:
        text: median (mean) over the songs, and for instrumentals the
        output's level in dB, median (worst).
    """
    heads = ["system", *METRICS, "instrumentals"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for system, scores in report["summary"].items():
        cells = [system]
        for metric in METRICS:
            digits = 3 if metric in ("accuracy", "IoU") else 2
            cells.append(_cell(scores.get(metric), "mean", digits, "–"))
        cells.append(_cell(scores.get("instrumental_db"), "worst", 1, "silent"))
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        _of_silence(system, scores["silent_songs"], report["songs"])
        for system, scores in report["summary"].items()
        if scores.get("silent_songs")
    ]
    lines += [
        f"\n{system} has no SDR, SIR, ISR and SAR for {number_of(len(unscored), 'song')} "
        f"({unscored[0]}): in no second of it do both stems sound."
        for system, scores in report["summary"].items()
        if (unscored := scores.get("unscored_songs"))
    ]
    return "\n".join(lines)


def _of_silence(system, silent, songs):
    score = songs[silent[0]][system]
    sdr = "" if np.isfinite(np.array(score["SDR"], float)) else "SDR, "
    return (
        f"\n{system} returned silence for {len(silent)} of the songs; their {sdr}SIR, ISR and SAR "
        "are undefined and left out, and so is their SI-SDR from the mean."
    )


def _cell(score, second, digits, word):
    if score is None:
        return "–"

    def show(value):
        return f"{value:.{digits}f}" if value is not None and np.isfinite(value) else word

    return f"{show(score['median'])} ({show(score[second])})"
