"""Scores of separated audio and of masks."""

import importlib.util
import types

import numpy as np

from vocaltrack.files import package_folder

SOUND_METRICS = ("SDR", "SIR", "ISR", "SAR", "SI-SDR", "SI-SDRi")
METRICS = (*SOUND_METRICS, "PSNR", "accuracy", "IoU")
RIDGE = 1e-7
SILENT_FRAME_DB = 60.0


def _import_museval_metrics(solve=np.linalg.solve):
    """`museval.metrics` alone, a module of its own that solves linear equations by `solve`:
    importing museval as a whole needs ffmpeg, which stempeg insists on, and its BSS Eval
    does not."""
    spec = importlib.util.spec_from_file_location(
        "vocaltrack.museval_metrics", package_folder("museval") / "metrics.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # It knows LinAlgError as np.linalg.linalg's, which NumPy has no more since 2.4.
    linalg = types.SimpleNamespace(**{**vars(np.linalg), "linalg": np.linalg, "solve": solve})
    module.np = types.SimpleNamespace(**{**vars(np), "linalg": linalg})
    return module


def _solve_with_ridge(correlations, right):
    """The filters that museval fits to a whole song, regularised: as if each channel had white
    noise 70 dB below it, which is not there."""
    ridge = RIDGE * np.diag(np.diag(correlations))
    return np.linalg.solve(correlations + ridge, right)


museval_metrics = _import_museval_metrics()
regularised_metrics = _import_museval_metrics(_solve_with_ridge)


def si_sdr(reference, estimate):
    """Scale-invariant signal-to-distortion ratio (Le Roux et al. 2019).

    Args:
        reference, estimate: float [samples].

    Returns:
        dB, 200 at most; NaN where the reference is silent, -inf for a silent estimate.
    """
    reference = np.asarray(reference, np.float64)
    estimate = np.asarray(estimate, np.float64)
    energy = reference @ reference
    if energy == 0.0:
        return float("nan")
    target = (estimate @ reference / energy) * reference
    noise = estimate - target
    with np.errstate(divide="ignore"):
        power = target @ target
        least = max(1e-20 * power, np.finfo(np.float64).tiny)
        return float(10.0 * np.log10(power / max(noise @ noise, least)))


def bss_eval(references, estimates, sample_rate, all_frames=False):
    """museval's BSS Eval v4 with frames of one second.

    Args:
        references, estimates: float [2, samples] or [2, samples, channels]: vocals,
            accompaniment.
        sample_rate: Hz.
        all_frames: score soft frames as well, and none whose estimate is silent, with filters
            that are not regularised, as museval's own tables do.

    Returns:
        dict from "SDR", "SIR", "ISR", "SAR" to the vocals' median over
        frames in dB; NaN if none is left. Left out are the frames that museval gives as NaN
        (of a reference or an estimate the channels sum to zero) and, unless `all_frames`,
        those whose true vocals lie 60 dB below the song's loudest frame, where stems that
        went through a lossy codec hold its noise. Unless `all_frames`, the SDR is 0 dB where
        the estimated vocals alone are silent, as it is of any faint estimate: else it would
        pay to be silent where a song is hard.

    The filters that tell interference and artifacts apart are regularised unless `all_frames`.
    In a band that a resampler or a codec left empty those of museval may amplify five
    hundredfold, and ring where a frame begins and ends: ISR and SAR then fall below 0 dB for
    vocals that are nearly perfect. The SDR has nothing to do with filters.
    """
    references, estimates = (
        np.reshape(np.asarray(stems, np.float64), (2, len(stems[0]), -1))
        for stems in (references, estimates)
    )
    starts = sample_rate * np.arange(max(references.shape[1] // sample_rate, 1))
    frames = dict.fromkeys(("SDR", "ISR", "SIR", "SAR"), np.full(len(starts), np.nan))
    if all(stem.sum(axis=1).any() for stem in (*references, *estimates)):  # or museval refuses
        museval = museval_metrics if all_frames else regularised_metrics
        scores = museval.bss_eval(references, estimates, window=sample_rate, hop=sample_rate)
        frames = {name: values[0] for name, values in zip(frames, scores)}

    def by_frame(measure, stem):
        return np.array([measure(stem[start : start + sample_rate]) for start in starts])

    levels = by_frame(level_db, references[0])
    sings = all_frames | (levels > levels.max() - SILENT_FRAME_DB)
    if not all_frames:
        missed = by_frame(np.any, references[1]) & ~by_frame(np.any, estimates[0])
        frames["SDR"] = np.where(missed, 0.0, frames["SDR"])
    return {name: median(frames[name][sings]) for name in ("SDR", "SIR", "ISR", "SAR")}


def bss_eval_sources(references, estimates):
    """BSS Eval v3 (`bss_eval_sources`) over the whole signals, as the older
    literature on MIR-1K reports it.

    It forgives any 512-tap filtering of the vocals, so its SDR is above that
    of `bss_eval`; scores of the two are not to be set beside each other.

    Args:
        references, estimates: float [2, samples]: vocals, accompaniment.

    Returns:
        dict from "SDR", "SIR", "SAR" to the vocals' score in dB; all NaN
        where a reference or an estimate is silent.
    """
    if not all(np.any(stem) for stem in (*references, *estimates)):
        return dict.fromkeys(("SDR", "SIR", "SAR"), float("nan"))
    scores = museval_metrics.bss_eval_sources(
        np.asarray(references, np.float64),
        np.asarray(estimates, np.float64),
        compute_permutation=False,
    )
    return {name: float(score[0][0]) for name, score in zip(("SDR", "SIR", "SAR"), scores)}


def mask_psnr(target, mask):
    """Peak signal-to-noise ratio of a mask (paper, equation 4), R = 1.

    Args:
        target, mask: float [frames, n_mels] from 0 to 1.

    Returns:
        dB, at most 120.
    """
    return float(-10.0 * np.log10(max(np.mean(np.square(target - mask)), 1e-12)))


def pixel_accuracy(target, mask):
    """Share of the bins on whose owner two masks agree.

    This is what the paper's code calls IoU (74.78 and 79.44 there).

    Args:
        target, mask: float [frames, n_mels]; a bin above 0.5 is the vocals'.

    Returns:
        0 to 1.
    """
    return float(np.mean((target > 0.5) == (mask > 0.5)))


def intersection_over_union(target, mask):
    """Area of overlap over area of union of the vocal bins (paper, equation 3).

    Args:
        target, mask: float [frames, n_mels]; a bin above 0.5 is the vocals'.

    Returns:
        0 to 1; 1 where neither mask has a vocal bin.
    """
    ours, theirs = mask > 0.5, target > 0.5
    union = np.logical_or(ours, theirs).sum()
    return float(np.logical_and(ours, theirs).sum() / union) if union else 1.0


def level_db(audio):
    """Root mean square level of audio, float of any shape, in dB relative to full scale;
    -inf for silence."""
    with np.errstate(divide="ignore"):
        return float(10.0 * np.log10(np.mean(np.square(audio, dtype=np.float64))))


def median(values):
    """Median of the values that are numbers; NaN if there are none."""
    values = np.asarray(values, float)
    values = values[~np.isnan(values)]
    return float(np.median(values)) if len(values) else float("nan")


def mean(values):
    """Mean of the finite values; NaN if there are none."""
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    return float(np.mean(values)) if len(values) else float("nan")
