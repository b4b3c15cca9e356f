"""Models against the mixture and the oracle on songs with true stems."""

import importlib.metadata

import numpy as np
import tensorflow as tf

from vocaltrack.errors import UserError, one_line
from vocaltrack.features import inverse_stft, stft, waveform_to_log_mel
from vocaltrack.masks import apply_mask
from vocaltrack.metrics import (
    bss_eval,
    intersection_over_union,
    level_db,
    mask_psnr,
    mean,
    median,
    pixel_accuracy,
    si_sdr,
)
from vocaltrack.progress import counted
from vocaltrack.targets import proportion_mask

MASK_METRICS = ("PSNR", "accuracy", "IoU")
METRICS = ("SDR", "SIR", "ISR", "SAR", "SI-SDR", "SI-SDRi", *MASK_METRICS)


def evaluate(songs, separators):
    """Score models on songs.

    Args:
        songs: list of `Song`: where both stems sound they are scored; instrumental
            ones tell how much comes out where nobody sings; solo singing and
            silence are left out.
        separators: dict from a label to a `Separator`; all of the same
            features.

    Returns:
        JSON-ready dict: "songs" (scores by song and system), "instrumentals"
        (output level relative to the input in dB), "left_out", "unreadable" (why, by
        song), "heard" (by label, which of the songs the model learnt from, where there
        are such), "summary" (median and mean over songs) and "versions". The systems are
        the labels, "mixture" (the input as its own estimate) and "oracle" (the
        proportion mask computed from the true stems).

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
            stems = song.load(features.sample_rate)
        except (UserError, OSError) as error:
            report["unreadable"][song.key] = one_line(error)
            continue
        if not stems["accompaniment"].any():
            report["left_out"].append(song.key)
        elif "vocals" in stems and stems["vocals"].any():
            report["songs"][song.key] = score_song(
                **stems, separators=separators, features=features
            )
        else:
            report["instrumentals"][song.key] = _leakage(stems["accompaniment"], separators)
    if not report["songs"] and not report["instrumentals"]:
        if report["unreadable"]:
            raise UserError(next(iter(report["unreadable"].values())))
        raise UserError("none of the songs has an accompaniment; nothing can be scored")
    scored = {*report["songs"], *report["instrumentals"]}
    heard = {label: sorted(scored & set(s.model.heard)) for label, s in separators.items()}
    report["heard"] = {label: keys for label, keys in heard.items() if keys}
    report["summary"] = _summary(report)
    report["versions"] = versions()
    report["versions"]["metric"] = (
        "museval BSS Eval v4, 1 s frames, median over the frames in which the vocals sound"
    )
    return report


def versions():
    """Versions of the packages that scores depend on, by name."""
    return {name: importlib.metadata.version(name) for name in ("museval", "tensorflow", "keras")}


def score_song(vocals, accompaniment, separators, features):
    """Scores of the mixture, the oracle and each separator on one song.

    Args:
        vocals, accompaniment: float32 [samples], the true stems.
        separators: dict from a label to a `Separator`.
        features: `FeatureConfig` of the separators.

    Returns:
        dict from system to dict from the names in `METRICS` to a number. The
        mask metrics compare mel masks; for the mixture, a mask of ones.
    """
    mixture = vocals + accompaniment
    estimates, masks = separate_stems(vocals, accompaniment, separators, features)
    target = masks["oracle"]
    before = si_sdr(vocals, mixture)
    scores = {}
    for label, estimate in estimates.items():
        rest = mixture if label == "mixture" else mixture - estimate
        score = bss_eval([vocals, accompaniment], [estimate, rest], features.sample_rate)
        score["SI-SDR"] = si_sdr(vocals, estimate)
        score["SI-SDRi"] = score["SI-SDR"] - before
        score["PSNR"] = mask_psnr(target, masks[label])
        score["accuracy"] = pixel_accuracy(target, masks[label])
        score["IoU"] = intersection_over_union(target, masks[label])
        scores[label] = score
    return scores


def separate_stems(vocals, accompaniment, separators, features):
    """What the mixture, the oracle and each separator make of two stems' sum.

    Args:
        vocals, accompaniment: float32 [samples], the true stems.
        separators: dict from a label to a `Separator`.
        features: `FeatureConfig` of the separators.

    Returns:
        (estimates, masks): dicts from system to the estimated vocals
        [samples], and to its mel mask [frames, n_mels].
    """
    mixture = vocals + accompaniment
    target = oracle_mask(vocals, accompaniment, features)
    masks = {"mixture": np.ones_like(target), "oracle": target}
    estimates = {"mixture": mixture, "oracle": oracle_vocals(mixture, target, features)}
    for label, separator in separators.items():
        separation = separator.separate(mixture, features.sample_rate)
        estimates[label], masks[label] = separation.vocals, separation.mask
    return estimates, masks


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


def oracle_mask(vocals, accompaniment, features):
    """The proportion mask of the true stems.

    Args:
        vocals, accompaniment: float32 [samples].
        features: `FeatureConfig`.

    Returns:
        float32 [frames, n_mels].
    """
    stems = [waveform_to_log_mel(tf.constant(stem), features) for stem in (vocals, accompaniment)]
    return proportion_mask(*stems, features).numpy()


def oracle_vocals(mixture, mask, features):
    """What a mel mask [frames, n_mels] lets through of a mixture [samples]."""
    spectrum = stft(tf.constant(mixture), features)
    return inverse_stft(apply_mask(spectrum, mask, features), len(mixture), features).numpy()


def _leakage(accompaniment, separators):
    """Level of the vocals found in instrumental music, relative to it, in dB."""
    before = level_db(accompaniment)
    return {
        label: level_db(separator.separate(accompaniment, separator.features.sample_rate).vocals)
        - before
        for label, separator in separators.items()
    }


def _summary(report):
    summary = {}
    for system in next(iter(report["songs"].values()), {}):
        silent = [k for k, song in report["songs"].items() if song[system]["SI-SDR"] == -np.inf]
        values = {m: [song[system][m] for song in report["songs"].values()] for m in METRICS}
        summary[system] = {
            metric: {"median": median(v), "mean": mean(v)} for metric, v in values.items()
        }
        summary[system]["silent_songs"] = silent
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
        f"\n{system} returned silence for {len(scores['silent_songs'])} of the songs; their SDR, "
        "SIR, ISR and SAR are undefined and left out, and so is their SI-SDR from the mean."
        for system, scores in report["summary"].items()
        if scores.get("silent_songs")
    ]
    return "\n".join(lines)


def _cell(score, second, digits, word):
    if score is None:
        return "–"

    def show(value):
        return f"{value:.{digits}f}" if value is not None and np.isfinite(value) else word

    return f"{show(score['median'])} ({show(score[second])})"
